//! The probe's handler in Rust; what it does is in tests/languages/README.md.
//!
//! It is no example: plugins/ has those.

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::json;
use wharf::{Bucket, Context, Draft, Event, Failure, KvError, Level, Outcome, Payload, PublishError};

wharf::needs! { publish = ["probe.*"], kv = ["default", "ledger"] }

static COUNTER: AtomicU32 = AtomicU32::new(0);

#[derive(serde::Serialize, serde::Deserialize)]
struct Order {
    number: i64,
    cents: i64,
    note: Option<String>,
}

#[wharf::handler]
fn probe(event: Event<Vec<u8>>, cx: &Context) -> Outcome {
    let what = event.kind.strip_prefix("probe.").unwrap_or_default();
    match what {
        "order" => order(&event, cx),
        "attributes" | "delivery" | "config" | "clock" | "random" | "counter" => {
            answer(&event, cx, told(what, &event, cx))
        }
        _ if what.starts_with("publish") || what == "half" => publishing(what, &event, cx),
        _ if what.starts_with("kv-") => buckets(what, &event, cx),
        _ => other(what, &event, cx),
    }
}

fn answer(event: &Event<Vec<u8>>, cx: &Context, value: impl AsRef<[u8]>) -> Outcome {
    Ok(cx.kv().set(&event.id, value)?)
}

/// What the handler was told, and what it sees.
fn told(what: &str, event: &Event<Vec<u8>>, cx: &Context) -> String {
    match what {
        "attributes" => {
            let extensions: serde_json::Map<_, _> =
                event.extensions.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            json!({
                "id": event.id, "source": event.source, "type": event.kind, "subject": event.subject, "time": event.time,
                "datacontenttype": event.datacontenttype, "dataschema": event.dataschema, "extensions": extensions,
            })
            .to_string()
        }
        "delivery" => json!({
            "id": cx.delivery_id(), "rule": cx.rule(), "attempt": cx.attempt(), "max_attempts": cx.max_attempts(),
            "deadline_ms": u64::try_from(cx.deadline().as_millis()).unwrap_or(u64::MAX),
        })
        .to_string(),
        "config" => ["greeting", "absent"].map(|key| cx.config(key).unwrap_or("none".to_owned())).join(" "),
        "clock" => cx.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().to_string(),
        "random" => cx.random_bytes(16).iter().map(|byte| format!("{byte:02x}")).collect(),
        _ => (COUNTER.fetch_add(1, Ordering::Relaxed) + 1).to_string(),
    }
}

fn order(event: &Event<Vec<u8>>, cx: &Context) -> Outcome {
    // The other scenarios take bytes, so this one reads its type itself.
    let payload = (!event.data.is_empty()).then(|| event.data.clone());
    let order = <Order as Payload>::decode(payload).map_err(Failure::reject)?;
    cx.publish(Draft::new("probe.ordered").subject(format!("order/{}", order.number)).json(&order)?)?;
    Ok(())
}

fn publishing(what: &str, event: &Event<Vec<u8>>, cx: &Context) -> Outcome {
    let published = || Draft::new("probe.published");
    match what {
        "publish" => {
            let first = cx.publish(published().subject("first").extension("mark", "a").json(&json!({"n": 1}))?)?;
            let bytes = published().source("elsewhere").data("application/octet-stream", event.data.clone());
            answer(event, cx, format!("{first} {}", cx.publish(bytes)?))
        }
        "publish-again" => {
            let id = cx.publish(published())?;
            if cx.attempt() == 1 { Err(Failure::retry(id)) } else { answer(event, cx, id) }
        }
        "publish-denied" => answer(event, cx, refusal(cx.publish(Draft::new("elsewhere.event")))),
        "publish-invalid" => answer(event, cx, refusal(cx.publish(published().extension("Not A Name", "x")))),
        "publish-flood" => (0..101).try_for_each(|_| Ok(cx.publish(published()).map(|_| ())?)),
        _ => {
            cx.publish(published())?;
            answer(event, cx, "half")?;
            Err(Failure::reject("half done"))
        }
    }
}

fn refusal(result: Result<String, PublishError>) -> &'static str {
    match result {
        Ok(_) => "taken",
        Err(PublishError::Denied(_)) => "denied",
        Err(_) => "invalid",
    }
}

