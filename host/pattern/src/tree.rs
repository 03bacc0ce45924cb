//! An event's JSON, laid out by the paths of its values. Invariant: a path is the names on the way, joined by dots; lists on
//! the way have no name, and a name with dots in it is several. Every occurrence of a member that is there twice counts.
//!
//! It is made for one pattern at a time and for explaining: a matcher reads an event's bytes without it.

use std::collections::HashMap;

use crate::{
    block::Marks,
    condition::Scalar,
    consistency::{Element, Elements, NO_ELEMENT, Place},
    limits::EVENT_DEPTH_MAX,
    number::Key,
    numeral::number,
    scan::{self, JsonError, JsonFault, Next},
    text::{escaped, unescape},
};

/// The values of an event.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    json: Vec<u8>,
    /// What strings with escapes say.
    texts: Vec<u8>,
    spots: Vec<Spot>,
    values: Vec<Found>,
    pub(crate) elements: Elements,
    steps: Vec<Step>,
}

/// What is at one path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spot {
    children: HashMap<Box<[u8]>, usize>,
    values: Vec<usize>,
    pub(crate) places: Vec<Place>,
    /// The first list or object here.
    structure: Option<Structure>,
}

#[derive(Clone, Copy, Debug)]
struct Structure {
    span: (usize, usize),
    step: usize,
}

#[derive(Clone, Debug)]
struct Found {
    span: (usize, usize),
    /// Where its text is in `texts`, if that differs from the span.
    text: Option<(usize, usize)>,
    key: Option<Key>,
    step: usize,
}

/// One token of a pointer.
#[derive(Clone, Debug)]
struct Step {
    parent: usize,
    token: Token,
}

#[derive(Clone, Debug)]
enum Token {
    Root,
    Name(Box<[u8]>),
    Index(usize),
}

impl Tree {
    /// Reads a whole JSON text.
    pub(crate) fn read(json: &[u8]) -> Result<Self, JsonError> {
        let mut tree = Self { json: json.to_vec(), ..Self::default() };
        tree.spots.push(Spot::default());
        tree.steps.push(Step { parent: 0, token: Token::Root });
        let root = At { spot: 0, step: 0, element: NO_ELEMENT, depth: 0 };
        let end = tree.value(json, 0, root)?;
        scan::finish(json, end)?;
        Ok(tree)
    }

    pub(crate) fn is_object(&self) -> bool {
        self.json.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
    }

    /// What is at a path; `None` is the root.
    pub(crate) fn spot(&self, path: Option<&str>) -> Option<&Spot> {
        let mut spot = self.spots.first()?;
        for name in path.iter().flat_map(|path| path.split('.')) {
            spot = self.spots.get(*spot.children.get(name.as_bytes())?)?;
        }
        Some(spot)
    }

    /// The scalars of a spot, in the order of the text.
    pub(crate) fn scalars<'a>(&'a self, spot: &'a Spot) -> impl Iterator<Item = Scalar<'a>> {
        spot.values.iter().filter_map(|n| self.values.get(*n)).map(|found| self.scalar(found))
    }

