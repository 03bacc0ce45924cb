//! JSON numbers, compared by what they are worth: 300 = 300.0 = 3e2. Invariant: whole numbers of 64 bits compare exactly,
//! not after rounding to a double. Fractions are doubles, as JSON parsers read them.

use std::{cmp::Ordering, fmt};

/// A number of a pattern or an event.
#[derive(Clone, Debug)]
pub(crate) struct Number {
    shown: serde_json::Number,
    worth: Worth,
}

#[derive(Clone, Copy, Debug)]
enum Worth {
    Whole(i128),
    Double(f64),
}

impl Number {
    pub(crate) fn of(number: &serde_json::Number) -> Self {
        Self { shown: number.clone(), worth: Worth::of(number) }
    }

    /// Compares a number of an event with this one.
    pub(crate) fn compare(found: &serde_json::Number, wanted: &Self) -> Ordering {
        Worth::of(found).compare(wanted.worth)
    }

    pub(crate) fn is_below(&self, other: &Self) -> bool {
        self.worth.compare(other.worth).is_lt()
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.worth.compare(other.worth).is_eq()
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown.fmt(f)
    }
}

impl Worth {
    fn of(number: &serde_json::Number) -> Self {
        if let Some(whole) = number.as_i128() {
            return Self::Whole(whole);
        }
        // A JSON number that is no 64-bit integer is a finite double.
        let double = number.as_f64().unwrap_or_default();
        // Doubles without a fraction convert exactly below 2^100; beyond that no 64-bit integer is near.
        if double.fract() == 0.0 && double.abs() < 2f64.powi(100) {
            Self::Whole(double as i128)
        } else {
            Self::Double(double)
        }
    }

    fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => a.cmp(&b),
            // A double that is left has a fraction, so it is below 2^53, or it is beyond all integers: rounding the
            // integer cannot change the order.
            (a, b) => a.double().total_cmp(&b.double()),
        }
    }

    fn double(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Double(double) => double,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_by_worth() {
        let cases = [
            ("300", "300.0", Ordering::Equal),
            ("300", "3e2", Ordering::Equal),
            ("0", "-0.0", Ordering::Equal),
            ("0.1", "0.10", Ordering::Equal),
            ("9007199254740993", "9007199254740992", Ordering::Greater),
            ("9007199254740993", "9007199254740992.0", Ordering::Greater),
            ("18446744073709551615", "18446744073709551616.0", Ordering::Less),
            ("18446744073709551615", "1e300", Ordering::Less),
            ("-9223372036854775808", "-1e300", Ordering::Greater),
            ("1", "1.5", Ordering::Less),
            ("-1", "-1.5", Ordering::Greater),
        ];
        for (a, b, wanted) in cases {
            let read = |text: &str| serde_json::from_str::<serde_json::Number>(text).unwrap();
            assert_eq!(Number::compare(&read(a), &Number::of(&read(b))), wanted, "{a} against {b}");
            assert_eq!(Number::compare(&read(b), &Number::of(&read(a))), wanted.reverse(), "{b} against {a}");
        }
    }
}
