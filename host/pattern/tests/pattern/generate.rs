//! Patterns and events made together, out of few names and few values, so that about half of them match. Invariant: what is
//! made depends on the seed alone, and every pattern is a good one.

use serde_json::{Map, Value, json};

/// A small generator of numbers (xorshift), since a case must come again from its seed.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }

    pub fn often(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }
}

const NAMES: [&str; 6] = ["a", "b", "c", "a.b", "d\u{e9}", "b.c.a"];
const TEXTS: [&str; 16] = [
    "",
    "x",
    "xy",
    "xyz",
    "X",
    "yx",
    "xyxy",
    "Xy\u{e9}",
    "XY\u{c9}",
    "a\"b\\c*",
    "10.0.0.1",
    "010.0.0.1",
    "10.0.0.200",
    "::1",
    "2001:db8::5",
    "a long string of more than sixteen bytes, and so long that the index of its field does not look at all of it",
];

fn scalar(dice: &mut Dice) -> Value {
    match dice.below(10) {
        0 => Value::Null,
        1 => json!(dice.often(50)),
        2 => json!(dice.below(4)),
        3 => dice.of(&[
            json!(1.5),
            json!(-1),
            json!(300),
            json!(3e2),
            json!(0.1),
            json!(-0.0),
            json!(122.46806156382938),
        ]),
        _ => json!(dice.of(&TEXTS)),
    }
}

/// An event: objects and lists of up to three levels.
pub fn event(dice: &mut Dice) -> Value {
    object(dice, 3)
}

fn object(dice: &mut Dice, depth: usize) -> Value {
    let mut members = Map::new();
    for _ in 0..dice.below(4) + usize::from(depth == 3) {
        members.insert(dice.of(&NAMES).to_owned(), value(dice, depth - 1));
    }
    Value::Object(members)
}

fn value(dice: &mut Dice, depth: usize) -> Value {
    match dice.below(10) {
        0..=2 if depth > 0 => object(dice, depth),
        3..=5 if depth > 0 => (0..dice.below(4))
            .map(|_| if dice.often(60) { object(dice, depth) } else { value(dice, depth - 1) })
            .collect(),
        _ => scalar(dice),
    }
}

/// A pattern for an event: its fields are mostly the event's, and what they want is mostly what the event has.
pub fn pattern(dice: &mut Dice, event: &Value) -> Value {
    let mut pattern = fields(dice, event, 2);
    if pattern.as_object().unwrap().is_empty() {
        pattern = json!({dice.of(&NAMES): [condition(dice, &Value::Null)]});
    }
    pattern
}

/// Some of the members of an object or of the objects in a list, as a pattern that may be empty.
fn fields(dice: &mut Dice, event: &Value, ors: usize) -> Value {
    let mut pattern = Map::new();
    let members = members(event);
    for (name, value) in &members {
        if dice.often(if members.len() > 3 { 35 } else { 55 }) {
            let below = fields(dice, value, ors);
            let nested = below.as_object().is_some_and(|below| !below.is_empty()) && !dice.often(10);
            pattern.insert((*name).clone(), if nested { below } else { list(dice, value) });
        }
    }
    if dice.often(12) {
        pattern.insert(dice.of(&NAMES).to_owned(), list(dice, &Value::Null));
    }
    if ors > 0 && dice.often(15) {
        let branches: Vec<Value> = (0..dice.below(2) + 2)
            .map(|_| match fields(dice, event, ors - 1) {
                Value::Object(empty) if empty.is_empty() => json!({dice.of(&NAMES): list(dice, &Value::Null)}),
                branch => branch,
            })
            .collect();
        pattern.insert("$or".to_owned(), Value::Array(branches));
    }
    Value::Object(pattern)
}

fn members(event: &Value) -> Vec<(&String, &Value)> {
    match event {
        Value::Object(members) => members.iter().collect(),
        Value::Array(items) => items.iter().flat_map(members).collect(),
        _ => Vec::new(),
    }
}

