//! Every page of `docs/errors` has its code in the registry, and every code its page.
//!
//! It reads both as text: that the pages are compiled into the binary is the gateway's test.

use std::collections::BTreeSet;

use crate::assert_tidy;
use crate::sources::repository;

/// Where the codes are.
const REGISTRY: &str = "host/event/src/code.rs";

/// The codes of the registry: its lines are `Name "code" status "title";`.
fn codes(registry: &str) -> BTreeSet<String> {
    let rows = registry.lines().filter(|line| line.ends_with("\";"));
    let code = |row: &str| {
        let (name, rest) = row.trim_start().split_once(" \"")?;
        let (code, rest) = rest.split_once("\" ")?;
        let status = rest.split_once(' ')?.0;
        let is_row = name.chars().all(char::is_alphanumeric) && status.parse::<u16>().is_ok();
        is_row.then(|| code.to_owned())
    };
    rows.filter_map(code).collect()
}

fn differences(codes: &BTreeSet<String>, pages: &BTreeSet<String>) -> Vec<String> {
    let without_code =
        pages.difference(codes).map(|page| format!("docs/errors/{page}.md: {REGISTRY} has no such code"));
    let without_page = codes.difference(pages).map(|code| format!("{REGISTRY}: `{code}` has no page in docs/errors"));
    without_code.chain(without_page).collect()
}

#[test]
fn every_page_has_a_code_and_every_code_a_page() {
    let registry = std::fs::read_to_string(repository().join(REGISTRY)).unwrap();
    let files = std::fs::read_dir(repository().join("docs/errors")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let pages = names.map(|name| name.strip_suffix(".md").unwrap_or(&name).to_owned()).collect();
    let codes = codes(&registry);
    assert!(codes.contains("event-json"), "the registry was not understood");
    assert_tidy(&differences(&codes, &pages));
}

#[test]
fn a_page_without_a_code_and_a_code_without_a_page_are_found() {
    let codes = codes("codes! {\n    EventJson \"event-json\" 400 \"It is no JSON\";\n    const A: &str = \"b\";\n}");
    assert_eq!(codes, BTreeSet::from(["event-json".to_owned()]));
    let wrong = differences(&codes, &BTreeSet::from(["old".to_owned()]));
    assert_eq!(wrong.len(), 2, "{wrong:?}");
}
