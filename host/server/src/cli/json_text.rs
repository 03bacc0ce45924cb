//! JSON laid out for reading, token by token.
//!
//! Invariant: only the spaces between tokens change, so numbers too large for a double and members that are there twice are
//! shown as they are. It takes valid JSON; of anything else it makes no better sense than there was.

use super::words::printable;

/// The lines of a JSON document, indented by two spaces, each fit for a terminal.
pub fn lines(json: &str) -> Vec<String> {
    let mut layout = Layout { text: String::new(), depth: 0 };
    let mut chars = json.chars().peekable();
    let (mut in_string, mut escaped) = (false, false);
    while let Some(c) = chars.next() {
        if in_string {
            layout.text.push(c);
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
            continue;
        }
        match c {
            '"' => {
                in_string = true;
                layout.text.push(c);
            }
            '{' | '[' => {
                layout.text.push(c);
                let close = if c == '{' { '}' } else { ']' };
                while chars.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                match chars.next_if_eq(&close) {
                    Some(close) => layout.text.push(close),
                    None => layout.deeper(),
                }
            }
            '}' | ']' => layout.shallower(c),
            ',' => {
                layout.text.push(c);
                layout.break_line();
            }
            ':' => layout.text.push_str(": "),
            c if c.is_ascii_whitespace() => {}
            c => layout.text.push(c),
        }
    }
    layout.text.split('\n').map(|line| printable(line).into_owned()).collect()
}

struct Layout {
    text: String,
    depth: usize,
}

impl Layout {
    fn break_line(&mut self) {
        self.text.push('\n');
        self.text.extend(std::iter::repeat_n("  ", self.depth));
    }

    fn deeper(&mut self) {
        self.depth += 1;
        self.break_line();
    }

    fn shallower(&mut self, close: char) {
        self.depth = self.depth.saturating_sub(1);
        self.break_line();
        self.text.push(close);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_indented_and_no_token_changes() {
        let cases = [
            ("1e400", "1e400"),
            (r#"{"a":[1, 2,{}],"b" : [ ]}"#, "{\n  \"a\": [\n    1,\n    2,\n    {}\n  ],\n  \"b\": []\n}"),
            (r#"["{\"x\":[1,2]}\\",0]"#, "[\n  \"{\\\"x\\\":[1,2]}\\\\\",\n  0\n]"),
        ];
        for (json, wanted) in cases {
            assert_eq!(lines(json).join("\n"), wanted);
        }
        assert_eq!(lines("\"\u{9b}2J\""), ["\"\\u{9b}2J\""]);
    }
}
