//! Why a command ended badly, told once on stderr: in words, or under `-o json` as one line of JSON.
//!
//! Invariant: of the line `{"error": {"code", "message", "help", "status"}}` all four members are always there, `code` and `help` null where there
//! is none; `status` is the exit status. Stdout has nothing of it.

use serde::Serialize;

use super::{
    error::{CommandError, Exit, chain, talk},
    words::{error_style, help_style, printable},
};
use crate::failure::Failure;

/// What programs read.
#[derive(Serialize)]
struct Line<'a> {
    error: Told<'a>,
}

#[derive(Serialize)]
struct Told<'a> {
    code: Option<&'a str>,
    message: &'a str,
    help: Option<&'a str>,
    status: u8,
}

impl Told<'_> {
    fn say(self) {
        // It is text and a number, of which there is always JSON.
        talk(&serde_json::to_string(&Line { error: self }).unwrap_or_default());
    }
}

/// Whether a command line asks for JSON, as far as one tells that is not understood.
pub fn is_json_wanted(words: impl IntoIterator<Item = String>) -> bool {
    let words: Vec<_> = words.into_iter().take_while(|word| word != "--").collect();
    let pairs = words.iter().zip(words.iter().skip(1));
    words.iter().any(|word| matches!(word.as_str(), "-ojson" | "-o=json" | "--output=json"))
        || pairs.into_iter().any(|(flag, value)| matches!(flag.as_str(), "-o" | "--output") && value == "json")
}

/// Tells of a command line that makes no sense.
pub fn misused(error: &clap::Error, json: bool) -> Exit {
    if json {
        let text = error.to_string();
        let message = text.split("\n\nUsage:").next().unwrap_or_default();
        let message = message.split("\n\nFor more information").next().unwrap_or_default();
        let message = message.strip_prefix("error: ").unwrap_or(message).trim_end();
        let help = Some("--help behind the command says what there is");
        Told { code: None, message, help, status: Exit::Usage.number() }.say();
    } else {
        // That nobody reads it changes nothing.
        let _ = error.print();
    }
    Exit::Usage
}

/// Tells of a failure that has a code.
pub fn tell(failure: &Failure, exit: Exit, json: bool) -> Exit {
    if json {
        let (code, help) = (failure.code(), failure.help());
        let (code, message, help) = (Some(code.as_str()), failure.message(), Some(help.as_str()));
        Told { code, message, help, status: exit.number() }.say();
    } else {
        talk(&failure.to_string());
    }
    exit
}

/// Tells why a command ended badly, and gives its exit status.
pub fn report(error: &anyhow::Error, json: bool) -> Exit {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return tell(failure, Exit::of_status(failure.code().status()), json);
    }
    let own = error.downcast_ref::<CommandError>();
    if let Some(CommandError::Load(failure)) = own {
        return tell(failure, Exit::of_unfit(failure.code()), json);
    }
    let exit = own.map_or(Exit::Failure, CommandError::exit);
    if exit == Exit::Success {
        return exit;
    }
    let (code, help) = (own.and_then(CommandError::code), own.and_then(CommandError::help));
    let message = own.map_or_else(|| chain(error.as_ref()), |own| chain(own));
    if json {
        Told { code, message: &message, help: help.as_deref(), status: exit.number() }.say();
        return exit;
    }
    let what = code.map_or_else(|| "error".to_owned(), |code| format!("error[{}]", printable(code)));
    talk(&format!("{}: {}", error_style(&what), printable(&message)));
    if let Some(help) = help {
        talk(&format!("{}: {help}", help_style("help")));
    }
    exit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_wanted_where_a_command_line_says_so() {
        let wanted = |line: &str| is_json_wanted(line.split(' ').map(ToOwned::to_owned));
        for line in ["-o json stats", "stats -o json", "stats --output json", "stats --output=json", "-ojson nonsense"]
        {
            assert!(wanted(line), "{line}");
        }
        for line in ["stats", "stats -o text", "stats json", "send x -- -o json"] {
            assert!(!wanted(line), "{line}");
        }
    }
}
