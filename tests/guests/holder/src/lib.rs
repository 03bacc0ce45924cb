//! Holds a secret of its tenant and loses it in every way that a plugin can, so that a test can look for it.
//!
//! Invariant: what it publishes has a part of the value that tells which one it was, and never the value.

use serde::{Deserialize, Serialize};
use wharf::{Context, Draft, Event, Failure, Outcome};

/// What to do with which secret.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    secret: String,
    /// `tell`, `log`, `retry`, `reject` or `abort`.
    does: String,
}

/// What is told of a value.
#[derive(Serialize)]
struct Told {
    bytes: usize,
    end: String,
}

#[wharf::handler]
fn holder(event: Event<Wish>, cx: &Context) -> Outcome {
    let Wish { secret, does } = event.data;
    let value = cx.secret(&secret).map_err(Failure::reject)?;
    let text = format!("it is {value}, {value}");
    match does.as_str() {
        "tell" => {
            let end = value.get(value.len().saturating_sub(3)..).unwrap_or_default().to_owned();
            // The second one is the same: it is read once in a call.
            let bytes = cx.secret(&secret)?.len();
            cx.publish(Draft::new("held").json(&Told { bytes, end })?)?;
            Ok(())
        }
        "log" => {
            cx.info(&text);
            // What is cut off behind so many bytes is cut off behind the value, and not within.
            cx.info(format_args!("{}{value}", "x".repeat(8_180)));
            Ok(())
        }
        "retry" => Err(Failure::retry(text)),
        "reject" => Err(Failure::reject(format!("{}{text}", "x".repeat(2_030)))),
        "abort" => {
            cx.error(&text);
            std::process::abort();
        }
        _ => Err(Failure::reject("no such wish")),
    }
}
