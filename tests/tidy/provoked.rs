//! Every row of docs/provoked.md names a code that there is and a test that there is.
//!
//! Whether the test provokes that code is not looked at: it would have to be run.

use crate::assert_tidy;
use crate::sources::repository;

/// Where the rows are.
const PAGE: &str = "docs/provoked.md";

/// The code, the file and the name of the test of each row.
fn rows(page: &str) -> Vec<[&str; 3]> {
    let row = |line: &'_ str| -> bool { line.starts_with("| `") };
    let words = |line| -> Option<[&str; 3]> {
        let mut cells = str::split(line, " | ");
        let code = cells.next()?.trim_matches(['|', ' ', '`']);
        let (file, test) = cells.nth(1)?.trim_matches(['|', ' ', '`']).split_once("` `")?;
        Some([code, file, test])
    };
    page.lines().filter(|line| row(line)).filter_map(words).collect()
}

fn wrong(rows: &[[&str; 3]], has_page: impl Fn(&str) -> bool, source: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let of_row = |[code, file, test]: &[&str; 3]| {
        let no_code = (!has_page(code)).then(|| format!("{PAGE}: there is no code `{code}`"));
        let there = source(file).is_some_and(|text| text.contains(&format!("fn {test}(")));
        let no_test = (!there).then(|| format!("{PAGE}: `{code}` has no test `{test}` in `{file}`"));
        no_code.into_iter().chain(no_test)
    };
    rows.iter().flat_map(of_row).collect()
}

#[test]
fn every_row_names_a_code_and_a_test() {
    let page = std::fs::read_to_string(repository().join(PAGE)).unwrap();
    let rows = rows(&page);
    assert!(rows.len() > 60, "the page was not understood");
    let has_page = |code: &str| repository().join(format!("docs/errors/{code}.md")).exists();
    assert_tidy(&wrong(&rows, has_page, |file| std::fs::read_to_string(repository().join(file)).ok()));
}

#[test]
fn a_code_or_a_test_that_there_is_not_is_found() {
    let page = "| code | by what | test |\n|---|---|---|\n| `a` | how | `x.rs` `one` |\n| `b` | how | `x.rs` `two` |\n";
    let rows = rows(page);
    assert_eq!(rows, [["a", "x.rs", "one"], ["b", "x.rs", "two"]]);
    let found = wrong(&rows, |code| code == "a", |_| Some("fn one() {}".to_owned()));
    assert_eq!(found.len(), 2, "{found:?}");
}
