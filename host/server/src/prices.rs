//! What it costs that plugins used something: the host's price list, and amounts of money.
//!
//! Invariant: money is whole numbers of 10⁻⁹ of a currency's unit, and never a float. Each figure's cost is rounded to that, half up;
//! what is shown has six decimals. So the cost of a sum may differ from the sum of costs in the last digit shown.

use std::{
    fmt,
    ops::Add,
    str::FromStr,
    sync::{Arc, PoisonError, RwLock},
};

use wharf_delivery::Used;

/// Decimals of an amount.
const DECIMALS: usize = 9;

/// Digits before the point that a price may have.
const DIGITS_MAX: usize = 9;

/// An amount of money, in 10⁻⁹ of a unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money(u128);

impl Money {
    /// What so many cost where a million cost this.
    #[must_use]
    pub fn of_million(self, figure: u64) -> Self {
        // A price is below 10¹⁸, so this is below 2¹²⁸.
        Self(u128::from(figure).saturating_mul(self.0).saturating_add(500_000) / 1_000_000)
    }

    /// In 10⁻⁹ of a unit.
    #[must_use]
    pub const fn billionths(self) -> u128 {
        self.0
    }
}

/// A text that is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no price: write an amount such as \"0.25\", with at most {DIGITS_MAX} digits before and {DECIMALS} after the point"
)]
pub struct NoPrice(String);

impl FromStr for Money {
    type Err = NoPrice;

    fn from_str(text: &str) -> Result<Self, NoPrice> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits =
            |text: &str, max| !text.is_empty() && text.len() <= max && text.bytes().all(|b| b.is_ascii_digit());
        let number = format!("{whole}{part:0<DECIMALS$}");
        match number.parse() {
            Ok(amount) if digits(whole, DIGITS_MAX) && digits(part, DECIMALS) => Ok(Self(amount)),
            _ => Err(NoPrice(text.to_owned())),
        }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millionths = (self.0 + 500) / 1_000;
        write!(f, "{}.{:06}", millionths / 1_000_000, millionths % 1_000_000)
    }
}

impl Add for Money {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// A currency: three capital letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Currency([u8; 3]);

/// A text that is no currency.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no currency: write its three letters, as in EUR")]
pub struct NoCurrency(String);

impl FromStr for Currency {
    type Err = NoCurrency;

    fn from_str(text: &str) -> Result<Self, NoCurrency> {
        match <[u8; 3]>::try_from(text.as_bytes()) {
            Ok(letters) if letters.iter().all(u8::is_ascii_uppercase) => Ok(Self(letters)),
            _ => Err(NoCurrency(text.to_owned())),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|letter| write!(f, "{}", char::from(*letter)))
    }
}

/// What each figure costs. What has no price costs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    /// What all of it is in.
    pub currency: Option<Currency>,
    /// A million attempts.
    pub attempts_million: Money,
    /// An hour of CPU time.
    pub cpu_hour: Money,
    /// A GiB of memory for an hour.
    pub memory_gib_hour: Money,
    /// A GB (10⁹ bytes) that guests are given.
    pub gb_in: Money,
    /// A GB that they give.
    pub gb_out: Money,
    /// A million host calls.
    pub host_calls_million: Money,
}

impl Prices {
    /// What so many attempts cost that used so much; none where nothing has a price.
    #[must_use]
    pub fn cost(&self, attempts: u64, used: &Used) -> Option<Money> {
        const HOUR_NS: u128 = 3_600_000_000_000;
        /// A GiB for an hour in KiB times microseconds.
        const GIB_HOUR: u128 = (1 << 20) * 3_600_000_000;
        if *self == (Self { currency: self.currency, ..Self::default() }) {
            return None;
        }
        let parts = [
            (attempts, self.attempts_million, 1_000_000),
            (used.cpu_ns, self.cpu_hour, HOUR_NS),
            (used.memory_kib_us, self.memory_gib_hour, GIB_HOUR),
            (used.bytes_in, self.gb_in, 1_000_000_000),
            (used.bytes_out, self.gb_out, 1_000_000_000),
            (used.host_calls, self.host_calls_million, 1_000_000),
        ];
        let part = |(figure, Money(price), of): (u64, Money, u128)| {
            // A price is below 10¹⁸, so this is below 2¹²⁸.
            Money((u128::from(figure).saturating_mul(price).saturating_add(of / 2)) / of)
        };
        Some(parts.map(part).into_iter().fold(Money::default(), Add::add))
    }
}

