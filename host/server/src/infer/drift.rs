//! What models are asked about, held against what they were trained with: for each version the values of its latest questions, window by window.
//!
//! Invariant: it is bounded: beyond [`WATCHED_MAX`] versions the one that was asked longest ago is forgotten, and of one question so many values are
//! looked at. Nothing here is durable: a host that starts again begins new windows, and tells again of what goes on drifting.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use wharf_catalog::{ColumnDrift, Scales, Seen, Window};
use wharf_event::{Digest, ModelName, TenantName};
use wharf_infer::{Tensor, Values};

/// Versions of models whose windows are kept, of all tenants together: at most 64 KiB each, beside the baseline that they share with the model's record.
const WATCHED_MAX: usize = 500;

/// Values of one question that are looked at: of each tensor those of the first rows.
const VALUES_MAX: usize = 16_384;

/// Events about drift that a tenant gets in an hour, of all its models together.
const TOLD_AN_HOUR_MAX: u32 = 20;

/// How long after the last question what a version came to is a measure, in milliseconds: an hour.
const MEASURED_MS: u64 = 3_600_000;

/// Whose questions are held against a baseline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WatchedOf {
    /// The tenant.
    pub tenant: TenantName,
    /// Its model.
    pub model: ModelName,
    /// The version that answers.
    pub version: Digest,
}

/// A window that is full.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// When it was, in milliseconds since 1970.
    pub at_ms: u64,
    /// Its rows.
    pub rows: u32,
    /// What its columns came to.
    pub columns: Vec<ColumnDrift>,
}

impl Ended {
    /// Whether a column drifted.
    #[must_use]
    pub fn drifted(&self) -> bool {
        self.columns.iter().any(|column| column.drifted)
    }

    /// The largest PSI and the largest KS of its columns; none where too few values were numbers.
    #[must_use]
    pub fn largest(&self) -> Option<(f64, f64)> {
        let all = self.columns.iter().filter_map(|column| column.distances);
        all.reduce(|(psi, ks), (its_psi, its_ks)| (psi.max(its_psi), ks.max(its_ks)))
    }
}

/// How far a version is.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Rows of the window that is not full.
    pub rows: u32,
    /// Questions that were left out, since a tensor has other columns than the baseline.
    pub unfit: u64,
    /// The last full window.
    pub last: Option<Ended>,
}

struct Watched {
    scales: Arc<Scales>,
    window: Window,
    unfit: u64,
    last: Option<Ended>,
    /// Whether the tenant was told of what goes on.
    told: bool,
    /// Which question of all it was asked last.
    asked: u64,
    /// And when, in milliseconds since 1970.
    asked_ms: u64,
}

#[derive(Default)]
struct All {
    /// Questions so far.
    asked: u64,
    of: BTreeMap<WatchedOf, Watched>,
    /// The hour since 1970, and how often whom it was told of in it.
    told: (u64, BTreeMap<TenantName, u32>),
}

impl All {
    /// Whether a tenant may be told of something more in this hour.
    fn may_tell(&mut self, tenant: &TenantName, now_ms: u64) -> bool {
        let hour = now_ms / 3_600_000;
        if self.told.0 != hour {
            self.told = (hour, BTreeMap::new());
        }
        let told = self.told.1.entry(tenant.clone()).or_default();
        let may = *told < TOLD_AN_HOUR_MAX;
        *told += u32::from(may);
        may
    }
}

/// What is watched of all tenants.
#[derive(Default)]
pub struct Drifts(Mutex<All>);

