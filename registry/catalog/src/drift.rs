//! How far what a model is asked about now is from what it was trained with: the population stability index (PSI) and the distance of Kolmogorov and
//! Smirnov (KS) of each column of its inputs, against a baseline.
//!
//! Invariant: everything here is a pure value, and bounded. Of the rows of a baseline 101 quantiles of each column are kept, and of the values of a window
//! how many lie at and between which of these; so a distance is that of all numbers to about one in a hundred. All are held against each other in
//! single precision, in which most models take them: what is one number there is one here, however many digits the file of the baseline gives.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::limits::{
    BASELINE_COLUMNS_MAX, BASELINE_NAME_CHARS_MAX, BASELINE_ROWS_MIN, QUANTILES, SAMPLE_MIN, WINDOW_ROWS_MAX,
    WINDOW_ROWS_MIN,
};

/// Parts that the baseline is cut into for the PSI.
const PARTS: usize = 10;

/// The least share that a part counts with, so that one that is empty is a large number and no infinite one.
const FLOOR: f64 = 0.0001;

/// What the inputs of a model were like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Rows that it was made of.
    pub rows: u64,
    /// Rows that are held against it together.
    pub window: u32,
    /// A column with a larger PSI drifted.
    pub psi: f64,
    /// A column with a larger KS drifted.
    pub ks: f64,
    /// The columns of each input, in the order of the tensor's last direction.
    pub inputs: BTreeMap<String, Vec<BaselineColumn>>,
}

/// What a column was like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineColumn {
    /// What people call it.
    pub name: String,
    /// Its least value, the one that a hundredth of the rows is not above, and so on to its largest.
    pub quantiles: Vec<f64>,
}

/// Why something is no baseline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaselineError {
    /// A number out of its bounds.
    #[error("`{name}` is at least {least} and at most {most}")]
    Range {
        /// What it is called.
        name: &'static str,
        /// Its least value.
        least: String,
        /// Its largest value.
        most: String,
    },
    /// No columns, or too many.
    #[error("a baseline has at least one column and at most {BASELINE_COLUMNS_MAX}")]
    Columns,
    /// A name that is none.
    #[error(
        "the name of an input or a column has at most {BASELINE_NAME_CHARS_MAX} characters, and none that controls a terminal"
    )]
    Name,
    /// Not as many quantiles as there are, or not in order.
    #[error(
        "column `{0}` needs {QUANTILES} quantiles, from the least value to the largest, none of them below the one before it"
    )]
    Quantiles(String),
}

impl Baseline {
    /// Whether it is one.
    ///
    /// # Errors
    /// When a number is out of its bounds, or a column is none.
    pub fn check(&self) -> Result<(), BaselineError> {
        within("rows", self.rows, BASELINE_ROWS_MIN, 1 << 53)?;
        within("window", self.window, WINDOW_ROWS_MIN, WINDOW_ROWS_MAX)?;
        within("psi", self.psi, 0.01, 10.0)?;
        within("ks", self.ks, 0.01, 1.0)?;
        let columns: usize = self.inputs.values().map(Vec::len).sum();
        if columns == 0 || columns > BASELINE_COLUMNS_MAX || self.inputs.values().any(Vec::is_empty) {
            return Err(BaselineError::Columns);
        }
        let is_name =
            |name: &str| name.chars().count() <= BASELINE_NAME_CHARS_MAX && !name.chars().any(char::is_control);
        let mut names = self.inputs.keys().chain(self.inputs.values().flatten().map(|column| &column.name));
        if !names.all(|name| is_name(name)) {
            return Err(BaselineError::Name);
        }
        let in_order = |column: &BaselineColumn| {
            column.quantiles.len() == QUANTILES
                && column.quantiles.iter().all(|value| value.is_finite())
                && column.quantiles.is_sorted()
        };
        match self.inputs.values().flatten().find(|column| !in_order(column)) {
            Some(column) => Err(BaselineError::Quantiles(column.name.clone())),
            None => Ok(()),
        }
    }
}

fn within<T: PartialOrd + ToString>(name: &'static str, value: T, least: T, most: T) -> Result<(), BaselineError> {
    if least <= value && value <= most {
        return Ok(());
    }
    Err(BaselineError::Range { name, least: least.to_string(), most: most.to_string() })
}

/// The quantiles of values that are numbers, each of them one of the values; none where there is no value.
#[must_use]
pub fn quantiles(mut values: Vec<f64>) -> Option<Vec<f64>> {
    values.retain(|value| value.is_finite());
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let steps = QUANTILES - 1;
    (0..QUANTILES).map(|at| values.get((at * last + steps / 2) / steps).copied()).collect()
}

