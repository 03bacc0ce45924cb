//! A page of the guide as the steps that a reader takes.
//!
//! What a fenced block is stands behind its fence: `sh` is typed and ends well, `sh fails` does not, `sh background` goes on in a terminal of
//! its own; a language and a path (`rust src/lib.rs`) is a file that is written; `text` is what is seen then, where `…` is any text.
//!
//! Invariant: whatever looks like code is a step. A block of another kind, and code that is only indented, are errors.

use anyhow::{Context, Result, bail, ensure};

/// What a reader does, or sees.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Writes a file of the folder that they are in.
    File { path: String, text: String },
    /// Types this.
    Typed { script: String, end: End },
    /// Sees these lines, in this order.
    Seen(Vec<String>),
}

/// How what was typed ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Well,
    Badly,
    /// It does not: it has a terminal of its own.
    Open,
}

/// The steps of a page, each with the line that its block begins on.
pub fn steps(page: &str) -> Result<Vec<(usize, Step)>> {
    let mut steps = Vec::new();
    let mut open: Option<(usize, &str, Vec<&str>)> = None;
    for (n, line) in (1..).zip(page.lines()) {
        match (line.strip_prefix("```"), open.take()) {
            (Some(""), Some((from, kind, lines))) => {
                let step = step(kind, &lines, steps.last().map(|(_, step)| step));
                steps.push((from, step.with_context(|| format!("line {from}"))?));
            }
            (Some(kind), None) => open = Some((n, kind, Vec::new())),
            (_, Some((from, kind, mut lines))) => {
                lines.push(line);
                open = Some((from, kind, lines));
            }
            (None, None) => ensure!(!line.starts_with("    "), "line {n}: code without a fence, which nobody does"),
        }
    }
    if let Some((from, ..)) = open {
        bail!("line {from}: this block does not end");
    }
    Ok(steps)
}

fn step(kind: &str, lines: &[&str], before: Option<&Step>) -> Result<Step> {
    let text = || lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let typed = |end| Ok(Step::Typed { script: text(), end });
    match kind {
        "sh" => typed(End::Well),
        "sh fails" => typed(End::Badly),
        "sh background" => typed(End::Open),
        "text" => {
            ensure!(before.is_some(), "there is nothing before it that says this");
            Ok(Step::Seen(lines.iter().map(|line| (*line).to_owned()).collect()))
        }
        _ => match kind.split_once(' ') {
            Some((_, path)) if is_within(path) => Ok(Step::File { path: path.to_owned(), text: text() }),
            _ => bail!("`{kind}` is neither typed, nor seen, nor a file"),
        },
    }
}

/// Whether a path stays in the folder that it is relative to.
fn is_within(path: &str) -> bool {
    !path.is_empty() && path.split('/').all(|part| !["", ".", ".."].contains(&part))
}

/// The first line that is not seen in a text, after those before it.
pub fn unseen<'l>(lines: &'l [String], text: &str) -> Option<&'l str> {
    let mut there = text.lines();
    lines.iter().map(|line| line.trim_end()).find(|line| !there.any(|it| fits(line, it.trim_end())))
}

/// Whether a line is what a pattern says, in which `…` is any text.
fn fits(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else { return false };
    let mut last = None;
    for part in parts {
        if let Some(before) = last.replace(part) {
            let Some((_, after)) = rest.split_once(before) else { return false };
            rest = after;
        }
    }
    last.map_or(rest.is_empty(), |last| rest.ends_with(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_what_its_reader_does() {
        let page = "# A\n\n```sh\nwharf new a\ncd a\n```\n```text\nmade …\n```\n\n```rust src/lib.rs\nfn a() {\n}\n```\n```sh background\nwharf dev\n```\n```sh fails\nfalse\n```\n";
        let typed = |script: &str, end| Step::Typed { script: script.to_owned(), end };
        let file = Step::File { path: "src/lib.rs".to_owned(), text: "fn a() {\n}\n".to_owned() };
        assert_eq!(
            steps(page).unwrap(),
            [
                (3, typed("wharf new a\ncd a\n", End::Well)),
                (7, Step::Seen(vec!["made …".to_owned()])),
                (11, file),
                (15, typed("wharf dev\n", End::Open)),
                (18, typed("false\n", End::Badly)),
            ]
        );
    }

    #[test]
    fn code_that_nobody_does_is_a_mistake() {
        let wrong = |page: &str| format!("{:#}", steps(page).unwrap_err());
        assert_eq!(wrong("```json\n{}\n```\n"), "line 1: `json` is neither typed, nor seen, nor a file");
        assert_eq!(
            wrong("```toml ../wharf.toml\n```\n"),
            "line 1: `toml ../wharf.toml` is neither typed, nor seen, nor a file"
        );
        assert_eq!(wrong("a\n```sh\nls\n"), "line 2: this block does not end");
        assert_eq!(wrong("a\n\n    ls\n"), "line 3: code without a fence, which nobody does");
        assert_eq!(wrong("```text\nmade\n```\n"), "line 1: there is nothing before it that says this");
    }

    #[test]
    fn what_is_seen_is_compared_line_by_line() {
        let text = "made  a (rust)\nbuilt in 12 ms\nready at 7070\n";
        let unseen = |lines: &[&str]| {
            let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            unseen(&lines, text).map(ToOwned::to_owned)
        };
        assert_eq!(unseen(&["made  a (rust)", "ready …"]), None);
        assert_eq!(unseen(&["…(…)", "built in … ms"]), None);
        assert_eq!(unseen(&["built in … ms", "made …"]), Some("made …".to_owned()));
        assert_eq!(unseen(&["built"]), Some("built".to_owned()));
        assert_eq!(unseen(&["built …s at"]), Some("built …s at".to_owned()));
    }
}
