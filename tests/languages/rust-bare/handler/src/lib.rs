//! The probe's handler in Rust, from `wit/` alone; what it does is in tests/languages/README.md.

wit_bindgen::generate!({ path: "../../../../wit", world: "event-handler", generate_all });

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};

use exports::wharf::plugin::handler::{Delivery, Event, Failure, Guest};
use serde_json::json;
use wasi::clocks::wall_clock;
use wasi::config::store as config;
use wasi::keyvalue::{atomics, store};
use wasi::logging::logging::{self, Level};
use wasi::random::random;
use wharf::plugin::types::{Attribute, RetryRequest};
use wharf::plugin::{counters, publisher};

type Outcome = Result<(), Failure>;

static COUNTER: AtomicU32 = AtomicU32::new(0);

#[derive(serde::Serialize, serde::Deserialize)]
struct Order {
    number: i64,
    cents: i64,
    note: Option<String>,
}

struct Probe;

impl Guest for Probe {
    fn handle(event: Event, delivery: Delivery) -> Outcome {
        let what = event.type_.strip_prefix("probe.").unwrap_or_default();
        let data = event.data.clone().unwrap_or_default();
        let text = String::from_utf8_lossy(&data);
        match what {
            "echo" => answer(&event, &data),
            "attributes" => {
                let extensions: serde_json::Map<_, _> =
                    event.extensions.iter().map(|it| (it.name.clone(), json!(it.value))).collect();
                let told = json!({
                    "id": event.id, "source": event.source, "type": event.type_, "subject": event.subject,
                    "time": event.time, "datacontenttype": event.datacontenttype, "dataschema": event.dataschema,
                    "extensions": extensions,
                });
                answer(&event, told.to_string())
            }
            "delivery" => {
                let Delivery { id, rule, attempt, max_attempts, deadline_ms } = delivery;
                let told = json!({
                    "id": id, "rule": rule, "attempt": attempt, "max_attempts": max_attempts,
                    "deadline_ms": deadline_ms,
                });
                answer(&event, told.to_string())
            }
            "order" => order(&data),
            "retry" if delivery.attempt == 1 => retry(format!("again: {}", delivery.id)),
            "retry" => answer(&event, format!("{} {}", delivery.attempt, delivery.id)),
            "retry-after" if delivery.attempt == 1 => {
                Err(Failure::Retry(RetryRequest { after_ms: Some(1500), reason: "later".to_owned() }))
            }
            "retry-after" => answer(&event, delivery.attempt.to_string()),
            "retry-always" => retry(format!("attempt {} as asked", delivery.attempt)),
            "reject" => Err(Failure::Reject(text.into_owned())),
            "uncaught" => {
                answer(&event, "half")?;
                panic!("uncaught as asked")
            }
            "loop" => loop {
                black_box(0);
            },
            "memory" => {
                let mut hoard: Vec<Vec<u8>> = Vec::new();
                loop {
                    hoard.push(black_box(vec![1; 1 << 20]));
                }
            }
            "log" => {
                let levels = [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error, Level::Critical];
                let names = ["trace", "debug", "info", "warn", "error", "critical"];
                for (level, name) in levels.into_iter().zip(names) {
                    logging::log(level, "", &format!("{name} {text}"));
                }
                Ok(())
            }
            "config" => {
                let value = |key| config::get(key).ok().flatten().unwrap_or("none".to_owned());
                answer(&event, format!("{} {}", value("greeting"), value("absent")))
            }
            "clock" => answer(&event, wall_clock::now().seconds.to_string()),
            "random" => {
                let hex: String = random::get_random_bytes(16).iter().map(|byte| format!("{byte:02x}")).collect();
                answer(&event, hex)
            }
            "counter" => answer(&event, (COUNTER.fetch_add(1, Ordering::Relaxed) + 1).to_string()),
            _ if what.starts_with("kv-") => buckets(what, &event, &data),
            _ => publishing(what, &event, &data, delivery.attempt),
        }
    }
}

fn answer(event: &Event, value: impl AsRef<[u8]>) -> Outcome {
    open("default")?.set(&event.id, value.as_ref()).map_err(broken)
}

fn open(bucket: &str) -> Result<store::Bucket, Failure> {
    store::open(bucket).map_err(broken)
}

fn retry(reason: String) -> Outcome {
    Err(Failure::Retry(RetryRequest { after_ms: None, reason }))
}

fn broken(error: impl std::fmt::Debug) -> Failure {
    Failure::Retry(RetryRequest { after_ms: None, reason: format!("{error:?}") })
}

fn draft(kind: &str) -> publisher::Draft {
    let (type_, extensions) = (kind.to_owned(), Vec::new());
    publisher::Draft { type_, source: None, subject: None, datacontenttype: None, extensions, data: None }
}

