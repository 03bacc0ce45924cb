//! The command line of `cargo xtask guests`.
//!
//! Invariant: stdout has the list of guests and nothing else; all talk is on stderr.
//!
//! It does not build: [`build`](super::build) does.

use std::io::Write;

use anyhow::Result;
use clap::ValueEnum;

use super::build::{Guest, build};
use super::languages::{self, Lang};

/// Options of `cargo xtask guests`.
#[derive(clap::Args)]
pub struct Args {
    /// Build the guests of tests/languages in this language instead; its tools are installed below target/.
    #[arg(long, value_enum)]
    lang: Option<Lang>,
    /// Build by SpiderMonkey instead: the probe in JavaScript, to be measured, and one that answers fetch events. Its tools are large.
    #[arg(long, conflicts_with = "lang")]
    spidermonkey: bool,
    /// How to print the list of guests.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    /// A line each: name, path.
    Text,
    /// One list of objects with `name` and `path`.
    Json,
}

/// Builds the guests and prints where they are.
pub fn run(args: &Args) -> Result<()> {
    let guests = match args.lang {
        _ if args.spidermonkey => languages::spidermonkey_or_say()?,
        Some(lang) => languages::build_or_say(lang)?,
        None => build()?,
    };
    let text = match args.output {
        Output::Text => as_lines(&guests),
        Output::Json => as_json(&guests)?,
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

fn as_lines(guests: &[Guest]) -> String {
    let width = guests.iter().map(|guest| guest.name.len()).max().unwrap_or_default();
    guests.iter().map(|guest| format!("{:width$}  {}\n", guest.name, guest.path.display())).collect()
}

fn as_json(guests: &[Guest]) -> Result<String> {
    let list: Vec<_> =
        guests.iter().map(|guest| serde_json::json!({ "name": guest.name, "path": guest.path })).collect();
    Ok(serde_json::to_string_pretty(&list)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_names_each_guest_and_its_path() {
        let guests = [("flaky", "/t/flaky.wasm"), ("event-stats", "/t/event-stats.wasm")]
            .map(|(name, path)| Guest { name: name.to_owned(), path: path.into() });
        assert_eq!(as_lines(&guests), "flaky        /t/flaky.wasm\nevent-stats  /t/event-stats.wasm\n");
        let json: serde_json::Value = serde_json::from_str(&as_json(&guests).unwrap()).unwrap();
        assert_eq!(json[1], serde_json::json!({"name": "event-stats", "path": "/t/event-stats.wasm"}));
    }
}