/// Where the values of a question lie; none where a tensor has other columns than the baseline.
pub(super) fn look(scales: &Scales, inputs: &[Tensor]) -> Option<Seen> {
    let mut seen = Seen::default();
    for Tensor { name, shape, values } in inputs {
        // A tensor of one column may have any shape, and no direction is of columns then.
        let last = shape.last().map_or(1, |last| *last as usize);
        let width = if scales.columns(name) == Some(1) { 1 } else { last };
        let left = VALUES_MAX.saturating_sub(seen.values());
        let whole = left - left % width.max(1);
        let fits = match values {
            Values::F32(all) => scales.look(name, width, all.iter().take(whole).map(|it| f64::from(*it)), &mut seen),
            Values::F64(all) => scales.look(name, width, all.iter().take(whole).copied(), &mut seen),
            Values::I32(all) => scales.look(name, width, all.iter().take(whole).map(|it| f64::from(*it)), &mut seen),
            Values::I64(all) => scales.look(name, width, all.iter().take(whole).map(|it| *it as f64), &mut seen),
            Values::Bool(all) => {
                scales.look(name, width, all.iter().take(whole).map(|it| f64::from(u8::from(*it))), &mut seen)
            }
            Values::String(_) => scales.columns(name).is_none(),
        };
        if !fits {
            return None;
        }
    }
    Some(seen)
}

impl Drifts {
    /// Counts a question that was answered. Gives a window that it fills with something that drifted, where the tenant was not told of that yet and may
    /// be; else the next window is told of in which it goes on.
    pub(super) fn count(&self, of: WatchedOf, scales: &Arc<Scales>, seen: Option<&Seen>, now_ms: u64) -> Option<Ended> {
        let mut locked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        locked.asked += 1;
        let asked = locked.asked;
        if locked.of.len() >= WATCHED_MAX && !locked.of.contains_key(&of) {
            let longest = locked.of.iter().min_by_key(|(_, watched)| watched.asked).map(|(of, _)| of.clone());
            longest.and_then(|longest| locked.of.remove(&longest));
        }
        let new = || {
            let (scales, window) = (Arc::clone(scales), Window::new(scales));
            Watched { scales, window, unfit: 0, last: None, told: false, asked, asked_ms: now_ms }
        };
        let watched = locked.of.entry(of.clone()).or_insert_with(new);
        // Another baseline is another matter; the same one is read anew with each change of the model's record.
        if !Arc::ptr_eq(&watched.scales, scales) {
            match watched.scales == *scales {
                true => watched.scales = Arc::clone(scales),
                false => *watched = new(),
            }
        }
        (watched.asked, watched.asked_ms) = (asked, now_ms);
        let Some(seen) = seen else {
            watched.unfit += 1;
            return None;
        };
        watched.window.add(seen);
        let rows = watched.window.rows();
        if rows < scales.baseline().window {
            return None;
        }
        let ended = Ended { at_ms: now_ms, rows, columns: watched.window.drift(scales) };
        watched.window = Window::new(scales);
        watched.last = Some(ended.clone());
        watched.told &= ended.drifted();
        if watched.told || !ended.drifted() || !locked.may_tell(&of.tenant, now_ms) {
            return None;
        }
        locked.of.get_mut(&of)?.told = true;
        Some(ended)
    }

    /// What is watched of a model, by version.
    pub fn of_model(&self, tenant: &TenantName, model: &ModelName) -> Vec<(Digest, Progress)> {
        self.read(|of, _| of.tenant == *tenant && of.model == *model)
            .into_iter()
            .map(|(of, it)| (of.version, it))
            .collect()
    }

    /// What is watched of versions that were asked of late.
    pub fn measured(&self, now_ms: u64) -> Vec<(WatchedOf, Progress)> {
        self.read(|_, it| now_ms.saturating_sub(it.asked_ms) <= MEASURED_MS)
    }

    /// Forgets what was watched of a model.
    pub fn forget(&self, tenant: &TenantName, model: &ModelName) {
        self.keep(tenant, model, &[]);
    }

    /// Forgets what was watched of a model, but for these versions of it: nobody asks others any more.
    pub fn keep(&self, tenant: &TenantName, model: &ModelName, versions: &[Digest]) {
        let mut locked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        locked.of.retain(|of, _| of.tenant != *tenant || of.model != *model || versions.contains(&of.version));
    }

