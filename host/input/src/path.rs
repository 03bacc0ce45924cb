//! Paths to a part of an event: the subset of JSONPath that EventBridge has. Invariant: a path without `*` leads to one value
//! or to none. What it leads to is `find.rs`.

use wharf_event::named_here;

use crate::{
    error::{InputReason, shown},
    limits::PATH_BYTES_MAX,
};

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Into the member of an object that has this name.
    Name(String),
    /// Into this element of a list, from 0.
    Index(usize),
    /// Into every element and every member.
    Every,
}

/// The way to a part of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    /// As it was written.
    steps: Vec<Step>,
    /// The same where the event has no attribute of the first name itself.
    meant: Meant,
}

/// What a path means if its first name is one of EventBridge's.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Meant {
    /// It is not.
    Same,
    /// Something that has another name here.
    Here(Vec<Step>),
    /// The list of resources, and this within it: here it is one subject, and no list.
    Resources(Vec<Step>),
}

/// Where a path begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// At the event's JSON form.
    Event,
    /// At the list of resources.
    Resources,
}

impl Path {
    pub(crate) fn parse(text: &str) -> Result<Self, InputReason> {
        if text.len() > PATH_BYTES_MAX {
            return Err(InputReason::PathTooLong);
        }
        let mut rest = text.strip_prefix('$').ok_or(InputReason::PathStart)?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = step(rest).ok_or_else(|| InputReason::PathStep { rest: shown(rest) })?;
            steps.push(step);
            rest = after;
        }
        let meant = meant(&steps);
        Ok(Self { steps, meant })
    }

    /// Whether it leads to a list of as many values as there are.
    pub(crate) fn is_list(&self) -> bool {
        self.steps.contains(&Step::Every)
    }

    /// Where it begins and the steps from there, by whether the event has an attribute of a name itself.
    pub(crate) fn resolve(&self, has: impl Fn(&str) -> bool) -> (Root, &[Step]) {
        let own = matches!(self.steps.first(), Some(Step::Name(name)) if has(name));
        match &self.meant {
            Meant::Here(steps) if !own => (Root::Event, steps),
            Meant::Resources(steps) if !own => (Root::Resources, steps),
            _ => (Root::Event, &self.steps),
        }
    }
}

fn meant(steps: &[Step]) -> Meant {
    let Some((Step::Name(name), rest)) = steps.split_first() else { return Meant::Same };
    match named_here(name) {
        Some(_) if name == "resources" => Meant::Resources(rest.to_vec()),
        Some(here) => Meant::Here([&[Step::Name(here.to_owned())], rest].concat()),
        None => Meant::Same,
    }
}

/// The first step of a text, and what follows it.
fn step(text: &str) -> Option<(Step, &str)> {
    if let Some(rest) = text.strip_prefix(".*") {
        return Some((Step::Every, rest));
    }
    if let Some(rest) = text.strip_prefix('.') {
        let plain = |c: char| !c.is_whitespace() && !c.is_control() && !".[]()*?@,:'\"<>".contains(c);
        let end = rest.find(|c| !plain(c)).unwrap_or(rest.len());
        let (name, rest) = rest.split_at_checked(end)?;
        return (!name.is_empty()).then(|| (Step::Name(name.to_owned()), rest));
    }
    let inner = text.strip_prefix('[')?;
    if let Some(rest) = inner.strip_prefix("*]") {
        return Some((Step::Every, rest));
    }
    if let Some(quote) = inner.chars().next().filter(|c| "'\"".contains(*c)) {
        return quoted(inner.get(1..)?, quote);
    }
    let (digits, rest) = inner.split_once(']')?;
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| Some((Step::Index(digits.parse().ok()?), rest)))?
}

/// A name in quotes and the bracket after it. A backslash takes the quote or another backslash into the name.
fn quoted(text: &str, quote: char) -> Option<(Step, &str)> {
    let (mut name, mut chars) = (String::new(), text.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => name.push(chars.next().map(|(_, c)| c).filter(|c| *c == quote || *c == '\\')?),
            c if c == quote => {
                let rest = text.get(at + 1..)?.strip_prefix(']')?;
                return Some((Step::Name(name), rest));
            }
            c => name.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Step {
        Step::Name(text.to_owned())
    }

    #[test]
    fn a_path_is_its_steps() {
        let cases = [
            ("$", vec![]),
            ("$.data", vec![name("data")]),
            ("$.a.b-c_d/e", vec![name("a"), name("b-c_d/e")]),
            ("$.é.$ref", vec![name("é"), name("$ref")]),
            ("$['a b'][\"c.d\"]", vec![name("a b"), name("c.d")]),
            (r"$['it\'s'][''].x", vec![name("it's"), name(""), name("x")]),
            (r#"$["a\\b"]"#, vec![name(r"a\b")]),
            ("$.a[0][17].b", vec![name("a"), Step::Index(0), Step::Index(17), name("b")]),
            ("$.a.*[*]", vec![name("a"), Step::Every, Step::Every]),
        ];
        for (text, steps) in cases {
            assert_eq!(Path::parse(text).map(|path| path.steps), Ok(steps), "{text}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused_where_it_begins_to_be_none() {
        let cases = [
            ("$..a", "..a"),
            ("$.", "."),
            ("$.a.", "."),
            ("$.a b", " b"),
            ("$.a[-1]", "[-1]"),
            ("$.a[1:2]", "[1:2]"),
            ("$.a[?(@.b)]", "[?(@.b)]"),
            ("$.a['b']['c", "['c"),
            ("$.a['b'", "['b'"),
            (r"$['\n']", r"['\n']"),
            ("$.a[]", "[]"),
            ("$.a[99999999999999999999]", "[99999999999999999999]"),
            ("$x", "x"),
        ];
        for (text, rest) in cases {
            assert_eq!(Path::parse(text), Err(InputReason::PathStep { rest: rest.to_owned() }), "{text}");
        }
        for text in ["", "data", ".data", " $.a"] {
            assert_eq!(Path::parse(text), Err(InputReason::PathStart), "{text}");
        }
        let long = format!("$.{}", "x".repeat(PATH_BYTES_MAX - 2));
        assert!(Path::parse(&long).is_ok());
        assert_eq!(Path::parse(&format!("{long}x")), Err(InputReason::PathTooLong));
    }

    #[test]
    fn eventbridges_names_mean_what_they_are_called_here_unless_the_event_has_them() {
        let resolve = |text: &str, own: &str| {
            let path = Path::parse(text).unwrap();
            let (root, steps) = path.resolve(|name| name == own);
            (root, steps.to_vec())
        };
        assert_eq!(resolve("$.detail.a", "x"), (Root::Event, vec![name("data"), name("a")]));
        assert_eq!(resolve("$.detail.a", "detail"), (Root::Event, vec![name("detail"), name("a")]));
        assert_eq!(resolve("$.detail-type", "x"), (Root::Event, vec![name("type")]));
        assert_eq!(resolve("$.resources[0]", "x"), (Root::Resources, vec![Step::Index(0)]));
        assert_eq!(resolve("$.resources", "resources"), (Root::Event, vec![name("resources")]));
        assert_eq!(resolve("$.data.detail", "x"), (Root::Event, vec![name("data"), name("detail")]));
        assert_eq!(resolve("$", ""), (Root::Event, vec![]));
    }
}