/// The price list in force, which a reload replaces.
#[derive(Clone, Debug, Default)]
pub struct PriceList(Arc<RwLock<Prices>>);

impl PriceList {
    /// The prices now.
    #[must_use]
    pub fn now(&self) -> Prices {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on these.
    pub fn set(&self, prices: Prices) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = prices;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        text.parse().unwrap()
    }

    #[test]
    fn an_amount_is_digits_and_shown_with_six_decimals() {
        let cases = [
            ("0.20", Some("0.200000")),
            ("12", Some("12.000000")),
            ("0.000000500", Some("0.000001")),
            ("0.000000499", Some("0.000000")),
            ("999999999.999999999", Some("1000000000.000000")),
            ("1000000000", None),
            ("0.0000000001", None),
            ("", None),
            (".5", None),
            ("5.", None),
            ("-1", None),
            ("+1", None),
            ("1e3", None),
            ("1,5", None),
        ];
        for (text, shown) in cases {
            assert_eq!(text.parse::<Money>().ok().map(|money| money.to_string()).as_deref(), shown, "{text}");
        }
    }

    #[test]
    fn each_figure_has_its_price_and_all_of_them_add_up() {
        let (hour, gib_hour) = (3_600_000_000_000, (1 << 20) * 3_600_000_000);
        let used = |cpu_ns, memory_kib_us, bytes_in, bytes_out, host_calls| Used {
            cpu_ns,
            memory_kib_us,
            bytes_in,
            bytes_out,
            host_calls,
        };
        let prices = Prices {
            currency: None,
            attempts_million: money("0.2"),
            cpu_hour: money("0.05"),
            memory_gib_hour: money("0.01"),
            gb_in: money("0.001"),
            gb_out: money("0.09"),
            host_calls_million: money("0.4"),
        };
        let cases = [
            (0, used(0, 0, 0, 0, 0), "0"),
            (5_000_000, used(0, 0, 0, 0, 0), "1"),
            (0, used(2 * hour, 0, 0, 0, 0), "0.1"),
            (0, used(0, gib_hour / 2, 0, 0, 0), "0.005"),
            (0, used(0, 0, 3_000_000_000, 0, 0), "0.003"),
            (0, used(0, 0, 0, 1_000_000, 0), "0.00009"),
            (0, used(0, 0, 0, 0, 1), "0.0000004"),
            (1, used(hour, gib_hour, 1, 1, 1), "0.0600006"),
            // A tenth of 10⁻⁹ is nothing, a half is one.
            (0, used(0, 0, 100, 0, 0), "0"),
            (0, used(0, 0, 500, 0, 0), "0.000000001"),
        ];
        for (attempts, used, cost) in cases {
            assert_eq!(prices.cost(attempts, &used), Some(money(cost)), "{attempts} {used:?}");
        }
        let most = used(u64::MAX, u64::MAX, u64::MAX, u64::MAX, u64::MAX);
        assert!(prices.cost(u64::MAX, &most) > prices.cost(u64::MAX / 2, &most));
    }

    #[test]
    fn without_prices_nothing_has_a_cost() {
        let named = Prices { currency: "EUR".parse().ok(), ..Prices::default() };
        assert_eq!(named.cost(1, &Used::default()), None);
        assert_eq!(named.currency.map(|currency| currency.to_string()).as_deref(), Some("EUR"));
        for text in ["", "EURO", "eur", "E€"] {
            assert!(text.parse::<Currency>().is_err(), "{text}");
        }
    }
}