    /// Forgets what was watched of a tenant.
    pub fn forget_tenant(&self, tenant: &TenantName) {
        let mut locked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        locked.of.retain(|of, _| of.tenant != *tenant);
    }

    fn read(&self, which: impl Fn(&WatchedOf, &Watched) -> bool) -> Vec<(WatchedOf, Progress)> {
        let locked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let progress = |it: &Watched| Progress { rows: it.window.rows(), unfit: it.unfit, last: it.last.clone() };
        locked.of.iter().filter(|(of, it)| which(of, it)).map(|(of, it)| (of.clone(), progress(it))).collect()
    }
}

#[cfg(test)]
mod tests {
    use wharf_catalog::{Baseline, BaselineColumn};

    use super::*;

    fn scales(columns: usize, window: u32) -> Arc<Scales> {
        let column = |n: usize| BaselineColumn {
            name: n.to_string(),
            quantiles: (0..=100).map(|at| f64::from(at) / 100.0).collect(),
        };
        let inputs = BTreeMap::from([("x".to_owned(), (0..columns).map(column).collect())]);
        Arc::new(Scales::new(Baseline { rows: 1_000, window, psi: 0.2, ks: 0.2, inputs }))
    }

    fn tensor(shape: &[u32], values: Values) -> Tensor {
        Tensor { name: "x".to_owned(), shape: shape.to_vec(), values }
    }

    fn of(n: usize) -> WatchedOf {
        let (tenant, model) = ("acme".parse().unwrap(), format!("m{n}").parse().unwrap());
        WatchedOf { tenant, model, version: Digest::of(b"one") }
    }

    /// So many rows of one column that lie as the baseline does, and moved by some.
    fn rows(count: u32, moved: f32) -> Tensor {
        let values = (0..count).map(|n| n as f32 / count as f32 + moved).collect();
        tensor(&[count, 1], Values::F32(values))
    }

    #[test]
    fn drift_is_told_once_as_long_as_it_goes_on_and_again_after_it_ended() {
        let (drifts, scales) = (Drifts::default(), scales(1, 200));
        let mut at = 0;
        let mut ask = |moved| {
            at += 1;
            let seen = look(&scales, &[rows(100, moved)]);
            drifts.count(of(1), &scales, seen.as_ref(), at).map(|ended| (ended.at_ms, ended.rows))
        };
        let told: Vec<_> =
            [0.0, 0.0, 0.5, 0.5, 0.6, 0.6, 0.0, 0.0, 0.5, 0.5].map(&mut ask).into_iter().flatten().collect();
        assert_eq!(told, [(4, 200), (10, 200)]);
        let watched = drifts.of_model(&"acme".parse().unwrap(), &"m1".parse().unwrap());
        let last = watched[0].1.last.clone().unwrap();
        assert!(last.drifted() && (0.45..0.55).contains(&last.largest().unwrap().1), "{last:?}");
        drifts.forget(&"acme".parse().unwrap(), &"m1".parse().unwrap());
        assert!(drifts.measured(0).is_empty());
    }

    #[test]
    fn drift_is_told_so_often_in_an_hour_and_later_where_it_goes_on() {
        let (drifts, scales) = (Drifts::default(), scales(1, 200));
        let ask = |n: usize, moved, at_ms| {
            let seen = look(&scales, &[rows(200, moved)]);
            drifts.count(of(n), &scales, seen.as_ref(), at_ms).is_some()
        };
        let told = (0..TOLD_AN_HOUR_MAX as usize + 5).filter(|n| ask(*n, 0.5, 1)).count();
        assert_eq!(told, TOLD_AN_HOUR_MAX as usize);
        // As it comes and goes, too.
        assert!(!ask(0, 0.0, 2) && !ask(0, 0.5, 3));
        let hour = 3_600_000;
        assert!(!ask(1, 0.5, hour), "this one was told of");
        assert!(ask(24, 0.5, hour) && ask(0, 0.5, hour) && !ask(0, 0.5, hour), "these were not");
    }

