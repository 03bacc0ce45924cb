//! Names that say nothing about content: no file, folder or inline module has one.
//!
//! It does not look at other names.

use crate::assert_tidy;
use crate::sources::{self, Source};

/// What nothing is called.
const FORBIDDEN: [&str; 9] = ["common", "helper", "helpers", "manager", "misc", "types", "util", "utils", "utilities"];

fn empty_words(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources {
        for part in source.path.split('/') {
            let name = part.strip_suffix(".rs").unwrap_or(part);
            // Crates are named `wharf-<folder>`, modules by one or two words.
            if name.split(['-', '_']).any(|word| FORBIDDEN.contains(&word)) {
                wrong.push(format!("{}: `{part}` does not say what is in it", source.path));
            }
        }
        for (line, text) in (1..).zip(source.text.lines()) {
            let name = text.trim_start().strip_prefix("pub ").unwrap_or(text.trim_start()).strip_prefix("mod ");
            let name = name.and_then(|name| name.split([' ', ';']).next());
            if name.is_some_and(|name| FORBIDDEN.contains(&name)) {
                wrong.push(format!("{}:{line}: a module whose name does not say what is in it", source.path));
            }
        }
    }
    wrong
}

#[test]
fn names_say_what_is_in_it() {
    assert_tidy(&empty_words(&sources::rust().unwrap()));
}

#[test]
fn a_name_that_says_nothing_is_found() {
    for (path, text, found) in [
        ("host/util/src/lib.rs", "", 1),
        ("host/a/src/string_utils.rs", "", 1),
        ("host/a/src/types.rs", "", 1),
        ("host/a/src/b.rs", "    pub mod helpers {\n", 1),
        ("host/a/src/b.rs", "mod common;\n", 1),
        ("host/a/src/typeset.rs", "mod manageress;\n// mod misc;\n", 0),
    ] {
        let source = Source { path: path.to_owned(), text: text.to_owned() };
        assert_eq!(empty_words(&[source]).len(), found, "{path}: {text}");
    }
}
