//! From JSON to a pattern. Invariant: what could never match, or could be meant in two ways, is refused at the place where
//! it stands; nothing is repaired. Fields are taken in the order in which `serde_json` keeps them.

use serde_json::{Map, Value};

use crate::{
    condition::{Condition, End, Literal, Range},
    error::{PatternError, PatternReason},
    limits::{PATTERN_BYTES_MAX, PATTERN_DEPTH_MAX, PATTERN_VALUES_MAX, SHOWN_CHARS_MAX},
    number::Number,
    pattern::{Field, Fields, Pattern},
};

impl Pattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// The first place that is wrong.
    pub fn parse(json: &Value) -> Result<Self, PatternError> {
        let Value::Object(object) = json else {
            let reason = PatternReason::NotObject { found: kind(json) };
            return Err(PatternError { pointer: String::new(), reason });
        };
        Parser::default().fields(object, 1).map(|root| Self { root })
    }
}

/// Where the parser is, and what it has counted.
#[derive(Default)]
struct Parser {
    pointer: String,
    values: usize,
    bytes: usize,
}

impl Parser {
    fn refuse<T>(&self, reason: PatternReason) -> Result<T, PatternError> {
        Err(PatternError { pointer: self.pointer.clone(), reason })
    }

    /// Does something one step down the pointer.
    fn at<T>(
        &mut self,
        token: &str,
        work: impl FnOnce(&mut Self) -> Result<T, PatternError>,
    ) -> Result<T, PatternError> {
        let length = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
        let result = work(self);
        self.pointer.truncate(length);
        result
    }

    fn count_bytes(&mut self, text: &str) -> Result<(), PatternError> {
        self.bytes += text.len();
        if self.bytes > PATTERN_BYTES_MAX { self.refuse(PatternReason::TooLarge) } else { Ok(()) }
    }

    fn count_value(&mut self) -> Result<(), PatternError> {
        self.values += 1;
        if self.values > PATTERN_VALUES_MAX { self.refuse(PatternReason::TooManyValues) } else { Ok(()) }
    }

    fn fields(&mut self, object: &Map<String, Value>, depth: usize) -> Result<Fields, PatternError> {
        if object.is_empty() {
            return self.refuse(PatternReason::EmptyObject);
        }
        if depth > PATTERN_DEPTH_MAX {
            return self.refuse(PatternReason::TooDeep);
        }
        let mut fields = Vec::with_capacity(object.len());
        for (name, value) in object {
            self.count_bytes(name)?;
            let field = self.at(name, |parser| parser.field(name, value, depth))?;
            fields.push((name.clone(), field));
        }
        Ok(Fields::new(fields))
    }

    fn field(&mut self, name: &str, value: &Value, depth: usize) -> Result<Field, PatternError> {
        match value {
            // An operator of the whole language that stands where a field does.
            _ if name == "$or" => self.refuse(PatternReason::OperatorUnknown { name: name.to_owned() }),
            Value::Object(object) => self.fields(object, depth + 1).map(Field::Nested),
            Value::Array(items) if items.is_empty() => self.refuse(PatternReason::EmptyArray),
            Value::Array(items) => {
                let mut conditions = Vec::with_capacity(items.len().min(PATTERN_VALUES_MAX));
                for (n, item) in items.iter().enumerate() {
                    conditions.push(self.at(&n.to_string(), |parser| parser.condition(item))?);
                }
                Ok(Field::Leaf(conditions))
            }
            bare => {
                let shown = bare.to_string().chars().take(SHOWN_CHARS_MAX).collect();
                self.refuse(PatternReason::NotList { found: kind(bare), shown })
            }
        }
    }

    fn condition(&mut self, item: &Value) -> Result<Condition, PatternError> {
        self.count_value()?;
        match item {
            Value::Array(_) => self.refuse(PatternReason::NestedList),
            Value::Object(operators) => {
                let mut members = operators.iter();
                match (members.next(), members.next()) {
                    (Some((name, operand)), None) => self.at(name, |parser| parser.operator(name, operand)),
                    _ => self.refuse(PatternReason::OperatorCount { count: operators.len() }),
                }
            }
            scalar => self.literal(scalar).map(Condition::Exactly),
        }
    }

