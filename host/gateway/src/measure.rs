//! Measures, and how they are written for Prometheus: its text format, version 0.0.4.
//!
//! Invariant: no family is written with more than [`SERIES_PER_FAMILY_MAX`] lines, whatever names there are: the label sets beyond
//! are added up under the value `other`. Nothing is measured here.

use std::fmt::Write as _;

use crate::limits::SERIES_PER_FAMILY_MAX;

/// The media type of what [`write`] gives.
pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The value of every label of what is not told apart.
pub const OTHER: &str = "other";

/// How the values of a family are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows while the process lives.
    Counter,
    /// It is what it is now.
    Gauge,
    /// How often values came, by their size.
    Histogram,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// How many. Those of several label sets add up.
    Count(u64),
    /// A number with a unit. Of several label sets the largest counts.
    Number(f64),
    /// How much of something there was. Those of several label sets add up.
    Sum(f64),
    /// Values by their size. Those of several label sets add up.
    Buckets {
        /// The upper bounds of the buckets, each included.
        bounds: Vec<f64>,
        /// Values in each bucket, and last those beyond the bounds.
        counts: Vec<u64>,
        /// The sum of all values.
        sum: f64,
    },
}

/// Values of one name, told apart by labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    samples: Vec<(Vec<String>, Reading)>,
}

impl Family {
    /// A family without values, whose help is one sentence.
    #[must_use]
    pub fn new(kind: Kind, name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Self { name, help, kind, labels, samples: Vec::new() }
    }

    /// A family of one value without labels.
    #[must_use]
    pub fn of_one(kind: Kind, name: &'static str, help: &'static str, reading: Reading) -> Self {
        let mut family = Self::new(kind, name, help, &[]);
        family.push(&[], reading);
        family
    }

    /// Adds a value. There is one for each label, in their order, and no two values have the same labels.
    pub fn push(&mut self, labels: &[&str], reading: Reading) {
        self.samples.push((labels.iter().map(|label| (*label).to_owned()).collect(), reading));
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Adds up what is beyond the bound.
    fn bounded(mut self) -> Self {
        let lines = self.samples.iter().map(|(_, reading)| reading.lines()).max().unwrap_or(1);
        let max = SERIES_PER_FAMILY_MAX / lines;
        if self.samples.len() > max {
            // A tenant may have that name, or what is told apart no more is there already: no two lines may have the same labels.
            let is_other = |(labels, _): &mut (Vec<String>, Reading)| labels.iter().all(|label| label == OTHER);
            let others: Vec<_> = self.samples.extract_if(.., is_other).collect();
            let beyond = self.samples.split_off(self.samples.len().min(max - 1));
            let sum = others.into_iter().chain(beyond).map(|(_, reading)| reading).reduce(Reading::with);
            self.samples.extend(sum.map(|sum| (vec![OTHER.to_owned(); self.labels.len()], sum)));
        }
        self
    }

    fn write(&self, out: &mut String) {
        let Self { name, help, kind, labels, samples } = self;
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        line(out, format_args!("# HELP {name} {help}"));
        line(out, format_args!("# TYPE {name} {kind}"));
        for (values, reading) in samples {
            let pairs: Vec<String> =
                labels.iter().zip(values).map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
            let braced = |pairs: &[String]| {
                if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) }
            };
            let plain = braced(&pairs);
            match reading {
                Reading::Count(count) => line(out, format_args!("{name}{plain} {count}")),
                Reading::Number(number) | Reading::Sum(number) => line(out, format_args!("{name}{plain} {number}")),
                Reading::Buckets { bounds, counts, sum } => {
                    let mut below = 0;
                    let bounds = bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
                    for (bound, count) in bounds.zip(counts) {
                        below += count;
                        let with_bound = braced(&[&pairs[..], &[format!("le=\"{bound}\"")]].concat());
                        line(out, format_args!("{name}_bucket{with_bound} {below}"));
                    }
                    line(out, format_args!("{name}_sum{plain} {sum}"));
                    line(out, format_args!("{name}_count{plain} {below}"));
                }
            }
        }
    }
}

impl Reading {
    /// Lines that it takes.
    fn lines(&self) -> usize {
        match self {
            Self::Count(_) | Self::Number(_) | Self::Sum(_) => 1,
            Self::Buckets { counts, .. } => counts.len() + 2,
        }
    }

    /// Both in one; of two kinds the first counts.
    fn with(self, other: Self) -> Self {
        match (self, other) {
            (Self::Count(one), Self::Count(other)) => Self::Count(one + other),
            (Self::Number(one), Self::Number(other)) => Self::Number(one.max(other)),
            (Self::Sum(one), Self::Sum(other)) => Self::Sum(one + other),
            (Self::Buckets { bounds, counts, sum }, Self::Buckets { counts: more, sum: other, .. }) => {
                let counts = counts.iter().zip(more).map(|(count, more)| count + more).collect();
                Self::Buckets { bounds, counts, sum: sum + other }
            }
            (one, _) => one,
        }
    }
}

/// The page of these families. One without values has no place on it.
pub(crate) fn write(families: Vec<Family>) -> String {
    let mut out = String::new();
    for family in families.into_iter().filter(|family| !family.samples.is_empty()) {
        family.bounded().write(&mut out);
    }
    out
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = out.write_fmt(text);
    out.push('\n');
}

fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_written_as_prometheus_reads_them() {
        let mut took = Family::new(Kind::Histogram, "took_seconds", "How long.", &["of"]);
        took.push(&["a\"\\\n"], Reading::Buckets { bounds: vec![0.00005, 1.0], counts: vec![2, 0, 1], sum: 3.5 });
        let one = Family::of_one(Kind::Gauge, "depth", "How deep.", Reading::Count(7));
        let empty = Family::new(Kind::Counter, "none_total", "Never.", &[]);
        let expected = r#"# HELP took_seconds How long.
# TYPE took_seconds histogram
took_seconds_bucket{of="a\"\\\n",le="0.00005"} 2
took_seconds_bucket{of="a\"\\\n",le="1"} 2
took_seconds_bucket{of="a\"\\\n",le="+Inf"} 3
took_seconds_sum{of="a\"\\\n"} 3.5
took_seconds_count{of="a\"\\\n"} 3
# HELP depth How deep.
# TYPE depth gauge
depth 7
"#;
        assert_eq!(write(vec![took, one, empty]), expected);
    }

    #[test]
    fn label_sets_beyond_the_bound_are_added_up_under_other() {
        let readings = [
            Reading::Count(2),
            Reading::Number(2.0),
            Reading::Sum(2.0),
            Reading::Buckets { bounds: vec![1.0], counts: vec![1, 1], sum: 4.0 },
        ];
        let others =
            ["{a=\"other\",b=\"other\"} 6\n", "other\"} 2\n", "other\"} 6\n", "_count{a=\"other\",b=\"other\"} 6\n"];
        for (reading, other) in readings.into_iter().zip(others) {
            let max = SERIES_PER_FAMILY_MAX / reading.lines();
            let page = |samples: usize| {
                let mut family = Family::new(Kind::Gauge, "x", "X.", &["a", "b"]);
                family.push(&[OTHER, OTHER], reading.clone());
                (1..samples).for_each(|n| family.push(&[&n.to_string(), "b"], reading.clone()));
                write(vec![family])
            };
            assert!(page(max).contains("a=\"1\"") && page(max).contains(&format!("a=\"{}\"", max - 1)));
            let over = page(max + 2);
            assert!(over.lines().count() <= SERIES_PER_FAMILY_MAX + 2 && over.contains(other), "{reading:?}");
        }
    }
}
