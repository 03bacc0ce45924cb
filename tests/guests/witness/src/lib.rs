//! Asks the outside for everything that it tells a plugin, so that a test can see what is recorded of that.
//!
//! Invariant: it asks the same in every attempt, in the same order, and passes on what it holds wherever it can.

use serde::Deserialize;
use wasip2::{
    clocks::{monotonic_clock, wall_clock},
    random::{insecure, insecure_seed},
};
use wharf::{Context, Conversation, Event, Failure, Outcome, bindings::wasi::config::store};

/// Whom to send a request, and how to end.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    url: String,
    fails: bool,
    /// It asks for what else there is, in place of that.
    #[serde(default)]
    rest: bool,
}

#[wharf::handler]
fn witness(event: Event<Wish>, cx: &Context) -> Outcome {
    let Wish { url, fails, rest } = event.data;
    if rest {
        return ask_the_rest(cx);
    }
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

/// What else there is to ask.
fn ask_the_rest(cx: &Context) -> Outcome {
    let (kv, model) = (cx.kv(), cx.llm("dev"));
    let (there, keys, count) = (kv.exists("seen")?, kv.list_keys()?.len(), kv.increment("count", 2)?);
    let drawn =
        [cx.random_bytes(5).len() as u64, insecure::get_insecure_random_u64(), insecure_seed::insecure_seed().0];
    let bytes = insecure::get_insecure_random_bytes(3).len();
    let (began, tick) = (monotonic_clock::now(), monotonic_clock::resolution());
    let vectors = model.embed(["one two"], None)?.len();
    let tokens = model.count_tokens(&Conversation::new("one two three"))?;
    let (wall_tick, has_prompt) = (wall_clock::resolution().nanoseconds, model.prompt("none", &()).is_ok());
    let settings = store::get_all().map_or(0, |all| all.len());
    cx.info(format_args!(
        "{there} {keys} {count} {drawn:?} {bytes} {began} {tick} {vectors} {tokens} {wall_tick} {has_prompt} {settings}"
    ));
    Ok(())
}