    fn literal(&mut self, scalar: &Value) -> Result<Literal, PatternError> {
        match scalar {
            Value::Null => Ok(Literal::Null),
            Value::Bool(value) => Ok(Literal::Boolean(*value)),
            Value::Number(value) => Ok(Literal::Number(Number::of(value))),
            Value::String(value) => self.count_bytes(value).map(|()| Literal::String(value.clone())),
            Value::Array(_) | Value::Object(_) => self.refuse(PatternReason::NestedList),
        }
    }

    fn operator(&mut self, name: &str, operand: &Value) -> Result<Condition, PatternError> {
        match name {
            "prefix" => self.text("prefix", operand).map(Condition::Prefix),
            "suffix" => self.text("suffix", operand).map(Condition::Suffix),
            "anything-but" => self.anything_but(operand).map(Condition::AnythingBut),
            "exists" => match operand {
                Value::Bool(wanted) => Ok(Condition::Exists(*wanted)),
                other => self.operand("exists", "true or false", other),
            },
            "numeric" => self.numeric(operand),
            unknown => {
                let name = unknown.chars().take(SHOWN_CHARS_MAX).collect();
                self.refuse(PatternReason::OperatorUnknown { name })
            }
        }
    }

    fn operand<T>(&self, operator: &'static str, wanted: &'static str, found: &Value) -> Result<T, PatternError> {
        self.refuse(PatternReason::Operand { operator, wanted, found: kind(found) })
    }

    fn text(&mut self, operator: &'static str, operand: &Value) -> Result<String, PatternError> {
        match operand {
            Value::String(text) => self.count_bytes(text).map(|()| text.clone()),
            other => self.operand(operator, "a string", other),
        }
    }

    fn anything_but(&mut self, operand: &Value) -> Result<Vec<Literal>, PatternError> {
        let wanted = "a string, a number, or a list of only strings or only numbers";
        match operand {
            Value::String(_) | Value::Number(_) => self.literal(operand).map(|literal| vec![literal]),
            Value::Array(items) if items.is_empty() => self.refuse(PatternReason::EmptyArray),
            Value::Array(items) => {
                let numbers = items.first().is_some_and(Value::is_number);
                let mut unwanted = Vec::with_capacity(items.len().min(PATTERN_VALUES_MAX));
                for (n, item) in items.iter().enumerate() {
                    let literal = self.at(&n.to_string(), |parser| {
                        parser.count_value()?;
                        let fits = if numbers { item.is_number() } else { item.is_string() };
                        if fits { parser.literal(item) } else { parser.operand("anything-but", wanted, item) }
                    })?;
                    unwanted.push(literal);
                }
                Ok(unwanted)
            }
            other => self.operand("anything-but", wanted, other),
        }
    }

    fn numeric(&mut self, operand: &Value) -> Result<Condition, PatternError> {
        let Value::Array(terms) = operand else {
            return self.operand("numeric", "a list, such as [\">\", 0, \"<=\", 5]", operand);
        };
        match terms.as_slice() {
            [Value::String(sign), Value::Number(number)] => {
                let number = Number::of(number);
                let inclusive = sign.ends_with('=');
                match sign.as_str() {
                    "=" => Ok(Condition::Exactly(Literal::Number(number))),
                    ">" | ">=" => Ok(Condition::Numeric(Range { lower: Some(End { number, inclusive }), upper: None })),
                    "<" | "<=" => Ok(Condition::Numeric(Range { lower: None, upper: Some(End { number, inclusive }) })),
                    _ => self.refuse(PatternReason::NumericShape),
                }
            }
            [Value::String(above), Value::Number(lower), Value::String(below), Value::Number(upper)]
                if matches!(above.as_str(), ">" | ">=") && matches!(below.as_str(), "<" | "<=") =>
            {
                let lower = End { number: Number::of(lower), inclusive: above.ends_with('=') };
                let upper = End { number: Number::of(upper), inclusive: below.ends_with('=') };
                if !lower.number.is_below(&upper.number) {
                    return self.refuse(PatternReason::NumericRange);
                }
                Ok(Condition::Numeric(Range { lower: Some(lower), upper: Some(upper) }))
            }
            _ => self.refuse(PatternReason::NumericShape),
        }
    }
}

/// A JSON value's kind, as a person says it.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
