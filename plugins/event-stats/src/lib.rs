//! Counts GitHub events: under `type/<event type>` and under `repo/<repository's full name>`, or `repo/none`.
//!
//! Invariant: every handled event adds one to exactly one key of each kind.
//!
//! It does not read the counters, so that events never wait for each other here.

use serde::Deserialize;
use wharf::{Context, Event, Outcome};

#[derive(Deserialize)]
struct Payload {
    repository: Option<Repository>,
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
}

wharf::needs! { kv = ["default"] }

#[wharf::handler]
fn count(event: Event<Payload>, cx: &Context) -> Outcome {
    let (by_type, by_repository) = keys(&event.kind, &event.data);
    cx.kv().add(&by_type, 1)?;
    cx.kv().add(&by_repository, 1)?;
    Ok(())
}

/// The two keys that an event is counted under.
fn keys(kind: &str, payload: &Payload) -> (String, String) {
    let repository = payload.repository.as_ref().map_or("none", |repository| &repository.full_name);
    (format!("type/{kind}"), format!("repo/{repository}"))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;

    #[test]
    fn an_event_is_counted_by_type_and_repository() {
        for (payload, repository) in [
            (r#"{"repository": {"full_name": "a/b"}}"#, "repo/a/b"),
            (r#"{"repository": null}"#, "repo/none"),
            ("{}", "repo/none"),
        ] {
            let payload = serde_json::from_str(payload).unwrap();
            assert_eq!(keys("com.github.push", &payload), ("type/com.github.push".to_owned(), repository.to_owned()));
        }
    }

    #[test]
    fn every_real_payload_is_read() {
        #[derive(Deserialize)]
        struct Line {
            payload: Payload,
        }
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/github-webhooks.ndjson.gz");
        let lines = BufReader::new(flate2::read::GzDecoder::new(std::fs::File::open(file).unwrap())).lines();
        let payloads: Vec<Line> = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
        let without = payloads.iter().filter(|line| keys("", &line.payload).1 == "repo/none").count();
        assert_eq!((payloads.len(), without), (329, 49));
    }
}
