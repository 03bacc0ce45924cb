//! Waiting for something that says nothing when it happens: asking again and again, until a deadline.
//!
//! Invariant: every wait of this program ends, with what was waited for in the error.
//!
//! It does not wait for other programs to end: [`crate::host`] and [`crate::guests`] do.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::interrupt::Interrupt;

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(20);

/// Asks until there is an answer, for at most `time`; `what` completes "gave up waiting for".
pub fn until<T>(
    what: &str,
    time: Duration,
    interrupt: &Interrupt,
    mut ask: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        interrupt.check()?;
        if start.elapsed() > time {
            bail!("gave up waiting for {what} after {} s", time.as_secs());
        }
        pause(PAUSE);
    }
}

/// Does nothing for a while.
#[allow(
    clippy::disallowed_methods,
    reason = "the rule is for the host; here a thread of its own waits for another process"
)]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_asks_until_there_is_an_answer() {
        let mut asked = 0;
        let answer = until("three", Duration::from_secs(10), &Interrupt::never(), || {
            asked += 1;
            Ok((asked == 3).then_some(asked))
        });
        assert_eq!(answer.unwrap(), 3);
    }

    #[test]
    fn it_gives_up_and_says_on_what() {
        let error = until::<()>("the tide", Duration::ZERO, &Interrupt::never(), || Ok(None)).unwrap_err();
        assert_eq!(error.to_string(), "gave up waiting for the tide after 0 s");
    }
}
