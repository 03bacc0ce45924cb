//! The text of a template as pieces: what stands there, and where values go. Invariant: the pieces of a JSON template are valid
//! JSON with any value in the places for values, and with the inside of any string in the places within strings. Spaces outside
//! of strings are left out. Filling the places is `fill.rs`.

use std::collections::BTreeMap;

use crate::{
    error::{InputError, InputErrors, InputPlace, InputReason, shown},
    limits::{MISTAKES_MAX, TEMPLATE_BYTES_MAX, TEMPLATE_DEPTH_MAX, VARIABLE_NAME_BYTES_MAX, VARIABLES_MAX},
    path::Path,
    reserved::Reserved,
    skip,
};

/// A template, read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template {
    /// What its variables are; each is used.
    pub(crate) variables: Vec<Variable>,
    pub(crate) shape: Shape,
}

/// A value that a template has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Variable {
    Path(Path),
    Reserved(Reserved),
}

/// What comes out of a template.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    /// One JSON value.
    Json(Vec<Piece>),
    /// A text of several lines; what stands there has its escapes resolved.
    Lines(Vec<Piece>),
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// What stands there.
    Plain(String),
    /// A place for a value: the variable with this number.
    Value(usize),
    /// A place within a string.
    Inside(usize),
}

impl Template {
    pub(crate) fn parse(paths: &BTreeMap<String, String>, text: &str) -> Result<Self, InputErrors> {
        let mut mistakes = Vec::new();
        if paths.len() > VARIABLES_MAX {
            mistakes.push(InputError { place: InputPlace::Paths, reason: InputReason::TooManyVariables });
        }
        let mut named = BTreeMap::new();
        for (name, path) in paths.iter().take(VARIABLES_MAX) {
            let known = if is_name(name) { Path::parse(path) } else { Err(InputReason::VariableName) };
            let known = known.map_err(|reason| mistakes.push(InputError { place: variable(name), reason }));
            named.insert(name.as_str(), known.ok());
        }
        let mut parser = Parser { text, at: 0, named, variables: Vec::new(), pieces: Vec::new(), mistakes };
        let shape = match text.len() {
            1..=TEMPLATE_BYTES_MAX => parser.template(),
            _ => Err(parser.fault(0, InputReason::TemplateSize)),
        };
        let start = parser.fault(0, InputReason::Value);
        let Parser { variables, mut mistakes, .. } = parser;
        let shape = shape.map_err(|mistake| mistakes.push(mistake)).ok();
        mistakes.truncate(MISTAKES_MAX);
        let mut mistakes = mistakes.into_iter();
        match (mistakes.next(), shape) {
            (None, Some(shape)) => {
                Ok(Self { variables: variables.into_iter().map(|(_, variable)| variable).collect(), shape })
            }
            (Some(first), _) => Err(InputErrors { first, others: mistakes.collect() }),
            // What has no shape has a mistake.
            (None, None) => Err(start.into()),
        }
    }
}

fn variable(name: &str) -> InputPlace {
    InputPlace::Variable(name.to_owned())
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=VARIABLE_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(plain)
}

type Parsed<T> = Result<T, InputError>;

struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// The paths by their names; those with mistakes have none, and are told of once.
    named: BTreeMap<&'a str, Option<Path>>,
    /// The variables that were used, by name.
    variables: Vec<(&'a str, Variable)>,
    pieces: Vec<Piece>,
    mistakes: Vec<InputError>,
}

impl<'a> Parser<'a> {
    fn fault(&self, at: usize, reason: InputReason) -> InputError {
        let before = self.text.get(..at).unwrap_or(self.text);
        let (line, last) = before.split('\n').enumerate().last().unwrap_or_default();
        InputError { place: InputPlace::Template { line: line + 1, column: last.chars().count() + 1 }, reason }
    }

    fn template(&mut self) -> Parsed<Shape> {
        if self.token() != b'"' {
            self.value(0)?;
            self.end()?;
            return Ok(Shape::Json(std::mem::take(&mut self.pieces)));
        }
        let mut strings = Vec::new();
        while self.token() == b'"' {
            self.at += 1;
            self.inside(true)?;
            self.at += 1;
            strings.push(std::mem::take(&mut self.pieces));
        }
        self.end()?;
        let quote = || Piece::Plain("\"".to_owned());
        Ok(match strings.len() {
            1 => Shape::Json([quote()].into_iter().chain(strings.into_iter().flatten()).chain([quote()]).collect()),
            _ => Shape::Lines(lines(strings)),
        })
    }

    fn end(&mut self) -> Parsed<()> {
        self.token();
        if self.at < self.text.len() { Err(self.fault(self.at, InputReason::Tail)) } else { Ok(()) }
    }

    /// The next byte that is no space, which is not taken.
    fn token(&mut self) -> u8 {
        self.at = skip::spaces(self.text, self.at);
        skip::byte(self.text, self.at)
    }

    /// Takes the next byte, which belongs to the text that stands there.
    fn take(&mut self, byte: u8) {
        self.at += 1;
        self.plain(char::from(byte).encode_utf8(&mut [0; 4]));
    }

    fn plain(&mut self, text: &str) {
        if let Some(Piece::Plain(last)) = self.pieces.last_mut() {
            last.push_str(text);
        } else {
            self.pieces.push(Piece::Plain(text.to_owned()));
        }
    }