fn list(dice: &mut Dice, value: &Value) -> Value {
    let found = match value {
        Value::Array(items) if !items.is_empty() => dice.of(items),
        other => other.clone(),
    };
    let length = if dice.often(3) { 12 } else { 1 + dice.below(2) };
    (0..length)
        .map(|n| if n == 0 && dice.often(75) { fitting(dice, &found) } else { condition(dice, &found) })
        .collect()
}

/// A condition that the value fits.
fn fitting(dice: &mut Dice, found: &Value) -> Value {
    match found {
        Value::String(text) => {
            let cut = (0..=text.len()).filter(|n| text.is_char_boundary(*n)).collect::<Vec<_>>();
            let at = dice.of(&cut);
            let escaped = |text: &str| text.replace('\\', "\\\\").replace('*', "\\*");
            match dice.below(9) {
                0 => json!({"prefix": text[..at]}),
                1 => json!({"suffix": text[at..]}),
                2 => json!({"prefix": {"equals-ignore-case": text[..at].to_uppercase()}}),
                3 => json!({"suffix": {"equals-ignore-case": text[at..].to_lowercase()}}),
                4 => json!({"equals-ignore-case": text.to_uppercase()}),
                5 => json!({"wildcard": format!("{}*{}", escaped(&text[..at]), escaped(&text[at..]))}),
                6 => json!({"wildcard": dice.of(&["*".to_owned(), format!("*{}", escaped(&text[at..]))])}),
                _ => json!(text),
            }
        }
        Value::Number(number) => match dice.below(4) {
            0 => json!({"numeric": ["=", number]}),
            1 => json!({"numeric": [dice.of(&["<=", ">="]), number]}),
            2 => json!({"numeric": [">", -5, "<=", number]}),
            _ => json!(number),
        },
        Value::Object(_) | Value::Array(_) => json!({"exists": false}),
        other => other.clone(),
    }
}

/// Any condition, with a liking for a value.
fn condition(dice: &mut Dice, found: &Value) -> Value {
    let text = match found {
        Value::String(text) if dice.often(40) => text.clone(),
        _ => dice.of(&TEXTS).to_owned(),
    };
    let other = dice.of(&TEXTS).to_owned();
    let filled = if text.is_empty() { "x".to_owned() } else { text.clone() };
    match dice.below(20) {
        0 => json!({"exists": true}),
        1 | 2 => json!({"exists": false}),
        3 => json!({"prefix": text}),
        4 => json!({"suffix": text}),
        5 => json!({"equals-ignore-case": text}),
        6 => json!({"anything-but": text}),
        7 => json!({"anything-but": [text, other]}),
        8 => json!({"anything-but": dice.of(&[json!(1), json!([0, 1.5, 300])])}),
        9 => {
            json!({"anything-but": {dice.of(&["prefix", "suffix"]): dice.of(&[json!(filled), json!([filled, "zz"])])}})
        }
        10 => json!({"anything-but": {"equals-ignore-case": dice.of(&[json!(text), json!([text, other])])}}),
        11 => json!({"anything-but": {"wildcard": dice.of(&[json!("x*"), json!(["*y", "x*z"]), json!("*y*")])}}),
        12 => json!({"wildcard": dice.of(&["x*", "*y", "x*y", "*x*y*", "*", "", "*long*of*", "*o*o*o*", r"*\**"])}),
        13 => {
            json!({"numeric": dice.of(&[json!([">", 0]), json!(["<", 1.5]), json!(["<=", 1]), json!([">=", 122.46806156382938])])})
        }
        14 => json!({"numeric": dice.of(&[json!([">=", 0, "<", 2]), json!([">", 0.1, "<=", 300]), json!(["=", 3])])}),
        15 => json!({"cidr": dice.of(&["10.0.0.0/24", "10.0.0.100/25", "0.0.0.0/0", "2001:db8::/32", "::/0"])}),
        16 => json!({"exactly": text}),
        17 => json!({dice.of(&["prefix", "suffix"]): {"equals-ignore-case": text}}),
        _ => scalar(dice),
    }
}
