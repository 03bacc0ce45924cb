//! `wharf explain`: the page of an error code, from this program itself. No host is asked.
//!
//! Invariant: every code of the registry has its page here. A code may be given as it is printed, `error[code]` included.

use serde::Serialize;
use wharf_event::Code;

use super::{
    error::{CommandError, Exit},
    output::Output,
};
use crate::nearest::nearest;

#[derive(Serialize)]
struct Page {
    code: Code,
    status: u16,
    title: &'static str,
    page: &'static str,
}

impl Page {
    fn of(code: Code) -> Self {
        Self { code, status: code.status(), title: code.title(), page: wharf_gateway::page(code) }
    }
}

/// Prints the page of a code, or lists all codes.
pub fn run(code: Option<&str>, out: &mut Output) -> Result<Exit, CommandError> {
    let Some(code) = code else {
        if out.is_json() {
            out.document(&Code::ALL.iter().copied().map(Page::of).collect::<Vec<_>>())?;
        } else {
            let rows = Code::ALL.iter().map(|code| [code.to_string(), code.title().to_owned()]).collect();
            out.table(["CODE", "MEANS"], rows)?;
        }
        return Ok(Exit::Success);
    };
    let known = bare(code).parse().map_err(|unknown| {
        let meant = nearest(bare(code), Code::ALL.iter().map(|code| code.as_str()));
        CommandError::CodeUnknown { unknown, meant }
    })?;
    let page = Page::of(known);
    if out.is_json() {
        out.document(&page)?;
    } else {
        out.line(page.page.trim_end())?;
    }
    Ok(Exit::Success)
}

fn bare(code: &str) -> &str {
    let code = code.trim().trim_end_matches(':');
    code.strip_prefix("error[").and_then(|rest| rest.strip_suffix(']')).unwrap_or(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_taken_as_it_is_printed() {
        for text in ["event-json", "error[event-json]", " error[event-json]: "] {
            assert_eq!(bare(text).parse(), Ok(Code::EventJson), "{text:?}");
        }
    }
}
