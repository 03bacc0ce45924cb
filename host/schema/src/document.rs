//! A schema as JSON, with its draft and what its references name. Invariant: every reference that a document has was resolved
//! once within it (see `graph.rs`), so looking one up later finds it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{error::SchemaReason, pointer};

/// The JSON Schema drafts that are understood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Draft {
    /// Draft 7, where `format` is checked.
    #[serde(rename = "draft-07")]
    Seven,
    /// 2020-12, where `format` says what a value means and refuses none.
    #[default]
    #[serde(rename = "2020-12")]
    TwentyTwenty,
}

impl Draft {
    /// The draft that `$schema` names, or the newest one where it is not there.
    ///
    /// # Errors
    /// When it names another one.
    pub fn of(root: &Value) -> Result<Self, SchemaReason> {
        let Some(named) = root.get("$schema") else { return Ok(Self::default()) };
        let plain = named.as_str().unwrap_or_default().trim_end_matches('#');
        let plain = plain.trim_start_matches("https://").trim_start_matches("http://");
        match plain {
            "json-schema.org/draft/2020-12/schema" => Ok(Self::TwentyTwenty),
            "json-schema.org/draft-07/schema" => Ok(Self::Seven),
            _ => Err(SchemaReason::Draft { found: crate::error::shown(named) }),
        }
    }
}

/// A schema's JSON and what can be named in it.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) root: Value,
    pub(crate) draft: Draft,
    /// Anchors, each with the pointer of its schema.
    pub(crate) anchors: BTreeMap<String, String>,
}

impl Document {
    /// The pointer of what a reference names; `None` where it leaves the document.
    pub(crate) fn named(&self, reference: &str) -> Option<String> {
        let fragment = pointer::of_fragment(reference.strip_prefix('#')?)?;
        match fragment.is_empty() || fragment.starts_with('/') {
            true => Some(fragment),
            false => self.anchors.get(&fragment).cloned(),
        }
    }

    /// The schema that a reference names.
    pub(crate) fn resolve(&self, reference: &str) -> Option<&Value> {
        self.root.pointer(&self.named(reference)?)
    }

    /// The keywords of a schema that count: in draft 7 a reference stands alone.
    pub(crate) fn counting<'a>(&self, keywords: &'a Map<String, Value>) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let alone = self.draft == Draft::Seven && keywords.contains_key("$ref");
        let counts = move |(name, _): &(&str, &Value)| !alone || *name == "$ref";
        keywords.iter().map(|(name, value)| (name.as_str(), value)).filter(counts)
    }
}