/// Where the values of a column lie.
#[derive(Clone, Debug, PartialEq)]
struct Scale {
    /// The quantiles, each value once.
    points: Vec<f32>,
    /// The share of the baseline that is below each.
    below: Vec<f64>,
    /// The share of the baseline that is not above each.
    shares: Vec<f64>,
    /// Which of the points are bounds of the parts for the PSI.
    bounds: Vec<usize>,
}

impl Scale {
    fn of(quantiles: &[f64]) -> Self {
        let (mut points, mut below, mut shares) = (Vec::<f32>::new(), Vec::<f64>::new(), Vec::<f64>::new());
        let (mut bounds, steps) = (Vec::<usize>::new(), QUANTILES - 1);
        for (at, value) in quantiles.iter().map(|value| *value as f32).enumerate() {
            let share = at as f64 / steps as f64;
            match (points.last() == Some(&value), shares.last_mut()) {
                (true, Some(last)) => *last = share,
                _ => {
                    points.push(value);
                    below.push(share);
                    shares.push(share);
                }
            }
            let point = points.len() - 1;
            if at % (steps / PARTS) == 0 && 0 < at && at < steps && bounds.last() != Some(&point) {
                bounds.push(point);
            }
        }
        // Nothing of the baseline is above the largest.
        bounds.retain(|point| point + 1 < points.len());
        Self { points, below, shares, bounds }
    }

    /// The place of a value: 0 below the first point, 1 at it, 2 between it and the second, and so on; none of what is no number.
    fn place(&self, value: f64) -> Option<u8> {
        let value = value as f32;
        let point = self.points.partition_point(|point| *point < value);
        let at = usize::from(self.points.get(point) == Some(&value));
        (!value.is_nan()).then(|| u8::try_from(2 * point + at).ok()).flatten()
    }

    /// How many places there are.
    fn places(&self) -> usize {
        2 * self.points.len() + 1
    }

    /// PSI and KS of counts by place.
    fn distances(&self, counts: &[u32]) -> Option<(f64, f64)> {
        let all: f64 = counts.iter().copied().map(f64::from).sum();
        if all < f64::from(SAMPLE_MIN) {
            return None;
        }
        let mut so_far = 0.0;
        let cumulated: Vec<f64> = counts
            .iter()
            .map(|count| {
                so_far += f64::from(*count);
                so_far / all
            })
            .collect();
        // The share of the window that is below each point, and that which is not above it: each a step of what is held against it.
        let (steps, _) = cumulated.as_chunks::<2>();
        let then = self.below.iter().zip(&self.shares);
        let apart = steps.iter().zip(then).map(|([below, not_above], then)| {
            let (was_below, was_not_above) = then;
            (below - was_below).abs().max((not_above - was_not_above).abs())
        });
        let ks = apart.fold(0.0, f64::max);
        let not_above = |point: &usize| steps.get(*point).map(|[_, not_above]| not_above);
        let ends = self.bounds.iter().map(|point| (not_above(point), self.shares.get(*point)));
        let (mut psi, mut from) = (0.0, (0.0, 0.0));
        for to in ends.map(|(now, then)| now.copied().zip(then.copied())).chain([Some((1.0, 1.0))]) {
            let to = to?;
            let (now, then) = ((to.0 - from.0).max(FLOOR), (to.1 - from.1).max(FLOOR));
            psi += (now - then) * (now / then).ln();
            from = to;
        }
        Some((psi, ks))
    }
}

/// A baseline, ready to be held against.
#[derive(Clone, Debug, PartialEq)]
pub struct Scales {
    baseline: Baseline,
    /// Of all columns, in the order of the baseline's inputs.
    all: Vec<Scale>,
}

/// Where the values of a question lie: of each its column and its place there; none of what is no number. It is held as long as a question waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen(Vec<(u8, Option<u8>)>);

impl Seen {
    /// How many values were looked at.
    #[must_use]
    pub fn values(&self) -> usize {
        self.0.len()
    }
}

impl Scales {
    /// Of a baseline that was checked.
    #[must_use]
    pub fn new(baseline: Baseline) -> Self {
        let all = baseline.inputs.values().flatten().map(|column| Scale::of(&column.quantiles)).collect();
        Self { baseline, all }
    }

    /// The baseline.
    #[must_use]
    pub fn baseline(&self) -> &Baseline {
        &self.baseline
    }

