//! A transform for GitHub's pull requests: the extension attribute `sizeclass` says how much one changes (`xs`, `s`, `m`, `l` or
//! `xl`, by lines added and deleted), and events of drafts are left out.
//!
//! Invariant: the payload goes on byte for byte as it came.
//!
//! It does not handle anything: it stands in `transforms` of a rule whose targets want neither drafts nor counting.

use serde::Deserialize;
use wharf::{Event, Transformed, Unchanged};

#[derive(Deserialize)]
struct Payload {
    pull_request: PullRequest,
}

#[derive(Deserialize)]
struct PullRequest {
    #[serde(default)]
    draft: bool,
    additions: u64,
    deletions: u64,
}

/// The classes, each with the number of changed lines from which on it is the next one. More than all of them is `xl`.
const CLASSES: [(&str, u64); 4] = [("xs", 10), ("s", 50), ("m", 250), ("l", 1_000)];

#[wharf::transform]
fn enrich(event: Event<Payload>) -> Transformed<Unchanged> {
    let PullRequest { draft, additions, deletions } = event.data.pull_request;
    if draft {
        return Ok(None);
    }
    let class = size_class(additions.saturating_add(deletions));
    Ok(Some(event.with_extension("sizeclass", class).with_data(Unchanged)))
}

/// The class of a change of so many lines.
fn size_class(lines: u64) -> &'static str {
    CLASSES.into_iter().find(|(_, end)| lines < *end).map_or("xl", |(class, _)| class)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;

    #[test]
    fn a_change_has_the_class_of_its_lines() {
        let cases = [
            (0, "xs"),
            (9, "xs"),
            (10, "s"),
            (49, "s"),
            (50, "m"),
            (250, "l"),
            (999, "l"),
            (1_000, "xl"),
            (u64::MAX, "xl"),
        ];
        for (lines, class) in cases {
            assert_eq!(size_class(lines), class, "{lines} lines");
        }
    }

    #[test]
    fn every_real_pull_request_is_read() {
        #[derive(Deserialize)]
        struct Line {
            event: String,
            payload: serde_json::Value,
        }
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/github-webhooks.ndjson.gz");
        let lines = BufReader::new(flate2::read::GzDecoder::new(std::fs::File::open(file).unwrap())).lines();
        let lines = lines.map(|line| serde_json::from_str::<Line>(&line.unwrap()).unwrap());
        let pulls = lines.filter(|line| line.event == "pull_request");
        let read: Vec<Payload> = pulls.map(|line| serde_json::from_value(line.payload).unwrap()).collect();
        assert_eq!((read.len(), read.iter().filter(|payload| payload.pull_request.draft).count()), (29, 3));
    }
}
