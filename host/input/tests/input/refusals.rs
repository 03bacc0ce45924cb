//! What is no input, and what is said of it where.

use std::collections::BTreeMap;

use wharf_event::Code;
use wharf_input::{Input, limits};

use crate::paths;

fn said(of: &[(&str, &str)], template: &str) -> Vec<String> {
    let errors = Input::template(&paths(of), template).expect_err(template);
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn a_template_that_is_none_is_refused_where_it_stops_being_one() {
    let deep = format!("{}1{}", "[".repeat(33), "]".repeat(33));
    let cases = [
        ("<n> is in state", "1:5: there is more after the value"),
        ("instance <n>", "1:1: a template is JSON with a variable"),
        ("", "1:1: a template has 1 to 8192 bytes"),
        ("  ", "1:3: a template is JSON"),
        (r#"{"a": <n>"#, "1:10: a comma or the closing `}`"),
        (r#"{"a": <n>,}"#, "1:11: a member's name in quotes"),
        (r#"{"a" <n>}"#, "1:6: a colon"),
        (r#"{<n>: 1}"#, "1:2: the name of a member cannot have a variable"),
        (r#"{"a<n>": 1}"#, "1:4: the name of a member cannot have a variable"),
        ("[1 2]", "1:4: a comma or the closing `]`"),
        ("[1,]", "1:4: a template is JSON"),
        ("[01]", "1:2: a template is JSON"),
        ("[1e999]", "1:2: a template is JSON"),
        ("[True]", "1:2: a template is JSON"),
        ("[< n>]", "1:2: a template is JSON"),
        (r#"["a <n> b]"#, "1:2: the string has no closing quote"),
        (r#"["a\"#, "1:2: the string has no closing quote"),
        ("[\"é\",\n\"a\nb\"]", "2:3: a string cannot have a control character"),
        (r#"["\<n>"]"#, "1:3: the string has an escape"),
        (r#"["\ud83d<n>\ude80"]"#, "1:3: the string has an escape"),
        (r#"["\é"]"#, "1:3: the string has an escape"),
        (r#""a" "b" {}"#, "1:9: there is more after the value"),
        (r#"{} {}"#, "1:4: there is more after the value"),
        ("1\u{0}", "1:2: there is more after the value"),
        (&deep, "1:33: it is nested deeper than 32"),
    ];
    for (template, wanted) in cases {
        let said = said(&[("n", "$.id")], template);
        assert!(said.len() == 1 && said[0].starts_with(&format!("the template at {wanted}")), "{template}: {said:?}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let of = [("good", "$.id"), ("bad", "$..x"), ("aws.x", "$.id"), ("", "$.id")];
    let said = said(&of, r#"{"a": <good>, "b": "<bad> <worse>", "c": <aws.events.event.x>, "d": }"#);
    let wanted = [
        "the path ``: the name of a path has 1 to 256 letters",
        "the path `aws.x`: the name of a path has 1 to 256 letters",
        "the path `bad`: from `..x` on it is no path",
        "the template at 1:27: there is no path `worse`",
        "the template at 1:42: there is no path `aws.events.event.x`",
        "the template at 1:69: a template is JSON",
    ];
    assert_eq!(said.len(), wanted.len(), "{said:#?}");
    for (said, wanted) in said.iter().zip(wanted) {
        assert!(said.starts_with(wanted), "{said}");
    }
}

#[test]
fn what_is_too_much_is_refused() {
    let many = |count: usize| (0..count).map(|n| (format!("n{n}"), "$.id".to_owned())).collect::<BTreeMap<_, _>>();
    assert!(Input::template(&many(limits::VARIABLES_MAX), "<n0>").is_ok());
    let errors = Input::template(&many(limits::VARIABLES_MAX + 1), "<n0>").unwrap_err();
    assert_eq!(errors.to_string(), "the paths of the template: there are more than 100 of them");
    let name = "n".repeat(limits::VARIABLE_NAME_BYTES_MAX);
    assert!(Input::template(&paths(&[(&name, "$.id")]), &format!("<{name}>")).is_ok());
    assert!(Input::template(&paths(&[(&format!("{name}n"), "$.id")]), "1").is_err());
    let quoted = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    assert!(Input::template(&paths(&[]), &quoted(limits::TEMPLATE_BYTES_MAX)).is_ok());
    assert!(Input::template(&paths(&[]), &quoted(limits::TEMPLATE_BYTES_MAX + 1)).is_err());
    assert!(Input::constant(&quoted(limits::CONSTANT_BYTES_MAX)).is_ok());
    assert!(Input::constant(&quoted(limits::CONSTANT_BYTES_MAX + 1)).is_err());
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert!(Input::template(&paths(&[]), &nested(limits::TEMPLATE_DEPTH_MAX)).is_ok());
    let unknown = (0..100).map(|n| format!("\"<u{n}>\"")).collect::<Vec<_>>().join(",");
    assert_eq!(said(&[], &format!("[{unknown}]")).len(), limits::MISTAKES_MAX);
}

#[test]
fn a_path_and_a_constant_are_refused_with_their_code() {
    let cases = [
        (Input::path("data.n"), "the path: a path begins with `$`"),
        (Input::path("$.a[?(@.b)]"), "the path: from `[?(@.b)]` on it is no path"),
        (Input::constant("{"), "the constant: it is not JSON: EOF while parsing"),
        (Input::constant("1e999"), "the constant: it is not JSON: number out of range"),
        (Input::constant(r#""\ud83d""#), "the constant: it is not JSON: "),
    ];
    for (input, wanted) in cases {
        let errors = input.unwrap_err();
        assert!(errors.to_string().starts_with(wanted), "{errors}");
        assert!(errors.iter().all(|error| error.code() == Code::InputInvalid));
    }
}
