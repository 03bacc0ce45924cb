//! The table of scenarios, as it is read.
//!
//! Invariant: a member that is not known here is an error, so nothing that is expected goes unchecked.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

/// The table.
const TABLE: &str = include_str!("../../../tests/languages/scenarios.json");

/// Every row that there can be.
pub const ROWS: [&str; 10] =
    ["rust", "rust-bare", "python", "python-bare", "js", "js-bare", "go", "go-bare", "c", "c-bare"];

/// Which of a row's components a scenario is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum World {
    /// `event-handler`.
    Handler,
    /// `event-batch-handler`.
    Batch,
    /// `event-transform`.
    Transform,
}

/// One scenario: what is sent, and what must come of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name, which its events' ids begin with.
    pub name: String,
    /// For which component.
    pub world: World,
    /// The type of the events; those of a batch may have their own.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// What the transform does.
    pub bend: Option<String>,
    /// How many events, or each of them.
    #[serde(default)]
    pub events: Events,
    /// Further attributes.
    #[serde(default)]
    pub attributes: Map<String, Value>,
    /// The media type of the payload.
    pub datacontenttype: Option<String>,
    /// The payload.
    pub data: Option<Value>,
    /// The payload as base64.
    pub data_base64: Option<String>,
    /// The payload as so many letters.
    pub letters: Option<usize>,
    /// Whether the queue is one whose messages with one `partitionkey` come one after the other.
    #[serde(default)]
    pub ordered: bool,

    /// What is stored under the id of each event; JSON's `null`: nothing.
    #[serde(default, deserialize_with = "present")]
    pub answer: Option<Value>,
    /// Whether all answers differ.
    #[serde(default)]
    pub distinct: bool,
    /// What is stored elsewhere.
    #[serde(default)]
    pub kv: BTreeMap<String, Value>,
    /// In which bucket.
    pub bucket: Option<String>,
    /// The attempts of the first event; absent: one, which ended well.
    pub attempts: Option<Vec<Attempt>>,
    /// The delivery's state; absent: as the attempts say.
    pub state: Option<String>,
    /// What was published.
    pub published: Option<Vec<Map<String, Value>>>,
    /// The lines of the last attempt's log.
    pub log: Option<Vec<Map<String, Value>>>,
    /// The dead letters of a batch.
    pub dead: Option<Vec<Letter>>,
    /// Rows for which the toolchain has a limitation, each with it.
    #[serde(default)]
    pub not_for: BTreeMap<String, String>,
}

/// The events of a scenario.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Events {
    /// So many of the same.
    Count(usize),
    /// These, of a batch.
    Each(Vec<Map<String, Value>>),
}

impl Default for Events {
    fn default() -> Self {
        Self::Count(1)
    }
}

/// How an attempt must have ended.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// `ack`, `retry` or `dead-letter`.
    pub outcome: String,
    /// Its code.
    pub code: Option<String>,
    /// What its reason contains.
    #[serde(default)]
    pub reason: String,
    /// What its reason contains where an SDK was used.
    #[serde(default)]
    pub sdk_reason: String,
    /// What its reason or its log contains where an SDK was used whose language has a stack.
    #[serde(default)]
    pub stack: String,
    /// The limits that it met.
    #[serde(default)]
    pub limits: Vec<String>,
    /// How long the next attempt had to wait at least, by the host's record.
    pub after_ms: Option<i64>,
}

/// A message that was given up.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Letter {
    /// Which event, from 0.
    pub n: usize,
    /// The code.
    pub code: String,
    /// What the error contains.
    #[serde(default)]
    pub error: String,
    /// What it contains where an SDK was used.
    #[serde(default)]
    pub sdk_error: String,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// The whole table.
pub fn all() -> Result<Vec<Scenario>> {
    serde_json::from_str(TABLE).context("reading tests/languages/scenarios.json")
}

impl Scenario {
    /// The events to send, structured.
    pub fn sent(&self) -> Vec<Value> {
        let source = match self.world {
            World::Handler => "languages",
            World::Transform => "transform",
            World::Batch => &self.name,
        };
        let event = |id: String, more: &Map<String, Value>| {
            let mut event = json!({ "specversion": "1.0", "id": id, "source": source, "type": self.kind });
            if let Value::Object(members) = &mut event {
                members.extend(self.attributes.clone());
                members.extend(self.payload());
                members.extend(self.bend.iter().map(|bend| ("bend".to_owned(), json!(bend))));
                members.extend(more.clone());
            }
            event
        };
        match &self.events {
            Events::Count(1) => vec![event(self.name.clone(), &Map::new())],
            Events::Count(count) => (0..*count).map(|n| event(format!("{}-{n}", self.name), &Map::new())).collect(),
            Events::Each(each) => {
                let typed = |more: &Map<String, Value>| {
                    let mut more = more.clone();
                    more.entry("type").or_insert_with(|| json!("probe.number"));
                    more
                };
                each.iter().enumerate().map(|(n, more)| event(format!("{}-{n}", self.name), &typed(more))).collect()
            }
        }
    }

    fn payload(&self) -> Map<String, Value> {
        let members = [
            ("data", self.data.clone().or_else(|| self.letters.map(|count| json!("x".repeat(count))))),
            ("data_base64", self.data_base64.clone().map(Value::from)),
            ("datacontenttype", self.datacontenttype.clone().map(Value::from)),
        ];
        members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_has_forty_scenarios_at_least_each_with_a_name_of_its_own_and_something_expected() {
        let all = all().unwrap();
        assert!(all.len() >= 40);
        assert_eq!(all.iter().map(|it| &it.name).collect::<BTreeSet<_>>().len(), all.len());
        for it in &all {
            let expects = it.answer.is_some() || !it.kv.is_empty() || it.attempts.is_some() || it.published.is_some();
            assert!(expects || it.log.is_some() || it.distinct, "{} expects nothing", it.name);
        }
    }

    #[test]
    fn no_row_is_excused_from_more_than_three_and_only_rows_are() {
        let all = all().unwrap();
        let excused = || all.iter().flat_map(|it| it.not_for.keys());
        assert!(excused().all(|row| ROWS.contains(&row.as_str())));
        for row in ROWS {
            assert!(excused().filter(|it| *it == row).count() <= 3, "{row}");
        }
    }
}
