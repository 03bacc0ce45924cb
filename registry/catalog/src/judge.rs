//! What becomes of a canary: it goes on, gets all traffic, or none.
//!
//! Invariant: both releases are judged by first attempts of the same time. A bound that is broken for certain ends the canary at
//! once; when its time is over, one that is broken at all does. A canary that nothing was tried on proves nothing, and goes on.

use crate::{
    Bound, Canary, Condition, Measure, Tally,
    limits::{ATTEMPTS_MIN, QUANTILE_ATTEMPTS_MIN},
};

/// What becomes of a canary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It goes on until its time is over.
    GoesOn,
    /// Its time is over, and too few first attempts were made on it to say anything.
    Waits {
        /// How many are missing.
        missing: u64,
    },
    /// It kept its bounds: it gets all traffic.
    Advances {
        /// Why, in words.
        reason: String,
    },
    /// It broke one: it gets none.
    Aborts {
        /// Why, in words.
        reason: String,
    },
}

/// Judges a canary at frame time `now_ms`, by the first attempts since it began on it and on the stable release; a model's by the questions. `counted`
/// says which of them in the reason.
#[must_use]
pub fn judge(canary: &Canary, on_canary: &Tally, on_stable: &Tally, now_ms: u64, counted: &str) -> Judgement {
    let is_over = canary.for_ms.is_some_and(|ms| now_ms >= canary.since_ms.saturating_add(ms));
    for condition in &canary.abort_on {
        if let Some(found) = broken(*condition, on_canary, on_stable, is_over) {
            let reason = format!("{condition}: {found}, after {} {counted}", on_canary.attempts());
            return Judgement::Aborts { reason };
        }
    }
    if !is_over {
        return Judgement::GoesOn;
    }
    match ATTEMPTS_MIN.checked_sub(on_canary.attempts()) {
        Some(missing) if missing > 0 => Judgement::Waits { missing },
        _ => {
            let (failures, all) = (on_canary.failures(), on_canary.attempts());
            Judgement::Advances { reason: format!("it kept its bounds: {failures} of {all} {counted} failed") }
        }
    }
}

/// What a figure was where it is above its bound, in words.
fn broken(condition: Condition, canary: &Tally, stable: &Tally, is_over: bool) -> Option<String> {
    let Condition { measure, bound } = condition;
    let Some(percent) = measure.percentile() else {
        return broken_rate(bound, canary, stable, is_over);
    };
    let enough = if is_over { ATTEMPTS_MIN } else { QUANTILE_ATTEMPTS_MIN };
    if canary.attempts() < enough {
        return None;
    }
    let found = canary.within_ms(percent)?;
    let (most, of) = match bound {
        Bound::Millis(ms) => (double(ms), String::new()),
        Bound::Times(hundredths) if stable.attempts() >= enough => {
            let base = stable.within_ms(percent)?;
            (base * double(hundredths) / 100.0, format!(" (stable: {base:.1} ms)"))
        }
        Bound::Times(_) | Bound::Percent(_) => return None,
    };
    (found > most).then(|| format!("{} was {found:.1} ms{of}", measure.as_str()))
}

fn broken_rate(bound: Bound, canary: &Tally, stable: &Tally, is_over: bool) -> Option<String> {
    if canary.attempts() < ATTEMPTS_MIN {
        return None;
    }
    let (most, of) = match bound {
        Bound::Percent(hundredths) => (double(hundredths) / 10_000.0, String::new()),
        // What the stable release may well have: that it never failed yet does not say that it cannot.
        Bound::Times(hundredths) if stable.attempts() >= ATTEMPTS_MIN => {
            let base = stable.error_rate_at_most()?;
            (base * double(hundredths) / 100.0, format!(" (stable: {:.2} % at most)", base * 100.0))
        }
        Bound::Times(_) | Bound::Millis(_) => return None,
    };
    // Before its time is over only what is certain counts.
    let found = if is_over { canary.error_rate()? } else { canary.error_rate_at_least()? };
    let seen = canary.error_rate()?;
    (found > most).then(|| format!("{} was {:.2} %{of}", Measure::ErrorRate.as_str(), seen * 100.0))
}

#[allow(clippy::cast_precision_loss, reason = "bounds that people write are fewer than 2^52")]
fn double(number: u64) -> f64 {
    number as f64
}
