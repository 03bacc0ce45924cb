//! From JSON to the conditions of one field's list. Invariant: as for fields, each mistake is noted where it stands.

use crate::{
    address::{Address, Block},
    condition::{Condition, End, Range, Unwanted},
    document::Json,
    error::PatternReason,
    fold::Folded,
    number::Number,
    parse::{Noted, Parser, shown},
    wildcard::{Wildcard, WildcardFault},
};

/// What `anything-but` takes, as its errors say it.
const UNWANTED: &str = "a string, a number, a list of only strings or only numbers, or one of prefix, suffix, equals-ignore-case and wildcard";

impl Parser {
    pub(crate) fn condition(&mut self, item: &Json) -> Noted<Condition> {
        self.count_value()?;
        match item {
            Json::List(_) => self.refuse(PatternReason::NestedList),
            Json::Object(members) => match members.as_slice() {
                [(name, operand)] => self.at(name, |parser| parser.operator(name, operand)),
                _ => self.refuse(PatternReason::OperatorCount { count: members.len() }),
            },
            Json::Null => Some(Condition::Null),
            Json::Boolean(value) => Some(Condition::Boolean(*value)),
            Json::Number(text) => Some(Condition::Number(Number::of(text).into())),
            Json::Text(text) => self.count_bytes(text).map(|()| match Address::of(text.as_bytes()) {
                Some(address) => Condition::Address((text.clone(), address).into()),
                None => Condition::Text(text.clone()),
            }),
        }
    }

    fn operator(&mut self, name: &str, operand: &Json) -> Noted<Condition> {
        match name {
            "exactly" => self.text("exactly", operand).map(|text| Condition::Exactly(text.into())),
            "prefix" => self.affix(
                "prefix",
                operand,
                |text| Condition::Prefix(text.into()),
                |folded| Condition::PrefixFolded(folded.into()),
            ),
            "suffix" => self.affix(
                "suffix",
                operand,
                |text| Condition::Suffix(text.into()),
                |folded| Condition::SuffixFolded(folded.into()),
            ),
            "equals-ignore-case" => {
                self.text("equals-ignore-case", operand).map(|text| Condition::Folded(Folded::new(text).into()))
            }
            "wildcard" => self.wildcard(operand).map(|wildcard| Condition::Wildcard(wildcard.into())),
            "anything-but" => self.anything_but(operand).map(|unwanted| Condition::AnythingBut(unwanted.into())),
            "numeric" => self.numeric(operand),
            "cidr" => {
                let text = self.text("cidr", operand)?;
                match Block::of(text) {
                    Some(block) => Some(Condition::Cidr((text.into(), block).into())),
                    None => self.refuse(PatternReason::Cidr),
                }
            }
            "exists" => match operand {
                Json::Boolean(wanted) => Some(Condition::Exists(*wanted)),
                other => self.operand("exists", "true or false", other),
            },
            unknown => self.refuse(PatternReason::OperatorUnknown { name: shown(unknown) }),
        }
    }

    fn operand<T>(&mut self, operator: &'static str, wanted: &'static str, found: &Json) -> Noted<T> {
        self.refuse(PatternReason::Operand { operator, wanted, found: found.kind() })
    }

    fn text<'a>(&mut self, operator: &'static str, operand: &'a Json) -> Noted<&'a str> {
        match operand {
            Json::Text(text) => self.count_bytes(text).map(|()| &**text),
            other => self.operand(operator, "a string", other),
        }
    }

    /// `prefix` and `suffix`: a string, or one whose case does not count.
    fn affix(
        &mut self,
        operator: &'static str,
        operand: &Json,
        plain: impl FnOnce(&str) -> Condition,
        folded: impl FnOnce(Folded) -> Condition,
    ) -> Noted<Condition> {
        let wanted = "a string or {\"equals-ignore-case\": \"...\"}";
        match operand {
            Json::Text(text) => self.count_bytes(text).map(|()| plain(text)),
            Json::Object(members) => match members.as_slice() {
                [(name, operand)] if **name == *"equals-ignore-case" => {
                    let text = self.at(name, |parser| parser.text("equals-ignore-case", operand))?;
                    Some(folded(Folded::new(text)))
                }
                [(name, _)] => {
                    self.refuse(PatternReason::OperatorWithin { outer: operator, name: shown(name), wanted })
                }
                _ => self.refuse(PatternReason::OperatorCount { count: members.len() }),
            },
            other => self.operand(operator, wanted, other),
        }
    }

    fn wildcard(&mut self, operand: &Json) -> Noted<Wildcard> {
        let text = self.text("wildcard", operand)?;
        match Wildcard::new(text) {
            Ok(wildcard) => Some(wildcard),
            Err(WildcardFault::Doubled) => self.refuse(PatternReason::WildcardDoubled),
            Err(WildcardFault::Escape) => self.refuse(PatternReason::WildcardEscape),
            Err(WildcardFault::Complex(complexity)) => self.refuse(PatternReason::WildcardComplex { complexity }),
        }
    }

