//! What a request takes an object to be: `If-Match` and `If-None-Match` of RFC 9110, with versions for entity tags.
//!
//! Invariant: a condition that is not understood is refused and never left out. It compares nothing but for reads: whether a
//! change may come about is decided where it comes about.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use wharf_event::{Code, Position};

use crate::port::Expected;
use crate::problem::Problem;

/// The entity tag of a version.
pub(crate) fn tag(version: Position) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("\"{version}\"")).ok()
}

/// What a change takes its object to be.
pub(crate) fn of_change(headers: &HeaderMap) -> Result<Expected, Problem> {
    let invalid = |detail: &str| Problem::new(Code::QueryInvalid, detail);
    match (only(headers, header::IF_MATCH)?, only(headers, header::IF_NONE_MATCH)?) {
        (None, None) => Ok(Expected::Any),
        (None, Some("*")) => Ok(Expected::Absent),
        (None, Some(_)) => Err(invalid("a change takes `If-None-Match: *` only, which says that there is none yet")),
        (Some("*"), None) => Ok(Expected::Present),
        (Some(tag), None) if tag.contains(',') => Err(invalid("If-Match names one version")),
        (Some(tag), None) => version(tag).map(Expected::Version).ok_or_else(|| {
            Problem::new(Code::VersionConflict, "If-Match names no version that this host gave; an ETag is one")
        }),
        (Some(_), Some(_)) => Err(invalid("If-Match and If-None-Match do not go together")),
    }
}

/// Whether whoever reads an object of this version says that it has it already.
pub(crate) fn is_known(headers: &HeaderMap, held: Option<Position>) -> bool {
    let tags = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    let mut tags = tags.flat_map(|line| line.split(',')).map(str::trim);
    held.is_some_and(|held| tags.any(|tag| tag == "*" || version(tag.trim_start_matches("W/")) == Some(held)))
}

fn version(tag: &str) -> Option<Position> {
    tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

/// The one line of a header; none if there is none.
fn only(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, Problem> {
    let mut lines = headers.get_all(&name).iter();
    match (lines.next(), lines.next()) {
        (None, _) => Ok(None),
        (Some(line), None) if let Ok(line) = line.to_str() => Ok(Some(line.trim())),
        _ => Err(Problem::new(Code::QueryInvalid, format!("{name} is not one line of text"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(lines: &[(HeaderName, &'static str)]) -> Result<Expected, Code> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_static(value));
        }
        of_change(&headers).map_err(|problem| problem.code)
    }

    #[test]
    fn a_condition_is_understood_or_refused() {
        let version = Position { k: 17, i: 2 };
        assert_eq!(tag(version).unwrap(), "\"17-2\"");
        let cases = [
            (vec![], Ok(Expected::Any)),
            (vec![(header::IF_MATCH, "\"17-2\"")], Ok(Expected::Version(version))),
            (vec![(header::IF_MATCH, "*")], Ok(Expected::Present)),
            (vec![(header::IF_NONE_MATCH, " * ")], Ok(Expected::Absent)),
            (vec![(header::IF_MATCH, "17-2")], Err(Code::VersionConflict)),
            (vec![(header::IF_MATCH, "W/\"17-2\"")], Err(Code::VersionConflict)),
            (vec![(header::IF_MATCH, "\"other\"")], Err(Code::VersionConflict)),
            (vec![(header::IF_MATCH, "\"1-0\", \"17-2\"")], Err(Code::QueryInvalid)),
            (vec![(header::IF_MATCH, "\"1-0\""), (header::IF_MATCH, "\"17-2\"")], Err(Code::QueryInvalid)),
            (vec![(header::IF_NONE_MATCH, "\"17-2\"")], Err(Code::QueryInvalid)),
            (vec![(header::IF_MATCH, "*"), (header::IF_NONE_MATCH, "*")], Err(Code::QueryInvalid)),
        ];
        for (lines, wanted) in cases {
            assert_eq!(asked(&lines), wanted, "{lines:?}");
        }
    }

    #[test]
    fn what_a_reader_has_is_recognized_by_any_of_its_tags() {
        let held = Some(Position { k: 17, i: 2 });
        for (line, known) in
            [("\"17-2\"", true), ("\"1-0\", W/\"17-2\"", true), ("*", true), ("\"1-0\"", false), ("x", false)]
        {
            let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static(line))]);
            assert_eq!(is_known(&headers, held), known, "{line}");
            assert!(!is_known(&headers, None));
        }
    }
}
