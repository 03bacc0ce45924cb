//! Asks the outside for everything that it tells a plugin, so that a test can see what is recorded of that.
//!
//! Invariant: it asks the same in every attempt, in the same order, and passes on what it holds wherever it can.

use serde::Deserialize;
use wharf::{Context, Conversation, Event, Failure, Outcome};

/// Whom to send a request, and how to end.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    url: String,
    fails: bool,
}

#[wharf::handler]
fn witness(event: Event<Wish>, cx: &Context) -> Outcome {
    let Wish { url, fails } = event.data;
    let held = cx.secret("signing").map_err(Failure::reject)?;
    let seen = cx.kv().get("seen")?.map_or(0, |seen| seen.len());
    let tone = cx.config("tone").unwrap_or_default();
    let (now, drawn) = (cx.now(), cx.random_u64());
    let reply = cx.llm("dev").converse(&Conversation::new(format!("what is {held}?")))?;
    let told = format!("{held} {seen} {tone} {now:?} {drawn} {}", reply.text());
    let answer = cx.http().post(url).header("x-key", held).body("text/plain", told).send()?;
    if fails {
        return Err(Failure::retry(format!("as asked, behind {}", answer.status)));
    }
    cx.kv().set("seen", b"twice")?;
    Ok(())
}
