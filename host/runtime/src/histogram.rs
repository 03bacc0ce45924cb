//! A histogram of fixed bounds: recording a value is two atomic additions.
//!
//! Invariant: nothing locks, allocates or fails while a value is recorded. It keeps no quantiles: whoever reads the buckets has them.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bounds for times, in microseconds: 50 us to 30 s.
pub const TIMES_US: &[u64] = &[
    50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000,
    5_000_000, 10_000_000, 30_000_000,
];

/// Bounds for how many things came together.
pub const COUNTS: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096];

/// What was recorded so far.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One more than there are bounds: the last counts what lies beyond them.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// A histogram as it was at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// The upper bounds of the buckets, each included; beyond the last is one bucket more.
    pub bounds: &'static [u64],
    /// Values in each bucket, one more than there are bounds.
    pub counts: Vec<u64>,
    /// The sum of all values.
    pub sum: u64,
}

impl Histogram {
    /// One of these upper bounds, each included.
    #[must_use]
    pub fn new(bounds: &'static [u64]) -> Self {
        Self { bounds, counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(), sum: AtomicU64::new(0) }
    }

    /// Counts a value.
    pub fn record(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// What was recorded. A value that is recorded meanwhile may be in the counts and not yet in the sum.
    #[must_use]
    pub fn read(&self) -> Distribution {
        let sum = self.sum.load(Ordering::Relaxed);
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        Distribution { bounds: self.bounds, counts, sum }
    }
}

impl Distribution {
    /// Adds what another one of the same bounds holds.
    ///
    /// # Panics
    /// When the bounds are others: that is a defect of the caller.
    pub fn add(&mut self, other: &Self) {
        assert_eq!(self.bounds, other.bounds, "only histograms of the same bounds are added");
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.sum += other.sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_is_in_its_bucket_and_one_beyond_all_in_the_last() {
        let histogram = Histogram::new(&[1, 4]);
        [0, 1, 2, 4, 5, 900].into_iter().for_each(|value| histogram.record(value));
        let mut read = histogram.read();
        assert_eq!(read, Distribution { bounds: &[1, 4], counts: vec![2, 2, 2], sum: 912 });
        read.add(&histogram.read());
        assert_eq!((read.counts, read.sum), (vec![4, 4, 4], 1_824));
    }
}
