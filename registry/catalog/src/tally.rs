//! What came of a release's first attempts since some time. Retries are not among them: a release is not to be judged by what
//! another one left behind.

use hdrhistogram::Histogram;

/// The longest time that is told apart, in microseconds: an hour.
const LONGEST_US: u64 = 3_600_000_000;

/// Counts of first attempts and their times.
#[derive(Clone, Debug)]
pub struct Tally {
    attempts: u64,
    failures: u64,
    times: Option<Histogram<u32>>,
}

impl Default for Tally {
    fn default() -> Self {
        // Two digits: 1 % of a time decides nothing here. The bounds are constants that the histogram takes.
        Self { attempts: 0, failures: 0, times: Histogram::new_with_bounds(1, LONGEST_US, 2).ok() }
    }
}

impl Tally {
    /// Counts a first attempt.
    pub fn count(&mut self, failed: bool, duration_us: u64) {
        self.attempts += 1;
        self.failures += u64::from(failed);
        if let Some(times) = &mut self.times {
            times.saturating_record(duration_us.clamp(1, LONGEST_US));
        }
    }

    /// First attempts.
    #[must_use]
    pub fn attempts(&self) -> u64 {
        self.attempts
    }

    /// Those that failed.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// The part of them that failed; none where there was no attempt.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "attempts are fewer than 2^52")]
    pub fn error_rate(&self) -> Option<f64> {
        (self.attempts > 0).then(|| self.failures as f64 / self.attempts as f64)
    }

    /// The rate that the true one is above with a certainty of 99.5 % (Wilson's interval): what a few failures among few attempts
    /// prove is less than what they look like, and it is looked at many times.
    #[must_use]
    pub fn error_rate_at_least(&self) -> Option<f64> {
        self.interval().map(|(low, _)| low)
    }

    /// The rate that the true one is below with the same certainty.
    #[must_use]
    pub fn error_rate_at_most(&self) -> Option<f64> {
        self.interval().map(|(_, high)| high)
    }

    #[allow(clippy::cast_precision_loss, reason = "attempts are fewer than 2^52")]
    fn interval(&self) -> Option<(f64, f64)> {
        const Z: f64 = 2.576;
        let (n, p) = (self.attempts as f64, self.error_rate()?);
        let (middle, whole) = (p + Z * Z / (2.0 * n), 1.0 + Z * Z / n);
        let spread = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        Some((((middle - spread) / whole).max(0.0), ((middle + spread) / whole).min(1.0)))
    }

    /// The time within which so many percent of the attempts ended, in milliseconds; none where there was no attempt.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "an hour in microseconds is fewer than 2^52")]
    pub fn within_ms(&self, percent: f64) -> Option<f64> {
        let times = self.times.as_ref().filter(|_| self.attempts > 0)?;
        Some(times.value_at_percentile(percent) as f64 / 1_000.0)
    }
}
