//! An evaluator that is written from docs/design/input.md and shares nothing with the crate: it builds values, and knows neither
//! texts nor places. So it forgets how numbers are spelled, which the tables look at.

use serde_json::Value;

/// A template as a tree.
#[derive(Clone, Debug)]
pub enum Tree {
    /// A constant.
    Is(Value),
    /// The variable with this number.
    Variable(usize),
    /// A string of texts and variables in turn.
    Text(Vec<(String, usize)>, String),
    /// A list.
    List(Vec<Tree>),
    /// An object.
    Object(Vec<(String, Tree)>),
}

impl Tree {
    /// The template as somebody would write it; variables are called `v0`, `v1` and so on.
    pub fn write(&self, out: &mut String) {
        let spaced = |out: &mut String, sign: char| out.extend([' ', sign, '\n']);
        match self {
            Self::Is(value) => out.push_str(&plain(&value.to_string())),
            Self::Variable(n) => out.push_str(&format!("<v{n}>")),
            Self::Text(parts, end) => {
                let inside = |text: &str| {
                    let quoted = Value::from(text).to_string();
                    plain(&quoted[1..quoted.len() - 1])
                };
                let parts = parts.iter().map(|(text, n)| format!("{}<v{n}>", inside(text)));
                out.push_str(&format!("\"{}{}\"", parts.collect::<String>(), inside(end)));
            }
            Self::List(items) => {
                out.push('[');
                for (n, item) in items.iter().enumerate() {
                    if n > 0 {
                        spaced(out, ',');
                    }
                    item.write(out);
                }
                spaced(out, ']');
            }
            Self::Object(members) => {
                out.push('{');
                for (n, (name, member)) in members.iter().enumerate() {
                    if n > 0 {
                        spaced(out, ',');
                    }
                    out.push_str(&plain(&Value::from(name.as_str()).to_string()));
                    spaced(out, ':');
                    member.write(out);
                }
                spaced(out, '}');
            }
        }
    }

    /// What it is with these values. What JSON text a value has within a string is not known here, but that it has one.
    pub fn is(&self, values: &[Option<Value>], made: &Value) -> bool {
        let empty = Value::from("");
        match self {
            Self::Is(value) => value == made,
            Self::Variable(n) => values[*n].as_ref().unwrap_or(&empty) == made,
            Self::Text(parts, end) => made.as_str().is_some_and(|made| reads(parts, end, values, made)),
            Self::List(items) => made.as_array().is_some_and(|made| {
                made.len() == items.len() && items.iter().zip(made).all(|(item, made)| item.is(values, made))
            }),
            Self::Object(members) => made.as_object().is_some_and(|made| {
                let names: std::collections::BTreeSet<&String> = members.iter().map(|(name, _)| name).collect();
                names.len() == made.len()
                    && names.into_iter().all(|name| {
                        let last = members.iter().rev().find(|(other, _)| other == name).map(|(_, member)| member);
                        last.zip(made.get(name)).is_some_and(|(member, made)| member.is(values, made))
                    })
            }),
        }
    }
}

/// Whether a text is the parts with the values between them.
fn reads(parts: &[(String, usize)], end: &str, values: &[Option<Value>], made: &str) -> bool {
    let Some(((text, n), parts)) = parts.split_first() else { return made == end };
    let Some(rest) = made.strip_prefix(text.as_str()) else { return false };
    match &values[*n] {
        None => reads(parts, end, values, rest),
        Some(Value::String(value)) => {
            rest.strip_prefix(value.as_str()).is_some_and(|rest| reads(parts, end, values, rest))
        }
        Some(value) => (1..=rest.len()).filter(|length| rest.is_char_boundary(*length)).any(|length| {
            let (head, rest) = rest.split_at(length);
            serde_json::from_str::<Value>(head).is_ok_and(|head| head == *value) && reads(parts, end, values, rest)
        }),
    }
}

/// A text in which nothing looks like a variable.
fn plain(text: &str) -> String {
    text.replace('<', "\\u003c")
}

/// A step of a path.
#[derive(Clone, Debug)]
pub enum Step {
    /// A member.
    Name(String),
    /// An element.
    Index(usize),
    /// Each.
    Every,
}

/// The path as somebody would write it.
pub fn write(steps: &[Step]) -> String {
    let step = |step: &Step| match step {
        Step::Name(name) if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            format!(".{name}")
        }
        Step::Name(name) => format!("['{}']", name.replace('\\', r"\\").replace('\'', r"\'")),
        Step::Index(index) => format!("[{index}]"),
        Step::Every => "[*]".to_owned(),
    };
    format!("$.data{}", steps.iter().map(step).collect::<String>())
}

/// What is at the end of a path.
pub fn follow(value: &Value, steps: &[Step]) -> Option<Value> {
    let mut at = vec![value];
    for step in steps {
        let next = at.into_iter().flat_map(|value| match step {
            Step::Name(name) => value.as_object().and_then(|object| object.get(name)).into_iter().collect(),
            Step::Index(index) => value.as_array().and_then(|list| list.get(*index)).into_iter().collect(),
            Step::Every => match value {
                Value::Array(list) => list.iter().collect(),
                Value::Object(object) => object.values().collect::<Vec<_>>(),
                _ => Vec::new(),
            },
        });
        at = next.collect();
    }
    if steps.iter().any(|step| matches!(step, Step::Every)) {
        return Some(Value::Array(at.into_iter().cloned().collect()));
    }
    at.first().map(|value| (*value).clone())
}