    /// How many columns the baseline has of an input; none where it does not have that. Its name may be empty where the baseline has one only.
    #[must_use]
    pub fn columns(&self, input: &str) -> Option<usize> {
        Some(self.place_of(input)?.1)
    }

    /// The first of the columns of an input among all, and how many it has.
    fn place_of(&self, input: &str) -> Option<(usize, usize)> {
        let mut first = 0;
        self.baseline.inputs.iter().find_map(|(name, columns)| {
            let at = first;
            first += columns.len();
            (name == input || (input.is_empty() && self.baseline.inputs.len() == 1)).then_some((at, columns.len()))
        })
    }

    /// Looks at the values of an input, row by row. False where it has another number of columns; an input that the baseline does not have is left.
    pub fn look(&self, input: &str, width: usize, values: impl Iterator<Item = f64>, seen: &mut Seen) -> bool {
        let Some((first, columns)) = self.place_of(input) else { return true };
        if columns != width {
            return false;
        }
        let places = values.enumerate().filter_map(|(at, value)| {
            let column = first + at % columns;
            Some((u8::try_from(column).ok()?, self.all.get(column)?.place(value)))
        });
        seen.0.extend(places);
        true
    }
}

/// What the columns of a window came to.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnDrift {
    /// Of which input.
    pub input: String,
    /// Which column.
    pub column: String,
    /// PSI and KS; none where too few values were numbers.
    pub distances: Option<(f64, f64)>,
    /// Values that were no numbers.
    pub missing: u32,
    /// Whether one of both is above its bound.
    pub drifted: bool,
}

/// The values of questions that are held against a baseline together.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    counts: Vec<Vec<u32>>,
    missing: Vec<u32>,
}

impl Window {
    /// An empty one.
    #[must_use]
    pub fn new(scales: &Scales) -> Self {
        let counts = scales.all.iter().map(|scale| vec![0; scale.places()]).collect();
        Self { counts, missing: vec![0; scales.all.len()] }
    }

    /// Adds what a question had.
    pub fn add(&mut self, seen: &Seen) {
        for (column, place) in &seen.0 {
            let column = usize::from(*column);
            let count = match place {
                Some(place) => self.counts.get_mut(column).and_then(|counts| counts.get_mut(usize::from(*place))),
                None => self.missing.get_mut(column),
            };
            if let Some(count) = count {
                *count = count.saturating_add(1);
            }
        }
    }

    /// Rows so far: of the column that has most.
    #[must_use]
    pub fn rows(&self) -> u32 {
        let of = |(counts, missing): (&Vec<u32>, &u32)| counts.iter().fold(*missing, |all, n| all.saturating_add(*n));
        self.counts.iter().zip(&self.missing).map(of).max().unwrap_or(0)
    }

