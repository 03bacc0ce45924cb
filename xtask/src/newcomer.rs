//! `cargo xtask newcomer`: how long somebody who begins waits, in each language: until a first event is handled, and until a change is live.
//!
//! Method: `wharf new`, `wharf dev` and `wharf send` in an empty folder, by the reader of the guide; nothing is shared with anybody, so that the
//! first build is one, and what package managers install is installed. Then one word of the handler is changed while events are sent, one
//! after the other, until one of them was handled by another release; the builder's own time is what `wharf dev` says.
//!
//! Invariant: every event that was sent ended well in its first attempt, or this fails. A language whose tools cannot be had here has no row.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde_json::{Value, json};

use crate::guests::languages::{Place, missing_tools};
use crate::guests::{Lang, cargo};
use crate::guide::{Reader, Tools, at_hand};
use crate::host::Api;
use crate::host::api::Answer;
use crate::host::binary::{self, Profile};
use crate::interrupt::Interrupt;
use crate::left_out;
use crate::poll;

/// How long an event may take, and a change.
const EVENT_S_MAX: Duration = Duration::from_secs(30);
const CHANGE_S_MAX: Duration = Duration::from_secs(240);

/// Events that are sent behind the first one that met the change.
const EVENTS_MORE: usize = 20;

/// Words of each template's handler, and what they become.
const CHANGE: (&str, &str) = ("less than nothing", "less than zero");

/// Options of `cargo xtask newcomer`.
#[derive(clap::Args)]
pub struct Args {
    /// Only in this language.
    #[arg(long, value_enum)]
    lang: Option<Lang>,
    /// Use this binary instead of one that is built first.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// `json`: one list on stdout.
    #[arg(short, long, value_name = "FORMAT", value_parser = ["json"])]
    output: Option<String>,
}

/// Seconds in one language.
#[derive(Serialize)]
struct Row {
    language: &'static str,
    /// From `wharf new` until `wharf send` said how the event ended.
    first_event_s: f64,
    /// Of that, until `wharf dev` served, its first build included.
    ready_s: f64,
    /// From the change of the file until an event had been handled by what came of it.
    change_s: f64,
    /// Of that, the builder's part, and the host's: it compiles the component to machine code and takes it in.
    build_s: f64,
    reload_s: f64,
    /// Events that were sent meanwhile, all of which were handled.
    events: usize,
}

/// Begins anew in each language.
pub fn run(args: &Args) -> Result<()> {
    let repository = cargo::repository();
    let place = Place { target: cargo::workspace(&repository)?.target, repository };
    let wharf = binary::given_or_built(args.binary.as_deref(), Profile::Release)?;
    let interrupt = Interrupt::catch()?;
    let mut rows = Vec::new();
    for lang in args.lang.map_or_else(|| Lang::ALL.to_vec(), |lang| vec![lang]) {
        if let Some(why) = missing_tools(lang, &place)? {
            eprintln!("newcomer: left out: {}", left_out::language(lang.name(), &why)?);
            continue;
        }
        eprintln!("newcomer: {} ...", lang.name());
        let mut tools = Tools::default();
        // Zig comes from a package manager, as a newcomer has it.
        if lang != Lang::C {
            at_hand(lang, &place, &mut tools)?;
            tools.target = None;
        }
        rows.push(row(lang, &wharf, &tools, &interrupt).with_context(|| format!("a newcomer to {}", lang.name()))?);
    }
    let text = if args.output.is_some() { serde_json::to_string_pretty(&rows)? + "\n" } else { text(&rows) };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

fn row(lang: Lang, wharf: &Path, tools: &Tools, interrupt: &Interrupt) -> Result<Row> {
    let mut reader = Reader::new(wharf, tools, interrupt)?;
    let began = Instant::now();
    reader.read(&format!("```sh\nwharf new orders --lang {}\ncd orders\n```\n", lang.name()))?;
    reader.read("```sh background\nwharf dev\n```\n```text\n…ready url=…\n```\n")?;
    let ready = began.elapsed();
    reader.read("```sh\nwharf send order.created -d '{\"number\": 7, \"cents\": 990}'\n```\n")?;
    let first = began.elapsed();
    let change = change(&reader, &reader.here().join(source(lang)), interrupt)?;
    let terminal = reader.terminal()?;
    Ok(Row {
        language: lang.name(),
        first_event_s: first.as_secs_f64(),
        ready_s: ready.as_secs_f64(),
        change_s: change.live.as_secs_f64(),
        build_s: last(&terminal, "built orders ")?.as_secs_f64(),
        reload_s: last(&terminal, "reloaded orders ")?.as_secs_f64(),
        events: change.events,
    })
}

/// Where a template's handler is.
fn source(lang: Lang) -> &'static str {
    match lang {
        Lang::Rust => "src/lib.rs",
        Lang::Python => "plugin.py",
        Lang::Js => "plugin.ts",
        Lang::Go => "main.go",
        Lang::C => "handler.c",
    }
}

