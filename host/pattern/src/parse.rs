//! From JSON to a pattern: fields and `$or`. Invariant: what could never match, or could be meant in two ways, is refused at
//! the place where it stands, and reading goes on after it, so that all mistakes are told at once; nothing is repaired.

use std::sync::Arc;

use serde_json::Value;

use crate::{
    document::Json,
    error::{PatternError, PatternErrors, PatternReason},
    limits::{
        MISTAKES_MAX, PATTERN_BYTES_MAX, PATTERN_DEPTH_MAX, PATTERN_PATH_BYTES_MAX, PATTERN_TEXT_BYTES_MAX,
        PATTERN_VALUES_MAX, SHOWN_CHARS_MAX,
    },
    pattern::{Fields, Leaf, Member, Pattern},
    text::escaped,
    ways::{self, Excess},
};

/// Names that event-ruler keeps for operators that are or may come, and so refuses as fields within `$or`.
const RESERVED: [&str; 23] = [
    "exactly",
    "equals-ignore-case",
    "prefix",
    "suffix",
    "anything-but",
    "exists",
    "wildcard",
    "numeric",
    "cidr",
    "=",
    "<",
    "<=",
    ">",
    ">=",
    "regex",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
    "ip-address-in-range",
];

impl Pattern {
    /// Parses a pattern. Of members that are there twice it sees the last: [`Pattern::from_json`] sees them all.
    ///
    /// # Errors
    /// The first place that is wrong.
    pub fn parse(json: &Value) -> Result<Self, PatternError> {
        Self::from_json(json.to_string().as_bytes()).map_err(PatternErrors::into_first)
    }

    /// Parses a pattern's text.
    ///
    /// # Errors
    /// Every place that is wrong.
    pub fn from_json(text: &[u8]) -> Result<Self, PatternErrors> {
        let whole =
            |reason| PatternErrors { first: PatternError { pointer: String::new(), reason }, others: Vec::new() };
        if text.len() > PATTERN_TEXT_BYTES_MAX {
            return Err(whole(PatternReason::TooLarge));
        }
        let json = Json::read(text).map_err(|error| whole(PatternReason::Json(error)))?;
        Parser::new(true).pattern(&json).or_else(|errors| {
            // As event-ruler has it, an `$or` that is not well formed is a field of that name; if that makes no pattern
            // either, what is wrong with it as an `$or` is the better advice.
            let about_or = |error: &PatternError| {
                matches!(error.reason, PatternReason::OrShape | PatternReason::OrReserved { .. })
            };
            if errors.iter().any(about_or) {
                Parser::new(false).pattern(&json).map_err(|_| errors)
            } else {
                Err(errors)
            }
        })
    }
}

/// Where the parser is, and what it has counted and found wrong.
pub(crate) struct Parser {
    /// Whether `$or` is more than a name.
    or: bool,
    pointer: String,
    path: String,
    /// How many names the path has; one of them may be empty.
    names: usize,
    leaves: u32,
    values: usize,
    bytes: usize,
    errors: Vec<PatternError>,
}

/// Nothing, after a mistake has been noted.
pub(crate) type Noted<T> = Option<T>;

impl Parser {
    fn new(or: bool) -> Self {
        let (pointer, path) = (String::new(), String::new());
        Self { or, pointer, path, names: 0, leaves: 0, values: 0, bytes: 0, errors: Vec::new() }
    }

    fn pattern(mut self, json: &Json) -> Result<Pattern, PatternErrors> {
        let pattern = match json {
            Json::Object(members) => self.fields(members, 1, false),
            other => self.refuse(PatternReason::NotObject { found: other.kind() }),
        };
        let pattern = pattern.and_then(|root| match ways::of(&root) {
            Ok(ways) => Some(Pattern { root, ways }),
            Err(Excess::Ways) => self.refuse(PatternReason::TooManyWays),
            Err(Excess::Fields) => self.refuse(PatternReason::TooManyFields),
        });
        let mut errors = self.errors.into_iter();
        match (errors.next(), pattern) {
            (None, Some(pattern)) => Ok(pattern),
            (Some(first), _) => Err(PatternErrors { first, others: errors.collect() }),
            // Nothing comes of a pattern only after a mistake.
            (None, None) => {
                let first = PatternError { pointer: String::new(), reason: PatternReason::EmptyObject };
                Err(PatternErrors { first, others: Vec::new() })
            }
        }
    }