    /// How far each column is from the baseline.
    #[must_use]
    pub fn drift(&self, scales: &Scales) -> Vec<ColumnDrift> {
        let Baseline { psi, ks, inputs, .. } = &scales.baseline;
        let columns = inputs.iter().flat_map(|(input, columns)| columns.iter().map(move |column| (input, column)));
        let counted = self.counts.iter().zip(&self.missing);
        let all = columns.zip(&scales.all).zip(counted);
        all.map(|(((input, column), scale), (counts, missing))| {
            let distances = scale.distances(counts);
            let drifted = distances.is_some_and(|(its_psi, its_ks)| its_psi > *psi || its_ks > *ks);
            ColumnDrift { input: input.clone(), column: column.name.clone(), distances, missing: *missing, drifted }
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of [0, 1) that look as if they were drawn.
    fn drawn(seed: u64) -> impl Iterator<Item = f64> {
        let mut state = seed;
        std::iter::repeat_with(move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        })
    }

    fn baseline(values: Vec<f64>) -> Baseline {
        let rows = values.len() as u64;
        let column = BaselineColumn { name: "amount".to_owned(), quantiles: quantiles(values).unwrap() };
        let inputs = BTreeMap::from([("x".to_owned(), vec![column])]);
        Baseline { rows, window: 1_000, psi: 0.2, ks: 0.2, inputs }
    }

    fn held(then: Vec<f64>, now: &[f64]) -> ColumnDrift {
        let baseline = baseline(then);
        baseline.check().unwrap();
        let scales = Scales::new(baseline);
        let (mut window, mut seen) = (Window::new(&scales), Seen::default());
        assert!(scales.look("x", 1, now.iter().copied(), &mut seen));
        window.add(&seen);
        assert_eq!(window.rows() as usize, now.len());
        window.drift(&scales).remove(0)
    }

    fn near(got: f64, wanted: f64, by: f64) {
        assert!((got - wanted).abs() <= by, "{got} is not near {wanted}");
    }

    /// The largest distance of two samples' distributions, as it is defined.
    fn exact_ks(one: &[f64], other: &[f64]) -> f64 {
        let share = |of: &[f64], at: f64| of.iter().filter(|value| **value <= at).count() as f64 / of.len() as f64;
        one.iter().chain(other).map(|at| (share(one, *at) - share(other, *at)).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn drift_of_the_same_numbers_is_next_to_nothing() {
        let drift = held(drawn(1).take(10_000).collect(), &drawn(2).take(1_000).collect::<Vec<_>>());
        let (psi, ks) = drift.distances.unwrap();
        assert!(psi < 0.05 && ks < 0.06 && !drift.drifted, "{psi} {ks}");
    }

    #[test]
    fn drift_of_numbers_that_moved_is_what_the_definitions_say() {
        let then: Vec<f64> = (0..10_000).map(|n| f64::from(n) / 10_000.0).collect();
        let now: Vec<f64> = (0..1_000).map(|n| f64::from(n) / 1_000.0 + 0.25).collect();
        let drift = held(then, &now);
        let (psi, ks) = drift.distances.unwrap();
        near(ks, 0.25, 0.01);
        // Two parts are empty, one is half, and the last has a quarter more than its tenth.
        let wanted = 2.0 * (0.0001f64 - 0.1) * (0.001f64).ln() - 0.05 * 0.5f64.ln() + 0.25 * 3.5f64.ln();
        near(psi, wanted, 0.03);
        assert!(drift.drifted);
    }

    #[test]
    fn drift_of_few_kinds_of_values_is_told_too() {
        let of = |ones: usize, all: usize| -> Vec<f64> { (0..all).map(|n| f64::from(u8::from(n < ones))).collect() };
        let (psi, ks) = held(of(3_000, 10_000), &of(500, 1_000)).distances.unwrap();
        near(ks, 0.2, 0.01);
        near(psi, -0.2 * (0.5f64 / 0.7).ln() + 0.2 * (0.5f64 / 0.3).ln(), 0.02);
        // What was always the same and is something else is as far as can be, on either side.
        for now in [-1.0, 8.0] {
            let drift = held(vec![7.0; 500], &[now; 500]);
            assert_eq!((drift.distances.unwrap().1, drift.drifted), (1.0, true));
        }
        let drift = held(vec![7.0; 500], &[7.0; 500]);
        assert_eq!((drift.distances, drift.drifted), (Some((0.0, 0.0)), false));
    }

    #[test]
    fn drift_is_told_of_values_that_lie_where_there_were_none() {
        let halves = |one: f64, other: f64| (0..1_000).map(move |n| if n % 2 == 0 { one } else { other });
        for other in [0.01, 0.5, 0.99] {
            let drift = held(halves(0.0, 1.0).collect(), &halves(0.0, other).collect::<Vec<_>>());
            near(drift.distances.unwrap().1, 0.5, 0.011);
        }
    }

    #[test]
    fn drift_is_none_where_single_precision_has_other_digits() {
        for many in [1_u32, 2, 3, 40] {
            let values = |round: fn(f64) -> f64| (0..1_000).map(move |n| round(f64::from(n % many + 1) / 10.0));
            let single = values(|value| f64::from(value as f32)).collect::<Vec<_>>();
            let (psi, ks) = held(values(|value| value).collect(), &single).distances.unwrap();
            assert!(psi < 0.001 && ks <= 0.011, "{many}: {psi} {ks}");
        }
    }

    #[test]
    fn drift_by_quantiles_is_that_of_all_numbers_to_one_in_a_hundred() {
        for seed in 0..40 {
            let power = 1.0 + f64::from(u32::try_from(seed).unwrap()) / 20.0;
            let then: Vec<f64> = drawn(seed).take(2_000).collect();
            let now: Vec<f64> = drawn(seed + 100).take(700).map(|value| value.powf(power) * 1.1 - 0.05).collect();
            let (_, ks) = held(then.clone(), &now).distances.unwrap();
            near(ks, exact_ks(&then, &now), 0.015);
        }
    }

    /// The wanted numbers are those of `scipy.stats.ks_2samp` and of `numpy.quantile` and `numpy.histogram` for the same values.
    #[test]
    fn drift_is_what_other_programs_say_it_is() {
        for (seed, power, wanted_ks, wanted_psi) in
            [(0, 1.0, 0.056_07, 0.033_15), (7, 1.35, 0.148_93, 0.181_27), (39, 2.95, 0.412_71, 0.984_81)]
        {
            let now: Vec<f64> = drawn(seed + 100).take(700).map(|value| value.powf(power) * 1.1 - 0.05).collect();
            let (psi, ks) = held(drawn(seed).take(2_000).collect(), &now).distances.unwrap();
            near(ks, wanted_ks, 0.01);
            near(psi, wanted_psi, 0.002 + wanted_psi / 20.0);
        }
    }

    #[test]
    fn drift_says_nothing_of_too_few_and_counts_what_is_no_number() {
        let now: Vec<f64> = drawn(3).take(99).chain([f64::NAN; 7]).collect();
        let drift = held(drawn(4).take(500).collect(), &now);
        assert_eq!((drift.distances, drift.missing, drift.drifted), (None, 7, false));
        let drift = held(drawn(4).take(500).collect(), &[f64::INFINITY; 100]);
        assert_eq!((drift.distances.unwrap().1, drift.missing), (1.0, 0));
    }

    #[test]
    fn drift_is_looked_for_in_the_columns_that_a_baseline_has() {
        let mut two = baseline(drawn(1).take(500).collect());
        let column = two.inputs["x"][0].clone();
        two.inputs.insert("y".to_owned(), vec![column.clone(), BaselineColumn { name: "age".to_owned(), ..column }]);
        let (scales, mut seen) = (Scales::new(two), Seen::default());
        assert!(scales.look("z", 9, [1.0].into_iter(), &mut seen) && scales.look("", 1, [1.0].into_iter(), &mut seen));
        assert!(!scales.look("y", 3, [1.0].into_iter(), &mut seen), "it has two");
        assert_eq!(seen, Seen::default());
        assert!(scales.look("y", 2, [-1.0, 2.0, f64::NAN, 2.0].into_iter(), &mut seen));
        let last = u8::try_from(scales.all[2].places() - 1).unwrap();
        assert_eq!(seen.0, [(1, Some(0)), (2, Some(last)), (1, None), (2, Some(last))]);
        let mut window = Window::new(&scales);
        window.add(&seen);
        let missing: Vec<_> = window.drift(&scales).into_iter().map(|it| (it.input, it.column, it.missing)).collect();
        let wanted = [("x", "amount", 0), ("y", "amount", 1), ("y", "age", 0)];
        assert_eq!((window.rows(), missing), (2, wanted.map(|(a, b, n)| (a.to_owned(), b.to_owned(), n)).to_vec()));
    }

    #[test]
    fn drift_is_held_against_nothing_that_is_no_baseline() {
        let fit = baseline(drawn(1).take(500).collect());
        let text = serde_json::to_string(&fit).unwrap();
        assert_eq!(serde_json::from_str::<Baseline>(&text).unwrap(), fit);
        let check = |change: &dyn Fn(&mut Baseline), wanted: &str| {
            let mut unfit = fit.clone();
            change(&mut unfit);
            let said = unfit.check().unwrap_err().to_string();
            assert!(said.contains(wanted), "{said}");
        };
        let column = fit.inputs["x"][0].clone();
        check(&|it| it.rows = 99, "`rows` is at least 100");
        check(&|it| it.window = 10, "`window` is at least 200");
        check(&|it| it.psi = 0.0, "`psi` is at least 0.01");
        check(&|it| it.ks = 1.5, "`ks` is at least 0.01 and at most 1");
        check(&|it| it.ks = f64::NAN, "`ks`");
        check(&|it| it.inputs.clear(), "at least one column");
        check(&|it| it.inputs = BTreeMap::from([("x".to_owned(), Vec::new())]), "at least one column");
        check(&|it| it.inputs = BTreeMap::from([("x".to_owned(), vec![column.clone(); 65])]), "at most 64");
        check(&|it| it.inputs.get_mut("x").unwrap()[0].name = "a\u{1b}[2J".to_owned(), "controls a terminal");
        check(&|it| it.inputs.get_mut("x").unwrap()[0].quantiles.truncate(100), "needs 101 quantiles");
        check(&|it| it.inputs.get_mut("x").unwrap()[0].quantiles[50] = 9.0, "none of them below");
        assert_eq!(quantiles(vec![f64::NAN, f64::INFINITY]), None);
        assert_eq!(quantiles(vec![3.0]), Some(vec![3.0; 101]));
    }
}
