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
    /// Which question of all it was asked last.
    asked: u64,
}

/// What is watched of all tenants.
#[derive(Default)]
pub struct Drifts(Mutex<(u64, BTreeMap<WatchedOf, Watched>)>);

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
    /// Counts a question that was answered. Gives a window that it fills with something that drifted, where the one before had nothing of that.
    pub(super) fn count(
        &self,
        of: WatchedOf,
        scales: &Arc<Scales>,
        seen: Option<&Seen>,
        now_ms: impl FnOnce() -> u64,
    ) -> Option<Ended> {
        let mut locked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked, all) = &mut *locked;
        *asked += 1;
        if all.len() >= WATCHED_MAX && !all.contains_key(&of) {
            let longest = all.iter().min_by_key(|(_, watched)| watched.asked).map(|(of, _)| of.clone());
            longest.and_then(|longest| all.remove(&longest));
        }
        let new =
            || Watched { scales: Arc::clone(scales), window: Window::new(scales), unfit: 0, last: None, asked: 0 };
        let watched = all.entry(of).or_insert_with(new);
        // Another baseline is another matter; the same one is read anew with each change of the model's record.
        if !Arc::ptr_eq(&watched.scales, scales) {
            match watched.scales == *scales {
                true => watched.scales = Arc::clone(scales),
                false => *watched = new(),
            }
        }
        watched.asked = *asked;
        let Some(seen) = seen else {
            watched.unfit += 1;
            return None;
        };
        watched.window.add(seen);
        let rows = watched.window.rows();
        if rows < scales.baseline().window {
            return None;
        }
        let ended = Ended { at_ms: now_ms(), rows, columns: watched.window.drift(scales) };
        watched.window = Window::new(scales);
        let before = watched.last.replace(ended.clone());
        (ended.drifted() && !before.is_some_and(|before| before.drifted())).then_some(ended)
    }

    /// What is watched of a model, by version.
    pub fn of_model(&self, tenant: &TenantName, model: &ModelName) -> Vec<(Digest, Progress)> {
        self.read(|of| of.tenant == *tenant && of.model == *model)
            .into_iter()
            .map(|(of, it)| (of.version, it))
            .collect()
    }

    /// What is watched.
    pub fn all(&self) -> Vec<(WatchedOf, Progress)> {
        self.read(|_| true)
    }

    /// Forgets what was watched of a model.
    pub fn forget(&self, tenant: &TenantName, model: &ModelName) {
        let mut locked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        locked.1.retain(|of, _| of.tenant != *tenant || of.model != *model);
    }

    /// Forgets what was watched of a tenant.
    pub fn forget_tenant(&self, tenant: &TenantName) {
        let mut locked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        locked.1.retain(|of, _| of.tenant != *tenant);
    }

    fn read(&self, which: impl Fn(&WatchedOf) -> bool) -> Vec<(WatchedOf, Progress)> {
        let locked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let progress = |it: &Watched| Progress { rows: it.window.rows(), unfit: it.unfit, last: it.last.clone() };
        locked.1.iter().filter(|(of, _)| which(of)).map(|(of, it)| (of.clone(), progress(it))).collect()
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
            drifts.count(of(1), &scales, seen.as_ref(), || at).map(|ended| (ended.at_ms, ended.rows))
        };
        let told: Vec<_> =
            [0.0, 0.0, 0.5, 0.5, 0.6, 0.6, 0.0, 0.0, 0.5, 0.5].map(&mut ask).into_iter().flatten().collect();
        assert_eq!(told, [(4, 200), (10, 200)]);
        let watched = drifts.of_model(&"acme".parse().unwrap(), &"m1".parse().unwrap());
        let last = watched[0].1.last.clone().unwrap();
        assert!(last.drifted() && (0.45..0.55).contains(&last.largest().unwrap().1), "{last:?}");
        drifts.forget(&"acme".parse().unwrap(), &"m1".parse().unwrap());
        assert!(drifts.all().is_empty());
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
        assert_eq!(drifts.count(of(1), &two, None, || 0), None);
        assert_eq!(drifts.all()[0].1, Progress { rows: 0, unfit: 1, last: None });
        // With another baseline all begins anew.
        let other = scales(2, 300);
        drifts.count(of(1), &other, look(&other, &[tensor(&[2, 2], Values::F64(vec![0.5; 4]))]).as_ref(), || 0);
        assert_eq!(drifts.all()[0].1, Progress { rows: 2, unfit: 0, last: None });
    }

    #[test]
    fn drift_is_watched_of_so_many_versions_and_of_so_many_values() {
        let (drifts, scales) = (Drifts::default(), scales(1, 1_000_000));
        let seen = look(&scales, &[rows(200_000, 0.0)]);
        for n in 0..=WATCHED_MAX {
            drifts.count(of(n % WATCHED_MAX), &scales, seen.as_ref(), || 0);
        }
        drifts.count(of(WATCHED_MAX), &scales, seen.as_ref(), || 0);
        let watched = drifts.all();
        let names: Vec<_> = watched.iter().map(|(of, _)| of.model.as_str()).collect();
        assert_eq!((watched.len(), names.contains(&"m0"), names.contains(&"m1")), (WATCHED_MAX, true, false));
        assert_eq!(watched.last().unwrap().1.rows as usize, VALUES_MAX);
        // So many in all, however many tensors a question has, and under whatever names.
        let seen = look(&scales, &[rows(VALUES_MAX as u32 - 5, 0.0), rows(9, 0.0), rows(9, 0.0)]).unwrap();
        assert_eq!(seen.values(), VALUES_MAX);
        drifts.forget_tenant(&"acme".parse().unwrap());
        assert!(drifts.all().is_empty());
    }
}
