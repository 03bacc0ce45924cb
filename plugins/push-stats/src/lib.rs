//! Counts the commits of GitHub pushes: under `repo/<full name>`, and under `author/<user name>` or `author/none`.
//!
//! Invariant: the authors' counts of a push sum up to its repository's.
//!
//! It does not tell commits apart: one that is pushed twice counts twice.

use std::collections::BTreeMap;

use serde::Deserialize;
use wharf::{Context, Event, Outcome};

#[derive(Deserialize)]
struct Push {
    repository: Repository,
    commits: Vec<Commit>,
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
}

#[derive(Deserialize)]
struct Commit {
    author: Option<Author>,
}

#[derive(Deserialize)]
struct Author {
    username: Option<String>,
}

wharf::needs! { kv = ["default"] }

#[wharf::handler]
fn count(event: Event<Push>, cx: &Context) -> Outcome {
    for (key, commits) in totals(&event.data) {
        cx.kv().add(&key, commits)?;
    }
    Ok(())
}

/// What to add to which key. A push without commits, as one that deletes a branch, adds nothing.
fn totals(push: &Push) -> BTreeMap<String, i64> {
    let mut totals = BTreeMap::new();
    for commit in &push.commits {
        let author = commit.author.as_ref().and_then(|author| author.username.as_deref()).unwrap_or("none");
        *totals.entry(format!("repo/{}", push.repository.full_name)).or_default() += 1;
        *totals.entry(format!("author/{author}")).or_default() += 1;
    }
    totals
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;

    fn totals_of(commits: &str) -> Vec<(String, i64)> {
        let push = format!(r#"{{"repository": {{"full_name": "a/b"}}, "commits": {commits}}}"#);
        totals(&serde_json::from_str(&push).unwrap()).into_iter().collect()
    }

    #[test]
    fn commits_are_counted_by_repository_and_author() {
        let commits =
            r#"[{"author": {"username": "ann"}}, {"author": {"name": "Bob"}}, {"author": {"username": "ann"}}, {}]"#;
        let expected = [("author/ann", 2), ("author/none", 2), ("repo/a/b", 4)];
        assert_eq!(totals_of(commits), expected.map(|(key, commits)| (key.to_owned(), commits)));
    }

    #[test]
    fn a_push_without_commits_counts_nothing() {
        assert_eq!(totals_of("[]"), []);
    }

    #[test]
    fn every_real_push_is_read() {
        #[derive(Deserialize)]
        struct Line {
            event: String,
            payload: serde_json::Value,
        }
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/github-webhooks.ndjson.gz");
        let lines = BufReader::new(flate2::read::GzDecoder::new(std::fs::File::open(file).unwrap())).lines();
        let mut pushes = 0;
        let mut commits = 0;
        for line in lines {
            let line: Line = serde_json::from_str(&line.unwrap()).unwrap();
            if line.event == "push" {
                pushes += 1;
                let push = totals(&serde_json::from_value(line.payload).unwrap());
                commits += push.get("repo/Codertocat/Hello-World").copied().unwrap_or_default();
            }
        }
        assert_eq!((pushes, commits), (7, 2));
    }
}