fn order(data: &[u8]) -> Outcome {
    let order: Order = serde_json::from_slice(data).map_err(|error| Failure::Reject(error.to_string()))?;
    let data = serde_json::to_vec(&order).map_err(broken)?;
    let subject = Some(format!("order/{}", order.number));
    publisher::publish(&publisher::Draft { subject, data: Some(data), ..draft("probe.ordered") }).map_err(broken)?;
    Ok(())
}

fn publishing(what: &str, event: &Event, data: &[u8], attempt: u32) -> Outcome {
    let publish = |draft: publisher::Draft| publisher::publish(&draft).map_err(broken);
    let plain = || draft("probe.published");
    match what {
        "publish" => {
            let first = publish(publisher::Draft {
                subject: Some("first".to_owned()),
                extensions: vec![Attribute { name: "mark".to_owned(), value: "a".to_owned() }],
                data: Some(b"{\"n\":1}".to_vec()),
                ..plain()
            })?;
            let second = publish(publisher::Draft {
                source: Some("elsewhere".to_owned()),
                datacontenttype: Some("application/octet-stream".to_owned()),
                data: Some(data.to_vec()),
                ..plain()
            })?;
            answer(event, format!("{first} {second}"))
        }
        "publish-again" => {
            let id = publish(plain())?;
            if attempt == 1 { retry(id) } else { answer(event, id) }
        }
        "publish-denied" | "publish-invalid" => {
            let bad_name = Attribute { name: "Not A Name".to_owned(), value: "x".to_owned() };
            let invalid = || publisher::Draft { extensions: vec![bad_name], ..plain() };
            let draft = if what == "publish-denied" { draft("elsewhere.event") } else { invalid() };
            answer(
                event,
                match publisher::publish(&draft) {
                    Ok(_) => "taken",
                    Err(publisher::PublishError::Denied(_)) => "denied",
                    Err(publisher::PublishError::Invalid(_)) => "invalid",
                },
            )
        }
        "publish-flood" => (0..101).try_for_each(|_| publish(plain()).map(drop)),
        _ => {
            publish(plain())?;
            answer(event, "half")?;
            Err(Failure::Reject("half done".to_owned()))
        }
    }
}

fn buckets(what: &str, event: &Event, data: &[u8]) -> Outcome {
    let kv = open("default")?;
    let at = |name: &str| format!("{}/{name}", event.id);
    let shown = |key: &str| -> Result<String, Failure> {
        let value = kv.get(key).map_err(broken)?;
        Ok(value.map_or("none".to_owned(), |value| String::from_utf8_lossy(&value).into_owned()))
    };
    let set = |key: &str, value: &[u8]| kv.set(key, value).map_err(broken);
    match what {
        "kv-set-get" => {
            set(&at("a"), b"1")?;
            answer(event, format!("{} {}", shown(&at("a"))?, shown(&at("b"))?))
        }
        "kv-delete" => {
            set(&at("a"), b"1")?;
            kv.delete(&at("a")).map_err(broken)?;
            answer(event, format!("{} {}", kv.exists(&at("a")).map_err(broken)?, shown(&at("a"))?))
        }
        "kv-list" => {
            set(&at("b"), b"1")?;
            set(&at("a"), b"1")?;
            let (mut keys, mut cursor) = (Vec::new(), None);
            loop {
                let page = kv.list_keys(cursor).map_err(broken)?;
                keys.extend(page.keys.into_iter().filter(|key| key.starts_with(&at(""))));
                cursor = page.cursor;
                if cursor.is_none() {
                    return answer(event, keys.join(" "));
                }
            }
        }
        "kv-binary" => {
            set(&at("bytes"), data)?;
            answer(event, kv.get(&at("bytes")).map_err(broken)?.unwrap_or_default())
        }
        "kv-add" => {
            counters::add(&kv, &at("n"), 5).map_err(broken)?;
            counters::add(&kv, &at("n"), -2).map_err(broken)
        }
        "kv-increment" => {
            atomics::increment(&kv, &at("n"), 2).map_err(broken)?;
            answer(event, atomics::increment(&kv, &at("n"), 3).map_err(broken)?.to_string())
        }
        "kv-swap" => {
            let mut done = Vec::new();
            for (old, new) in [("none", "one"), ("zero", "two"), ("one", "three")] {
                let fits = shown(&at("s"))? == old;
                if fits {
                    set(&at("s"), new.as_bytes())?;
                }
                done.push(fits.to_string());
            }
            answer(event, done.join(" "))
        }
        "kv-conflict" => atomics::increment(&kv, "conflicts", 1).map(drop).map_err(broken),
        "kv-named" => open("ledger")?.set(&event.id, b"kept").map_err(broken),
        _ => match store::open("vault").and_then(|vault| vault.set(&event.id, b"x")) {
            Err(store::Error::AccessDenied) => answer(event, "denied"),
            _ => answer(event, "taken"),
        },
    }
}

export!(Probe);