    fn anything_but(&mut self, operand: &Json) -> Noted<Unwanted> {
        match operand {
            Json::Object(members) => match members.as_slice() {
                [(name, operand)] => self.at(name, |parser| parser.anything_but_operator(name, operand)),
                _ => self.refuse(PatternReason::OperatorCount { count: members.len() }),
            },
            Json::Number(_) => Some(Unwanted::Numbers([self.compared(operand)?].into())),
            Json::List(items) if items.first().is_some_and(|first| matches!(first, Json::Number(_))) => {
                let mut numbers = self.all("anything-but", operand, Self::compared)?;
                numbers.sort_by_key(|number| number.key);
                Some(Unwanted::Numbers(numbers.into()))
            }
            _ => {
                let mut texts = self.all("anything-but", operand, |parser, item| match item {
                    Json::Text(text) => parser.count_bytes(text).map(|()| text.clone()),
                    other => parser.operand("anything-but", UNWANTED, other),
                })?;
                texts.sort();
                Some(Unwanted::Texts(texts.into()))
            }
        }
    }

    fn anything_but_operator(&mut self, name: &str, operand: &Json) -> Noted<Unwanted> {
        match name {
            "prefix" => self.affixes("prefix", operand).map(|texts| Unwanted::Prefixes(texts.into())),
            "suffix" => self.affixes("suffix", operand).map(|texts| Unwanted::Suffixes(texts.into())),
            "equals-ignore-case" => {
                let text = |parser: &mut Self, item: &Json| parser.text("equals-ignore-case", item).map(Folded::new);
                self.all("equals-ignore-case", operand, text).map(|texts| Unwanted::Folded(texts.into()))
            }
            "wildcard" => self.all("wildcard", operand, Self::wildcard).map(|all| Unwanted::Wildcards(all.into())),
            _ => {
                let (outer, wanted) = ("anything-but", "prefix, suffix, equals-ignore-case or wildcard");
                self.refuse(PatternReason::OperatorWithin { outer, name: shown(name), wanted })
            }
        }
    }

    fn affixes(&mut self, operator: &'static str, operand: &Json) -> Noted<Vec<Box<str>>> {
        self.all(operator, operand, |parser, item| match parser.text(operator, item)? {
            "" => parser.refuse(PatternReason::EmptyAffix { operator }),
            text => Some(text.into()),
        })
    }

    /// One operand, or each of a list of them.
    fn all<T>(
        &mut self,
        operator: &'static str,
        operand: &Json,
        one: impl Fn(&mut Self, &Json) -> Noted<T>,
    ) -> Noted<Vec<T>> {
        match operand {
            Json::List(items) if items.is_empty() => self.refuse(PatternReason::EmptyArray),
            Json::List(items) => {
                let read = items.iter().enumerate().filter_map(|(n, item)| {
                    self.at(&n.to_string(), |parser| {
                        parser.count_value()?;
                        match item {
                            Json::List(_) | Json::Object(_) => {
                                parser.operand(operator, "strings or numbers in a list", item)
                            }
                            item => one(parser, item),
                        }
                    })
                });
                let read: Vec<T> = read.collect();
                (read.len() == items.len()).then_some(read)
            }
            single => one(self, single).map(|single| vec![single]),
        }
    }

    /// A number that is compared by its worth.
    fn compared(&mut self, operand: &Json) -> Noted<Number> {
        match operand {
            Json::Number(text) => match Number::of(text) {
                number if number.key.is_some() => Some(number),
                _ => self.refuse(PatternReason::NumberDigits),
            },
            other => self.operand("anything-but", UNWANTED, other),
        }
    }

    fn numeric(&mut self, operand: &Json) -> Noted<Condition> {
        let Json::List(terms) = operand else {
            return self.operand("numeric", "a list, such as [\">\", 0, \"<=\", 5]", operand);
        };
        match terms.as_slice() {
            [Json::Text(sign), number @ Json::Number(_)] => {
                let inclusive = sign.ends_with('=');
                if !matches!(&**sign, "=" | ">" | ">=" | "<" | "<=") {
                    return self.refuse(PatternReason::NumericShape);
                }
                let number = self.at("1", |parser| parser.compared(number))?;
                Some(match &**sign {
                    "=" => Condition::Number(number.into()),
                    ">" | ">=" => Condition::Numeric(Range::new(Some(End { number, inclusive }), None).into()),
                    _ => Condition::Numeric(Range::new(None, Some(End { number, inclusive })).into()),
                })
            }
            [Json::Text(above), lower @ Json::Number(_), Json::Text(below), upper @ Json::Number(_)]
                if matches!(&**above, ">" | ">=") && matches!(&**below, "<" | "<=") =>
            {
                let lower = self.at("1", |parser| parser.compared(lower));
                let upper = self.at("3", |parser| parser.compared(upper));
                let lower = End { number: lower?, inclusive: above.ends_with('=') };
                let upper = End { number: upper?, inclusive: below.ends_with('=') };
                if lower.number.key >= upper.number.key {
                    return self.refuse(PatternReason::NumericRange);
                }
                Some(Condition::Numeric(Range::new(Some(lower), Some(upper)).into()))
            }
            _ => self.refuse(PatternReason::NumericShape),
        }
    }
}