fn buckets(what: &str, event: &Event<Vec<u8>>, cx: &Context) -> Outcome {
    let kv = cx.kv();
    let at = |name: &str| format!("{}/{name}", event.id);
    let shown = |key: &str| -> Result<String, KvError> {
        Ok(kv.get(key)?.map_or("none".to_owned(), |value| String::from_utf8_lossy(&value).into_owned()))
    };
    match what {
        "kv-set-get" => {
            kv.set(&at("a"), "1")?;
            answer(event, cx, format!("{} {}", shown(&at("a"))?, shown(&at("b"))?))
        }
        "kv-delete" => {
            kv.set(&at("a"), "1")?;
            kv.delete(&at("a"))?;
            answer(event, cx, format!("{} {}", kv.exists(&at("a"))?, shown(&at("a"))?))
        }
        "kv-list" => {
            kv.set(&at("b"), "1")?;
            kv.set(&at("a"), "1")?;
            let keys: Vec<_> = kv.list_keys()?.into_iter().filter(|key| key.starts_with(&at(""))).collect();
            answer(event, cx, keys.join(" "))
        }
        "kv-binary" => {
            kv.set(&at("bytes"), &event.data)?;
            answer(event, cx, kv.get(&at("bytes"))?.unwrap_or_default())
        }
        "kv-add" => {
            kv.add(&at("n"), 5)?;
            Ok(kv.add(&at("n"), -2)?)
        }
        "kv-increment" => {
            kv.increment(&at("n"), 2)?;
            answer(event, cx, kv.increment(&at("n"), 3)?.to_string())
        }
        "kv-swap" => {
            let steps = [(None, "one"), (Some("zero"), "two"), (Some("one"), "three")];
            let done: Result<Vec<_>, _> = steps.iter().map(|(old, new)| swap(&kv, &at("s"), *old, new)).collect();
            answer(event, cx, done?.iter().map(bool::to_string).collect::<Vec<_>>().join(" "))
        }
        "kv-conflict" => Ok(kv.increment("conflicts", 1).map(|_| ())?),
        "kv-named" => Ok(cx.bucket("ledger").set(&event.id, "kept")?),
        _ => {
            let refused = matches!(cx.bucket("vault").set(&event.id, "x"), Err(KvError::AccessDenied { .. }));
            answer(event, cx, if refused { "denied" } else { "taken" })
        }
    }
}

fn swap(kv: &Bucket<'_>, key: &str, old: Option<&str>, new: &str) -> Result<bool, KvError> {
    let fits = kv.get(key)?.as_deref() == old.map(str::as_bytes);
    if fits {
        kv.set(key, new)?;
    }
    Ok(fits)
}

/// How an attempt ends, well or not.
fn other(what: &str, event: &Event<Vec<u8>>, cx: &Context) -> Outcome {
    let text = String::from_utf8_lossy(&event.data);
    match what {
        "echo" => answer(event, cx, &event.data),
        "retry" if cx.attempt() == 1 => Err(Failure::retry(format!("again: {}", cx.delivery_id()))),
        "retry" => answer(event, cx, format!("{} {}", cx.attempt(), cx.delivery_id())),
        "retry-after" if cx.attempt() == 1 => Err(Failure::retry_after(Duration::from_millis(1500), "later")),
        "retry-after" => answer(event, cx, cx.attempt().to_string()),
        "retry-always" => Err(Failure::retry(format!("attempt {} as asked", cx.attempt()))),
        "reject" => Err(Failure::reject(text)),
        "uncaught" => {
            answer(event, cx, "half")?;
            deep()
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
            for (level, name) in [
                (Level::Trace, "trace"),
                (Level::Debug, "debug"),
                (Level::Info, "info"),
                (Level::Warn, "warn"),
                (Level::Error, "error"),
                (Level::Critical, "critical"),
            ] {
                cx.log(level, "", format_args!("{name} {text}"));
            }
            Ok(())
        }
        _ => Err(Failure::reject(format!("the probe knows no {what}"))),
    }
}

#[allow(clippy::panic, reason = "that is the test")]
fn deep() -> Outcome {
    panic!("uncaught as asked")
}
