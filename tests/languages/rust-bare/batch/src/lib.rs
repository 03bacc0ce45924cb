//! The probe's batch handler in Rust, from `wit/` alone; what it does is in tests/languages/README.md.

wit_bindgen::generate!({ path: "../../../../wit", world: "event-batch-handler", generate_all });

use exports::wharf::plugin::batch_handler::{Failure, Guest, Item};
use wasi::keyvalue::store;
use wharf::plugin::types::RetryRequest;
use wharf::plugin::{counters, publisher};

struct Probe;

impl Guest for Probe {
    fn handle_batch(batch: Vec<Item>) -> Result<Vec<Result<(), Failure>>, Failure> {
        let has = |kind: &str| batch.iter().any(|item| item.event.type_ == kind);
        if has("probe.uncaught") {
            panic!("uncaught as asked");
        }
        if has("probe.fail-all") {
            return Err(retry(None, "all fail as asked"));
        }
        let kv = store::open("default").map_err(broken)?;
        let mut outcomes = Vec::new();
        for Item { event, .. } in &batch {
            let Ok(number) = serde_json::from_slice::<i64>(event.data.as_deref().unwrap_or_default()) else {
                outcomes.push(Err(Failure::Reject("the payload is no integer".to_owned())));
                continue;
            };
            counters::add(&kv, &format!("sum/{}", event.source), number).map_err(broken)?;
            counters::add(&kv, &format!("seen/{}", event.id), 1).map_err(broken)?;
            if event.type_ == "probe.append" {
                let key = event.extensions.iter().find(|it| it.name == "partitionkey").map(|it| it.value.as_str());
                let key = format!("line/{}", key.unwrap_or_default());
                let mut line = kv.get(&key).map_err(broken)?.unwrap_or_default();
                line.extend_from_slice(format!("{number},").as_bytes());
                kv.set(&key, &line).map_err(broken)?;
            }
            outcomes.push(match event.type_.as_str() {
                "probe.reject" => Err(Failure::Reject("rejected as asked".to_owned())),
                "probe.retry" => Err(retry(Some(1), "again as asked")),
                _ => Ok(()),
            });
        }
        if has("probe.publish") {
            let draft = publisher::Draft {
                type_: "probe.batched".to_owned(),
                source: None,
                subject: None,
                datacontenttype: None,
                extensions: Vec::new(),
                data: Some(batch.len().to_string().into_bytes()),
            };
            publisher::publish(&draft).map_err(broken)?;
        }
        Ok(outcomes)
    }
}

fn retry(after_ms: Option<u64>, reason: &str) -> Failure {
    Failure::Retry(RetryRequest { after_ms, reason: reason.to_owned() })
}

fn broken(error: impl std::fmt::Debug) -> Failure {
    retry(None, &format!("{error:?}"))
}

export!(Probe);