    /// Notes a mistake at the place where the parser is.
    pub(crate) fn refuse<T>(&mut self, reason: PatternReason) -> Noted<T> {
        // A limit that is broken is broken by everything that follows.
        let told = self.errors.last().is_some_and(|last| last.reason == reason && is_limit(&reason));
        if self.errors.len() < MISTAKES_MAX && !told {
            self.errors.push(PatternError { pointer: self.pointer.clone(), reason });
        }
        None
    }

    /// Does something one step down the pointer.
    pub(crate) fn at<T>(&mut self, token: &str, work: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(&escaped(token));
        let result = work(self);
        self.pointer.truncate(length);
        result
    }

    pub(crate) fn count_bytes(&mut self, text: &str) -> Noted<()> {
        self.bytes += text.len();
        if self.bytes > PATTERN_BYTES_MAX { self.refuse(PatternReason::TooLarge) } else { Some(()) }
    }

    pub(crate) fn count_value(&mut self) -> Noted<()> {
        self.values += 1;
        if self.values > PATTERN_VALUES_MAX { self.refuse(PatternReason::TooManyValues) } else { Some(()) }
    }

    fn fields(&mut self, members: &[(Box<str>, Json)], depth: usize, within_or: bool) -> Noted<Fields> {
        if members.is_empty() {
            return self.refuse(PatternReason::EmptyObject);
        }
        if depth > PATTERN_DEPTH_MAX {
            return self.refuse(PatternReason::TooDeep);
        }
        let mut read = Vec::with_capacity(members.len().min(PATTERN_VALUES_MAX));
        for (name, value) in members {
            let counted = self.count_bytes(name);
            let member = self.at(name, |parser| {
                if parser.or && **name == *"$or" {
                    return parser.or(value, depth);
                }
                if within_or && (RESERVED.contains(&&**name) || **name == *"ip-address-not-in-range") {
                    return parser.refuse(PatternReason::OrReserved { name: shown(name) });
                }
                parser.named(name, |parser| {
                    if parser.path.len() > PATTERN_PATH_BYTES_MAX {
                        return parser.refuse(PatternReason::PathTooLong);
                    }
                    parser.member(value, depth, within_or)
                })
            });
            read.extend(counted.and(member).map(|member| (name.clone(), member)));
        }
        (read.len() == members.len()).then_some(Fields { members: read })
    }

    /// Does something one name further down.
    fn named<T>(&mut self, name: &str, work: impl FnOnce(&mut Self) -> T) -> T {
        let path = self.path.len();
        if self.names > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        self.names += 1;
        let result = work(self);
        self.names -= 1;
        self.path.truncate(path);
        result
    }

    fn member(&mut self, value: &Json, depth: usize, within_or: bool) -> Noted<Member> {
        match value {
            Json::Object(members) => self.fields(members, depth + 1, within_or).map(Member::Nested),
            Json::List(items) if items.is_empty() => self.refuse(PatternReason::EmptyArray),
            Json::List(items) => {
                let conditions: Vec<_> = items
                    .iter()
                    .enumerate()
                    .filter_map(|(n, item)| self.at(&n.to_string(), |parser| parser.condition(item)))
                    .collect();
                let read = conditions.len();
                self.leaves += 1;
                let order = (self.names as u32) << 16 | self.leaves.min(0xffff);
                let leaf = || Leaf::new(&self.path, order, conditions);
                (items.len() == read).then(|| Member::Leaf(Arc::new(leaf())))
            }
            bare => {
                let shown = match bare {
                    Json::Number(text) => shown(text),
                    Json::Text(text) => shown(&Value::from(&**text).to_string()),
                    Json::Boolean(value) => value.to_string(),
                    _ => "null".to_owned(),
                };
                self.refuse(PatternReason::NotList { found: bare.kind(), shown })
            }
        }
    }

    fn or(&mut self, value: &Json, depth: usize) -> Noted<Member> {
        let Json::List(items) = value else { return self.refuse(PatternReason::OrShape) };
        if items.len() < 2 {
            return self.refuse(PatternReason::OrShape);
        }
        let branches: Vec<_> = items
            .iter()
            .enumerate()
            .filter_map(|(n, item)| {
                self.at(&n.to_string(), |parser| match item {
                    Json::Object(members) => parser.fields(members, depth + 1, true),
                    _ => parser.refuse(PatternReason::OrShape),
                })
            })
            .collect();
        (branches.len() == items.len()).then_some(Member::Or(branches))
    }
}

/// A text of the pattern as an error repeats it.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

const fn is_limit(reason: &PatternReason) -> bool {
    matches!(reason, PatternReason::TooDeep | PatternReason::TooManyValues | PatternReason::TooLarge)
}