struct Change {
    live: Duration,
    events: usize,
}

/// Changes the handler, and sends events until one was handled by what came of that, and some more.
fn change(reader: &Reader, source: &Path, interrupt: &Interrupt) -> Result<Change> {
    let api = Api::of(&reader.url(), "dev");
    let before = release(&api, "before", interrupt)?;
    let text = fs::read_to_string(source).with_context(|| format!("reading {}", source.display()))?;
    ensure!(text.contains(CHANGE.0), "{} has nothing to change", source.display());
    let began = Instant::now();
    fs::write(source, text.replace(CHANGE.0, CHANGE.1))?;
    let (mut events, mut live) = (0, None);
    let mut more = EVENTS_MORE;
    while more > 0 {
        interrupt.check()?;
        let is_new = release(&api, &format!("e{events}"), interrupt)? != before;
        events += 1;
        if is_new {
            live.get_or_insert_with(|| began.elapsed());
            more -= 1;
        }
        let terminal = || reader.terminal().unwrap_or_default();
        ensure!(began.elapsed() < CHANGE_S_MAX, "the change did not come: {}", terminal());
    }
    Ok(Change { live: live.unwrap_or_default(), events })
}

/// Sends an event, and gives the release by which it was handled well at once.
fn release(api: &Api, id: &str, interrupt: &Interrupt) -> Result<String> {
    let data = json!({ "number": 7, "cents": 990 });
    let event = json!({ "specversion": "1.0", "id": id, "source": "newcomer", "type": "order.created", "data": data });
    match api.post(&event.to_string())? {
        Answer::Accepted(_) => {}
        answer => bail!("{id} was not taken: {answer:?}"),
    }
    let settled = |detail: &Value| {
        let delivery = detail.pointer("/deliveries/0")?.clone();
        (delivery.get("state")?.as_str()? == "settled").then_some(delivery)
    };
    let delivery = poll::until("an event to be handled", EVENT_S_MAX, interrupt, || {
        Ok(settled(&api.read(&format!("/events/{id}"))?))
    })
    .with_context(|| id.to_owned())?;
    let attempts = delivery.get("attempts").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let [attempt] = attempts else { bail!("{id} took {} attempts: {delivery}", attempts.len()) };
    ensure!(attempt.pointer("/outcome/outcome").is_some_and(|it| it == "ack"), "{id} ended otherwise: {attempt}");
    Ok(attempt.get("release").and_then(Value::as_str).context("an attempt without a release")?.to_owned())
}

/// How long took what `wharf dev` told last in a line with these words.
fn last(terminal: &str, words: &str) -> Result<Duration> {
    let said = terminal.lines().rfind(|line| line.contains(words)).and_then(|line| line.rsplit_once(" in "));
    let ms = said.and_then(|(_, rest)| rest.strip_suffix(" ms")?.parse().ok());
    Ok(Duration::from_millis(ms.with_context(|| format!("wharf dev did not say `{words}`"))?))
}

fn text(rows: &[Row]) -> String {
    let mut text = format!(
        "{:10}{:>12}{:>10}{:>10}{:>10}{:>10}{:>10}\n",
        "", "first event", "ready", "change", "build", "reload", "events"
    );
    for Row { language, first_event_s, ready_s, change_s, build_s, reload_s, events } in rows {
        text += &format!(
            "{language:10}{first_event_s:>10.1} s{ready_s:>8.1} s{change_s:>8.2} s{build_s:>8.2} s{reload_s:>8.2} s{events:>10}\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_last_counts() {
        let said = "a built orders in 31000 ms\nb  INFO building orders: make\nc  INFO built orders in 1234 ms\nd  INFO reloaded orders 9f3c → 1a2b in 84 ms\n";
        assert_eq!(last(said, "built orders ").unwrap(), Duration::from_millis(1234));
        assert_eq!(last(said, "reloaded orders ").unwrap(), Duration::from_millis(84));
        assert!(last("ready\n", "built orders ").is_err());
    }

    #[test]
    fn every_template_has_the_words_that_are_changed() {
        for lang in Lang::ALL {
            let path = cargo::repository().join("sdk").join(lang.name()).join("template/event").join(source(lang));
            assert!(fs::read_to_string(path).unwrap().contains(CHANGE.0), "{}", lang.name());
        }
    }
}