    fn scalar<'a>(&'a self, found: &Found) -> Scalar<'a> {
        let raw = self.json.get(found.span.0..found.span.1).unwrap_or_default();
        match raw.first() {
            Some(b'"') => Scalar::Text(match found.text {
                Some((start, end)) => self.texts.get(start..end).unwrap_or_default(),
                None => raw.get(1..raw.len() - 1).unwrap_or_default(),
            }),
            Some(b't' | b'f') => Scalar::Boolean(raw.first() == Some(&b't')),
            Some(b'n') => Scalar::Null,
            _ => Scalar::Number(raw, found.key),
        }
    }

    /// The n-th value of a spot as the text has it, and the pointer to it.
    pub(crate) fn shown(&self, spot: &Spot, n: usize) -> Option<(String, &[u8])> {
        let found = self.values.get(*spot.values.get(n)?)?;
        Some((self.pointer(found.step, true), self.json.get(found.span.0..found.span.1).unwrap_or_default()))
    }

    /// The pointer of names to what is at a spot, as the event has them, without the lists on the way; `None` where nothing is.
    pub(crate) fn named(&self, spot: &Spot) -> Option<String> {
        let first = spot.values.first().and_then(|n| self.values.get(*n)).map(|found| found.step);
        first.or(spot.structure.map(|structure| structure.step)).map(|step| self.pointer(step, false))
    }

    fn pointer(&self, mut at: usize, indexes: bool) -> String {
        let mut tokens = Vec::new();
        while let Some(Step { parent, token }) = self.steps.get(at) {
            match token {
                Token::Root => break,
                Token::Name(name) => tokens.push(escaped(&String::from_utf8_lossy(name))),
                Token::Index(n) if indexes => tokens.push(n.to_string()),
                Token::Index(_) => {}
            }
            at = *parent;
        }
        tokens.iter().rev().flat_map(|token| ["/", token]).collect()
    }

    /// The text of the list or object at a spot.
    pub(crate) fn structure(&self, spot: &Spot) -> Option<&[u8]> {
        spot.structure.and_then(|Structure { span: (start, end), .. }| self.json.get(start..end))
    }

    fn value(&mut self, json: &[u8], from: usize, at: At) -> Next {
        if at.depth > EVENT_DEPTH_MAX {
            return scan::stop(json, from, JsonFault::Depth);
        }
        let start = scan::token(json, from);
        let end = match scan::byte(json, start) {
            b'{' => self.object(json, start, at)?,
            b'[' => self.list(json, start, at)?,
            first => return self.leaf(json, start, at, first),
        };
        // What is within a list ends before it, and is at the same path.
        if let Some(spot) = self.spots.get_mut(at.spot)
            && spot.structure.is_none_or(|other| start < other.span.0)
        {
            spot.structure = Some(Structure { span: (start, end), step: at.step });
        }
        Ok(end)
    }

    fn leaf(&mut self, json: &[u8], start: usize, at: At, first: u8) -> Next {
        let (mut text, mut key) = (None, None);
        let end = match first {
            b'"' => {
                let quoted = scan::string(json, start)?;
                if quoted.escaped {
                    let from = self.texts.len();
                    unescape(json.get(quoted.start..quoted.end).unwrap_or_default(), &mut self.texts);
                    text = Some((from, self.texts.len()));
                }
                quoted.end + 1
            }
            b'-' | b'0'..=b'9' => {
                let end = number(json, start)?;
                key = Key::sketch(json.get(start..end).unwrap_or_default());
                end
            }
            _ => scan::scalar(json, start, &mut Marks::new())?,
        };
        if let Some(spot) = self.spots.get_mut(at.spot) {
            spot.values.push(self.values.len());
            spot.places.push(Place { offset: start as u32, element: at.element });
        }
        self.values.push(Found { span: (start, end), text, key, step: at.step });
        Ok(end)
    }

    fn object(&mut self, json: &[u8], from: usize, at: At) -> Next {
        let mut next = scan::token(json, from + 1);
        if scan::byte(json, next) == b'}' {
            return Ok(next + 1);
        }
        loop {
            let (key, after) = scan::key(json, next, &mut Marks::new())?;
            let mut name = Vec::new();
            unescape(json.get(key.start..key.end).unwrap_or_default(), &mut name);
            let mut spot = at.spot;
            for part in name.split(|byte| *byte == b'.') {
                spot = self.child(spot, part);
            }
            let step = self.step(at.step, Token::Name(name.into()));
            next = self.value(json, after, At { spot, step, depth: at.depth + 1, ..at })?;
            next = scan::token(json, next);
            match scan::byte(json, next) {
                b',' => next += 1,
                b'}' => return Ok(next + 1),
                _ => return scan::stop(json, next, JsonFault::Byte),
            }
        }
    }

    fn list(&mut self, json: &[u8], from: usize, at: At) -> Next {
        let array = self.elements.open(from);
        let mut next = scan::token(json, from + 1);
        if scan::byte(json, next) == b']' {
            return Ok(next + 1);
        }
        for n in 0.. {
            next = scan::token(json, next);
            let step = self.step(at.step, Token::Index(n));
            let below = At { step, depth: at.depth + 1, ..at };
            if matches!(scan::byte(json, next), b'{' | b'[') {
                let element = self.elements.add(Element { array, parent: at.element, start: next as u32, end: 0 });
                next = self.value(json, next, At { element, ..below })?;
                self.elements.close(element, next);
            } else {
                next = self.value(json, next, below)?;
            }
            next = scan::token(json, next);
            match scan::byte(json, next) {
                b',' => next += 1,
                b']' => break,
                _ => return scan::stop(json, next, JsonFault::Byte),
            }
        }
        self.elements.close_array(array, next);
        Ok(next + 1)
    }

    fn child(&mut self, spot: usize, name: &[u8]) -> usize {
        let next = self.spots.len();
        let Some(own) = self.spots.get_mut(spot) else { return spot };
        if let Some(child) = own.children.get(name) {
            return *child;
        }
        own.children.insert(name.into(), next);
        self.spots.push(Spot::default());
        next
    }

    fn step(&mut self, parent: usize, token: Token) -> usize {
        self.steps.push(Step { parent, token });
        self.steps.len() - 1
    }
}

/// Where a value is.
#[derive(Clone, Copy)]
struct At {
    spot: usize,
    step: usize,
    element: u32,
    depth: usize,
}