    #[test]
    fn what_nobody_asks_any_more_is_no_measure() {
        let (drifts, scales) = (Drifts::default(), scales(1, 200));
        let (tenant, model) = ("acme".parse().unwrap(), "m1".parse().unwrap());
        let [one, two] = [b"one".as_slice(), b"two"].map(Digest::of);
        for (version, at_ms) in [(one, 0), (two, 10)] {
            drifts.count(WatchedOf { version, ..of(1) }, &scales, look(&scales, &[rows(200, 0.5)]).as_ref(), at_ms);
        }
        let measured = |now_ms| {
            drifts.measured(now_ms).into_iter().map(|(of, _)| of.version).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(measured(MEASURED_MS), [one, two].into());
        assert_eq!(measured(MEASURED_MS + 1), [two].into());
        assert_eq!(drifts.of_model(&tenant, &model).len(), 2, "it is shown still");
        drifts.keep(&tenant, &model, &[one]);
        assert_eq!(measured(0), [one].into());
        drifts.keep(&tenant, &"m2".parse().unwrap(), &[]);
        assert_eq!(measured(0), [one].into(), "another model");
    }

    #[test]
    fn drift_is_looked_for_in_numbers_of_every_kind_and_what_does_not_fit_is_counted() {
        let two = scales(2, 200);
        let fits = |values: Values, shape: &[u32]| look(&two, &[tensor(shape, values)]).is_some();
        assert!(fits(Values::F64(vec![0.5; 4]), &[2, 2]) && fits(Values::I32(vec![1; 4]), &[2, 2]));
        assert!(fits(Values::I64(vec![1; 4]), &[1, 2, 2]) && fits(Values::Bool(vec![true; 4]), &[2, 2]));
        assert!(!fits(Values::F32(vec![0.5; 3]), &[1, 3]) && !fits(Values::String(vec![String::new(); 2]), &[1, 2]));
        assert!(!fits(Values::F32(Vec::new()), &[0, 0]) && fits(Values::F32(Vec::new()), &[0, 2]));
        assert!(look(&scales(1, 200), &[tensor(&[3], Values::F32(vec![0.5; 3]))]).is_some(), "all of it is one column");
        let drifts = Drifts::default();
        assert_eq!(drifts.count(of(1), &two, None, 0), None);
        assert_eq!(drifts.measured(0)[0].1, Progress { rows: 0, unfit: 1, last: None });
        // With another baseline all begins anew.
        let other = scales(2, 300);
        drifts.count(of(1), &other, look(&other, &[tensor(&[2, 2], Values::F64(vec![0.5; 4]))]).as_ref(), 0);
        assert_eq!(drifts.measured(0)[0].1, Progress { rows: 2, unfit: 0, last: None });
    }

    #[test]
    fn drift_is_watched_of_so_many_versions_and_of_so_many_values() {
        let (drifts, scales) = (Drifts::default(), scales(1, 1_000_000));
        let seen = look(&scales, &[rows(200_000, 0.0)]);
        for n in 0..=WATCHED_MAX {
            drifts.count(of(n % WATCHED_MAX), &scales, seen.as_ref(), 0);
        }
        drifts.count(of(WATCHED_MAX), &scales, seen.as_ref(), 0);
        let watched = drifts.measured(0);
        let names: Vec<_> = watched.iter().map(|(of, _)| of.model.as_str()).collect();
        assert_eq!((watched.len(), names.contains(&"m0"), names.contains(&"m1")), (WATCHED_MAX, true, false));
        assert_eq!(watched.last().unwrap().1.rows as usize, VALUES_MAX);
        // So many in all, however many tensors a question has, and under whatever names.
        let seen = look(&scales, &[rows(VALUES_MAX as u32 - 5, 0.0), rows(9, 0.0), rows(9, 0.0)]).unwrap();
        assert_eq!(seen.values(), VALUES_MAX);
        drifts.forget_tenant(&"acme".parse().unwrap());
        assert!(drifts.measured(0).is_empty());
    }
}
