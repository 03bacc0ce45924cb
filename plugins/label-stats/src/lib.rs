//! Counts the labels that `github-triage` gave, under `label/<label>`.
//!
//! Invariant: each label of an event adds one to its own key.
//!
//! It does not know who published the event: any `triage.labeled` with a list of labels counts.

use serde::Deserialize;
use wharf::{Context, Event, Outcome};

#[derive(Deserialize)]
struct Labeled {
    labels: Vec<String>,
}

wharf::needs! { kv = ["default"] }

#[wharf::handler]
fn count(event: Event<Labeled>, cx: &Context) -> Outcome {
    for key in event.data.keys() {
        cx.kv().add(&key, 1)?;
    }
    Ok(())
}

impl Labeled {
    /// The keys that the labels are counted under.
    fn keys(&self) -> impl Iterator<Item = String> {
        self.labels.iter().map(|label| format!("label/{label}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_label_is_counted_under_its_own_key() {
        let labeled: Labeled =
            serde_json::from_str(r#"{"repo": "a/b", "number": 1, "labels": ["bug", "question"]}"#).unwrap();
        assert_eq!(labeled.keys().collect::<Vec<_>>(), ["label/bug", "label/question"]);
    }
}
