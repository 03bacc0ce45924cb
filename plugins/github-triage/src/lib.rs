//! Labels a newly opened GitHub issue by the words in its title and text, and publishes the labels as `triage.labeled`.
//!
//! Invariant: every issue gets at least one label; `untriaged` stands for "no keyword was found" and comes alone.
//!
//! It does not change the issue on GitHub: a plugin that may would listen to `triage.labeled`.
//!
//! Config: `bug_words`, `feature_words`, `question_words`, each a list with commas. A keyword is a whole word, in any case.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use wharf::{Context, Draft, Event, Outcome};

#[derive(Deserialize)]
struct Opened {
    issue: Issue,
    repository: Repository,
}

#[derive(Deserialize)]
struct Issue {
    number: u64,
    html_url: String,
    title: String,
    body: Option<String>,
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
}

#[derive(Serialize)]
struct Labeled {
    repo: String,
    number: u64,
    labels: Vec<&'static str>,
}

/// A label, the config key of its keywords, and the keywords where that key is not set.
const LABELS: [(&str, &str, &str); 3] = [
    ("bug", "bug_words", "bug,broken,crash,error,fail,fails,panic,wrong"),
    ("feature", "feature_words", "enhancement,feature,proposal,support,wish"),
    ("question", "question_words", "help,how,question,why"),
];

wharf::needs! { publish = ["triage.*"] }

#[wharf::handler]
fn triage(event: Event<Opened>, cx: &Context) -> Outcome {
    let Opened { issue, repository } = event.data;
    let text = format!("{} {}", issue.title, issue.body.unwrap_or_default());
    let labels = classify(&text, |key| cx.config(key));
    cx.info(format_args!("{}#{}: {}", repository.full_name, issue.number, labels.join(", ")));
    let labeled = Labeled { repo: repository.full_name, number: issue.number, labels };
    cx.publish(Draft::new("triage.labeled").subject(issue.html_url).json(&labeled)?)?;
    Ok(())
}

/// The labels whose keywords are in `text`; `config` gives a label's keywords.
fn classify(text: &str, config: impl Fn(&str) -> Option<String>) -> Vec<&'static str> {
    let text = text.to_lowercase();
    let words: BTreeSet<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
    let mut labels = Vec::new();
    for (label, key, default) in LABELS {
        let keywords = config(key).unwrap_or_else(|| default.to_owned()).to_lowercase();
        if keywords.split(',').map(str::trim).any(|keyword| !keyword.is_empty() && words.contains(keyword)) {
            labels.push(label);
        }
    }
    if labels.is_empty() {
        labels.push("untriaged");
    }
    labels
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;

    #[test]
    fn issues_are_labeled_by_the_words_in_them() {
        for (text, labels) in [
            ("The parser crashes? No: a Crash.", vec!["bug"]),
            ("How do I report a bug?", vec!["bug", "question"]),
            ("Proposal: a progress bar", vec!["feature"]),
            ("Showers of debugging", vec!["untriaged"]),
            ("", vec!["untriaged"]),
        ] {
            assert_eq!(classify(text, |_| None), labels, "{text}");
        }
    }

    #[test]
    fn configured_words_replace_the_default_ones() {
        let config = |key: &str| (key == "bug_words").then(|| "Oops, ouch,".to_owned());
        assert_eq!(classify("ouch!", config), ["bug"]);
        assert_eq!(classify("a crash", config), ["untriaged"]);
    }

    #[test]
    fn the_real_payloads_of_opened_issues_are_read() {
        #[derive(Deserialize)]
        struct Line {
            event: String,
            payload: serde_json::Value,
        }
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/github-webhooks.ndjson.gz");
        let lines = BufReader::new(flate2::read::GzDecoder::new(std::fs::File::open(file).unwrap())).lines();
        let mut opened = 0;
        for line in lines {
            let line: Line = serde_json::from_str(&line.unwrap()).unwrap();
            if line.event == "issues" && line.payload["action"] == "opened" {
                let Opened { issue, repository } = serde_json::from_value(line.payload).unwrap();
                assert_eq!((issue.number, repository.full_name.as_str()), (1, "Codertocat/Hello-World"));
                assert_eq!(classify(&issue.title, |_| None), ["bug"]);
                opened += 1;
            }
        }
        assert_eq!(opened, 4);
    }
}
