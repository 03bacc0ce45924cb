//! Fails as it is told, to show how the host retries and dead-letters: the first attempt of every tenth event asks for a retry,
//! and every attempt of every fiftieth does.
//!
//! Invariant: how an attempt ends depends on the event's id, the attempt's number and the config, and on nothing else.
//!
//! It does not look at the payload.
//!
//! Config: `retry_every` = 10, `fail_every` = 50 (0 = never), `after_ms` = 50. An event's number is in its id: `gh-<number>`,
//! or `gh-<number>-<round>`. Events with other ids succeed.

use std::time::Duration;

use wharf::{Context, Event, Failure, Outcome};

#[wharf::handler]
fn fail_at_times(event: Event<Vec<u8>>, cx: &Context) -> Outcome {
    let retry_every = cx.config_as("retry_every")?.unwrap_or(10);
    let fail_every = cx.config_as("fail_every")?.unwrap_or(50);
    let after = Duration::from_millis(cx.config_as("after_ms")?.unwrap_or(50));
    match complaint(&event.id, cx.attempt(), retry_every, fail_every) {
        Some(reason) => Err(Failure::retry_after(after, reason)),
        None => Ok(()),
    }
}

/// Why this attempt fails, if it does.
fn complaint(id: &str, attempt: u32, retry_every: u64, fail_every: u64) -> Option<String> {
    let number = number(id)?;
    let nth = |every: u64| every != 0 && number.is_multiple_of(every);
    if nth(fail_every) {
        return Some(format!("event {number} always fails"));
    }
    (attempt == 1 && nth(retry_every)).then(|| format!("event {number} fails once"))
}

/// The number in an event's id.
fn number(id: &str) -> Option<u64> {
    let numbers = id.strip_prefix("gh-")?;
    numbers.split('-').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_in_the_id() {
        for (id, expected) in
            [("gh-1", Some(1)), ("gh-320-7", Some(320)), ("gh-", None), ("gh-x", None), ("1", None), ("", None)]
        {
            assert_eq!(number(id), expected, "{id}");
        }
    }

    #[test]
    fn it_fails_as_it_is_told() {
        let once = Some("event 20 fails once");
        let always = Some("event 100 always fails");
        for (id, attempt, retry_every, fail_every, expected) in [
            ("gh-7", 1, 10, 50, None),
            ("gh-20", 1, 10, 50, once),
            ("gh-20-3", 1, 10, 50, once),
            ("gh-20", 2, 10, 50, None),
            ("gh-100", 1, 10, 50, always),
            ("gh-100", 3, 10, 50, always),
            ("gh-100", 1, 0, 0, None),
            ("other", 1, 1, 1, None),
        ] {
            assert_eq!(complaint(id, attempt, retry_every, fail_every).as_deref(), expected, "{id}, attempt {attempt}");
        }
    }

    #[test]
    fn a_round_of_329_events_with_three_attempts_makes_38_retries_and_6_dead_letters() {
        let (mut retries, mut dead_letters) = (0, 0);
        for line in 1..=329 {
            let failures =
                (1..=3).take_while(|&attempt| complaint(&format!("gh-{line}"), attempt, 10, 50).is_some()).count();
            retries += failures.min(2);
            dead_letters += usize::from(failures == 3);
        }
        assert_eq!((retries, dead_letters), (38, 6));
    }
}