    fn value(&mut self, depth: usize) -> Parsed<()> {
        match self.token() {
            b'{' | b'[' if depth == TEMPLATE_DEPTH_MAX => Err(self.fault(self.at, InputReason::TooDeep)),
            b'{' => self.object(depth),
            b'[' => self.list(depth),
            b'"' => self.string(true),
            b'<' => match self.variable() {
                Some(number) => {
                    self.pieces.extend(number.map(Piece::Value));
                    Ok(())
                }
                None => Err(self.fault(self.at, InputReason::Value)),
            },
            _ => self.literal(),
        }
    }

    fn object(&mut self, depth: usize) -> Parsed<()> {
        self.take(b'{');
        if self.token() == b'}' {
            self.take(b'}');
            return Ok(());
        }
        loop {
            if self.token() != b'"' {
                let named = skip::byte(self.text, self.at) == b'<';
                let reason = if named { InputReason::VariableInName } else { wants("a member's name in quotes") };
                return Err(self.fault(self.at, reason));
            }
            self.string(false)?;
            if self.token() != b':' {
                return Err(self.fault(self.at, wants("a colon")));
            }
            self.take(b':');
            self.value(depth + 1)?;
            match self.token() {
                b',' => self.take(b','),
                b'}' => break,
                _ => return Err(self.fault(self.at, wants("a comma or the closing `}`"))),
            }
        }
        self.take(b'}');
        Ok(())
    }

    fn list(&mut self, depth: usize) -> Parsed<()> {
        self.take(b'[');
        if self.token() == b']' {
            self.take(b']');
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            match self.token() {
                b',' => self.take(b','),
                b']' => break,
                _ => return Err(self.fault(self.at, wants("a comma or the closing `]`"))),
            }
        }
        self.take(b']');
        Ok(())
    }

    /// A number, `true`, `false` or `null`.
    fn literal(&mut self) -> Parsed<()> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c)).unwrap_or(rest.len());
        let literal = rest.get(..end).unwrap_or_default();
        // Read as a value, since a number that is out of range would spoil every event.
        if serde_json::from_str::<serde_json::Value>(literal).is_err() {
            return Err(self.fault(self.at, InputReason::Value));
        }
        self.plain(literal);
        self.at += end;
        Ok(())
    }

    /// A string; the name of a member has no variables in it.
    fn string(&mut self, may_vary: bool) -> Parsed<()> {
        self.take(b'"');
        self.inside(may_vary)?;
        self.take(b'"');
        Ok(())
    }

    /// What is between the quotes of a string.
    fn inside(&mut self, may_vary: bool) -> Parsed<()> {
        let (open, mut from) = (self.at.saturating_sub(1), self.at);
        loop {
            match skip::byte(self.text, self.at) {
                b'"' => break,
                b'\\' => self.at += 2,
                ..b' ' if self.at < self.text.len() => return Err(self.fault(self.at, InputReason::Control)),
                _ if self.at >= self.text.len() => return Err(self.fault(open, InputReason::Unclosed)),
                b'<' => {
                    let here = self.at;
                    let Some(number) = self.variable() else {
                        self.at += 1;
                        continue;
                    };
                    if !may_vary {
                        return Err(self.fault(here, InputReason::VariableInName));
                    }
                    self.segment(from, here)?;
                    self.pieces.extend(number.map(Piece::Inside));
                    from = self.at;
                }
                _ => self.at += 1,
            }
        }
        self.segment(from, self.at)
    }

    /// A part of a string without variables.
    fn segment(&mut self, from: usize, to: usize) -> Parsed<()> {
        let segment = self.text.get(from..to).unwrap_or_default();
        if serde_json::from_str::<String>(&format!("\"{segment}\"")).is_err() {
            return Err(self.fault(from, InputReason::Escape));
        }
        self.plain(segment);
        Ok(())
    }

    /// Takes the variable at this place, if there is one, and gives its number if there is such a variable; if not, that is
    /// told and the rest of the template is read.
    fn variable(&mut self) -> Option<Option<usize>> {
        let at = self.at;
        let rest = self.text.get(at + 1..)?;
        let end = rest.find('>')?;
        let name = rest.get(..end)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || !name.bytes().all(plain) {
            return None;
        }
        self.at += end + 2;
        if let Some(number) = self.variables.iter().position(|(known, _)| *known == name) {
            return Some(Some(number));
        }
        let known = match self.named.get(name) {
            Some(path) => path.clone().map(Variable::Path),
            None => {
                let reserved = Reserved::named(name).map(Variable::Reserved);
                if reserved.is_none() {
                    let unknown = InputReason::VariableUnknown { name: shown(name) };
                    self.mistakes.push(self.fault(at, unknown));
                }
                reserved
            }
        };
        Some(known.map(|variable| {
            self.variables.push((name, variable));
            self.variables.len() - 1
        }))
    }
}

fn wants(wanted: &'static str) -> InputReason {
    InputReason::Wanted { wanted }
}

/// Strings as the lines of a text.
fn lines(strings: Vec<Vec<Piece>>) -> Vec<Piece> {
    let plain = |piece| match piece {
        // It was checked to be the inside of a string.
        Piece::Plain(text) => Piece::Plain(serde_json::from_str(&format!("\"{text}\"")).unwrap_or(text)),
        other => other,
    };
    let mut lines = Vec::new();
    for (n, string) in strings.into_iter().enumerate() {
        if n > 0 {
            lines.push(Piece::Plain("\n".to_owned()));
        }
        lines.extend(string.into_iter().map(plain));
    }
    lines
}
