//! What became of tests, in the XML that build servers read (the form that JUnit gave it).
//!
//! Invariant: whatever a plugin or a fixture said, it is well-formed: characters that XML cannot have are left out.

use std::fmt::Write as _;

use super::tested::Tested;

/// The document.
pub fn document(tests: &[Tested]) -> String {
    let failed = tests.iter().filter(|test| !test.passed).count();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string cannot fail.
    let _ =
        writeln!(text, "<testsuites><testsuite name=\"wharf test\" tests=\"{}\" failures=\"{failed}\">", tests.len());
    for test in tests {
        let (class, name, us) = (escaped(test.plugin.as_str()), escaped(&test.fixture), test.wall_us);
        let _ = write!(
            text,
            "<testcase classname=\"{class}\" name=\"{name}\" time=\"{}.{:06}\"",
            us / 1_000_000,
            us % 1_000_000
        );
        if test.passed {
            text.push_str("/>\n");
            continue;
        }
        let (message, lines) = (test.problem.as_deref().unwrap_or("it ended otherwise"), test.diff.join("\n"));
        let _ = writeln!(text, "><failure message=\"{}\">{}</failure></testcase>", escaped(message), escaped(&lines));
    }
    text.push_str("</testsuite></testsuites>\n");
    text
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // Line breaks of an attribute would become spaces.
            '\n' => out.push_str("&#10;"),
            c if (c.is_control() && c != '\t') || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_data_in_the_document() {
        let test = Tested {
            plugin: "p".parse().unwrap(),
            fixture: "a<b".to_owned(),
            file: "a.toml".to_owned(),
            passed: false,
            blessed: false,
            outcome: None,
            problem: Some("say \"&\"\u{1b}".to_owned()),
            diff: vec!["- a".to_owned(), "+ <b>".to_owned()],
            log: Vec::new(),
            wall_us: 1_234_567,
        };
        let text = document(&[test]);
        assert!(text.contains(r#"tests="1" failures="1""#), "{text}");
        assert!(text.contains(r#"<testcase classname="p" name="a&lt;b" time="1.234567"><failure message="say &quot;&amp;&quot;">- a&#10;+ &lt;b&gt;</failure>"#), "{text}");
    }
}
