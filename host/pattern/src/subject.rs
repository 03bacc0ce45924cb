//! An event as patterns see it. Invariant: this is the one place that says which name is what: the attributes at the top, the
//! payload under `data`, or under `data_base64` if it is binary; and, for patterns that were written for EventBridge, its
//! names for the same things, unless the event has an attribute of that name itself:
//!
//! | EventBridge | here |
//! |---|---|
//! | `detail-type` | `type` |
//! | `detail` | `data` |
//! | `resources` | `subject` |
//! | `account`, `region` | the extension attributes of these names |
//! | `id`, `source`, `time` | the same |

use std::cell::OnceCell;

use wharf_event::{Data, Event, named_here};

use crate::{
    scan::{JsonError, JsonFault},
    tree::{Spot, Tree},
};

/// An event that patterns are matched with, one at a time: parsed once, and only as far as they look.
#[derive(Clone, Debug)]
pub struct Subject {
    top: Tree,
    /// An event with a payload; parsed when the first pattern asks for it.
    payload: Option<(Event, OnceCell<Tree>)>,
}

/// What a path leads to.
pub(crate) struct Lead<'a> {
    pub(crate) tree: &'a Tree,
    /// The pointer to the tree's root.
    pub(crate) above: &'static str,
    /// The path in the tree; `None` is its root.
    pub(crate) path: Option<&'a str>,
    /// What its first name is called here, where that was EventBridge's name for it.
    pub(crate) renamed: Option<&'static str>,
}

/// The names that a payload has. No attribute can be called so.
const DATA: &str = "data";
const DATA_BASE64: &str = "data_base64";

impl Subject {
    /// The subject that this event is.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        let attributes = serde_json::Value::Object(event.attributes_to_value()).to_string();
        let top = Tree::read(attributes.as_bytes()).unwrap_or_default();
        Self { top, payload: Some((event.clone(), OnceCell::new())) }
    }

    /// A JSON object as it stands, without an envelope.
    ///
    /// # Errors
    /// When the text is not JSON, or no object.
    pub fn from_json(text: &[u8]) -> Result<Self, JsonError> {
        let top = Tree::read(text)?;
        if !top.is_object() {
            return Err(JsonError { offset: 0, what: JsonFault::NotObject });
        }
        Ok(Self { top, payload: None })
    }

    /// Where a path leads, whether or not something is there.
    pub(crate) fn lead<'a>(&'a self, path: &'a str) -> Lead<'a> {
        let own = Lead { tree: &self.top, above: "", path: Some(path), renamed: None };
        if self.payload.is_none() {
            return own;
        }
        let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
        if self.top.spot(Some(first)).is_some() {
            return own;
        }
        let renamed = named_here(first);
        let here = renamed.unwrap_or(first);
        match (self.payload(here), rest) {
            (Some((above, tree)), rest) => Lead { tree, above, path: rest, renamed },
            (None, None) => Lead { path: Some(here), renamed, ..own },
            (None, Some(_)) => Lead { renamed, ..own },
        }
    }

    /// The event itself.
    pub(crate) fn whole(&self) -> Lead<'_> {
        Lead { tree: &self.top, above: "", path: None, renamed: None }
    }

    /// What is at a path.
    pub(crate) fn spot<'a>(&'a self, path: &'a str) -> Option<(&'a Tree, &'a Spot)> {
        let Lead { tree, path, .. } = self.lead(path);
        tree.spot(path).map(|spot| (tree, spot))
    }

    fn payload(&self, name: &str) -> Option<(&'static str, &Tree)> {
        let (event, parsed) = self.payload.as_ref()?;
        let above = match (event.data()?, name) {
            (Data::Json(_) | Data::Text(_), DATA) => "/data",
            (Data::Binary(_), DATA_BASE64) => "/data_base64",
            _ => return None,
        };
        let parse = || match event.data() {
            // It was checked to be JSON when the event was made.
            Some(Data::Json(bytes)) => Tree::read(bytes).unwrap_or_default(),
            _ => {
                let text = event.data_to_value().map(|(_, value)| value.to_string());
                Tree::read(text.unwrap_or_default().as_bytes()).unwrap_or_default()
            }
        };
        Some((above, parsed.get_or_init(parse)))
    }
}
