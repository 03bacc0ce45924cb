//! Versions of models that are asked in the shadow: a model's questions are put to one more version of it, whose answers nobody gets; they are held
//! against those that were given.
//!
//! Invariant: whoever asks has their answer before, and gets no other for it. A tenant has one question in the shadow at a time; those that come
//! meanwhile are left out. Nothing here is durable.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use wharf_event::{Digest, ModelName, TenantName};
use wharf_infer::{Tensor, Values};

use super::WatchedOf;

/// The channel of a model that names the version.
pub const SHADOW: &str = "shadow";

/// Versions that are counted apart; beyond that the one goes of which there was nothing to count for the longest.
const COUNTED_MAX: usize = 500;

/// How far two floats may be from each other that count as the same: absolutely, and by the larger of them.
const SAME: f64 = 1e-3;

/// What came of the questions to a version since the host started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShadowCounts {
    /// It answered the same.
    pub same: u64,
    /// It answered something else.
    pub differing: u64,
    /// It had no answer.
    pub failed: u64,
    /// It was not asked, since it had enough to do.
    pub left_out: u64,
}

#[derive(Default)]
struct All {
    /// With the number of the count that was the last of it.
    counts: BTreeMap<WatchedOf, (ShadowCounts, u64)>,
    counted: u64,
    /// The tenants that have a question in the shadow at this moment.
    open: BTreeSet<TenantName>,
}

impl All {
    fn count(&mut self, of: &WatchedOf, add: impl FnOnce(&mut ShadowCounts)) {
        if self.counts.len() >= COUNTED_MAX && !self.counts.contains_key(of) {
            let oldest = self.counts.iter().min_by_key(|(_, (_, last))| *last).map(|(of, _)| of.clone());
            oldest.map(|oldest| self.counts.remove(&oldest));
        }
        self.counted += 1;
        let (counts, last) = self.counts.entry(of.clone()).or_default();
        add(counts);
        *last = self.counted;
    }
}

/// What came of all of them.
#[derive(Default)]
pub struct Shadows(Mutex<All>);

/// A question in the shadow.
pub(super) struct Open {
    shadows: Arc<Shadows>,
    of: WatchedOf,
}

impl Shadows {
    fn all(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a question, unless the tenant has one already.
    pub(super) fn begin(self: &Arc<Self>, of: &WatchedOf) -> Option<Open> {
        let mut all = self.all();
        if !all.open.insert(of.tenant.clone()) {
            all.count(of, |counts| counts.left_out += 1);
            return None;
        }
        Some(Open { shadows: Arc::clone(self), of: of.clone() })
    }

    /// What came of the questions to a version.
    pub fn of(&self, tenant: &TenantName, model: &ModelName, version: Digest) -> ShadowCounts {
        let of = WatchedOf { tenant: tenant.clone(), model: model.clone(), version };
        self.all().counts.get(&of).copied().unwrap_or_default().0
    }

    /// The same of all versions.
    pub fn read(&self) -> Vec<(WatchedOf, ShadowCounts)> {
        self.all().counts.iter().map(|(of, (counts, _))| (of.clone(), *counts)).collect()
    }

    /// Forgets what came of a model's versions, but for these.
    pub fn keep(&self, tenant: &TenantName, model: &ModelName, versions: &[Digest]) {
        let mut all = self.all();
        all.counts.retain(|of, _| of.tenant != *tenant || of.model != *model || versions.contains(&of.version));
    }

    /// Forgets what came of a tenant's versions.
    pub fn forget_tenant(&self, tenant: &TenantName) {
        self.all().counts.retain(|of, _| of.tenant != *tenant);
    }
}

impl Open {
    /// Ends it: with what was given, and what this version would have given, if anything.
    pub(super) fn end(self, given: &[Tensor], answered: Option<&[Tensor]>) {
        // Which takes long where there is much of it, and others count meanwhile.
        let same = answered.map(|others| agree(given, others));
        self.shadows.all().count(&self.of, |counts| match same {
            Some(true) => counts.same += 1,
            Some(false) => counts.differing += 1,
            None => counts.failed += 1,
        });
    }

    /// Ends it without having asked.
    pub(super) fn left_out(self) {
        self.shadows.all().count(&self.of, |counts| counts.left_out += 1);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shadows.all().open.remove(&self.of.tenant);
    }
}

/// Whether two answers are the same but for what floats are off by.
fn agree(one: &[Tensor], other: &[Tensor]) -> bool {
    let same = |(one, other): (&Tensor, &Tensor)| {
        one.name == other.name && one.shape == other.shape && values_agree(&one.values, &other.values)
    };
    one.len() == other.len() && one.iter().zip(other).all(same)
}

fn values_agree(one: &Values, other: &Values) -> bool {
    match (one, other) {
        (Values::F32(one), Values::F32(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| near(f64::from(*one), f64::from(*other)))
        }
        (Values::F64(one), Values::F64(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| near(*one, *other))
        }
        (one, other) => one == other,
    }
}

fn near(one: f64, other: f64) -> bool {
    // What is no number is the same as itself here.
    one.to_bits() == other.to_bits()
        || (one.is_nan() && other.is_nan())
        || (one.is_finite() && other.is_finite() && (one - other).abs() <= SAME * one.abs().max(other.abs()).max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(tenant: &str, version: u8) -> WatchedOf {
        let version = Digest::of(&[version]);
        WatchedOf { tenant: tenant.parse().unwrap(), model: "m".parse().unwrap(), version }
    }

    fn floats(values: &[f32]) -> Vec<Tensor> {
        vec![Tensor { name: "y".into(), shape: vec![values.len() as u32], values: Values::F32(values.to_vec()) }]
    }

    #[test]
    fn answers_are_the_same_but_for_what_floats_are_off_by() {
        let one = floats(&[0.5, 1_000.0, f32::NAN, f32::INFINITY]);
        assert!(agree(&one, &floats(&[0.500_9, 1_000.9, f32::NAN, f32::INFINITY])));
        assert!(!agree(&one, &floats(&[0.502, 1_000.0, f32::NAN, f32::INFINITY])));
        assert!(!agree(&one, &floats(&[0.5, 1_002.0, f32::NAN, f32::INFINITY])));
        assert!(!agree(&one, &floats(&[0.5, 1_000.0, 1.0, f32::INFINITY])));
        assert!(!agree(&one, &floats(&[0.5, 1_000.0, f32::NAN, f32::NEG_INFINITY])));
        assert!(!agree(&one, &floats(&[0.5])) && !agree(&one, &[]));
        let labels = |label: &str| {
            vec![Tensor { name: "label".into(), shape: vec![1], values: Values::String(vec![label.into()]) }]
        };
        assert!(agree(&labels("a"), &labels("a")) && !agree(&labels("a"), &labels("b")));
        let mut renamed = labels("a");
        renamed[0].name = "y".into();
        assert!(!agree(&labels("a"), &renamed));
    }

    #[test]
    fn a_tenant_has_one_question_in_the_shadow_at_a_time_and_the_others_are_counted() {
        let shadows = Arc::<Shadows>::default();
        let (first, other) = (of("acme", 1), of("other", 1));
        let open = shadows.begin(&first).unwrap();
        assert!(shadows.begin(&of("acme", 2)).is_none() && shadows.begin(&other).is_some());
        open.end(&floats(&[1.0]), Some(&floats(&[1.0])));
        shadows.begin(&first).unwrap().end(&floats(&[1.0]), Some(&floats(&[2.0])));
        shadows.begin(&first).unwrap().end(&floats(&[1.0]), None);
        let counts = |of: &WatchedOf| shadows.of(&of.tenant, &of.model, of.version);
        assert_eq!(counts(&first), ShadowCounts { same: 1, differing: 1, failed: 1, left_out: 0 });
        assert_eq!(counts(&of("acme", 2)), ShadowCounts { left_out: 1, ..ShadowCounts::default() });
        assert_eq!(shadows.read().len(), 2, "what was begun and dropped is in no count");
        shadows.keep(&first.tenant, &first.model, &[first.version]);
        assert_eq!((shadows.read().len(), counts(&first).same), (1, 1));
        shadows.begin(&other).unwrap().left_out();
        shadows.forget_tenant(&first.tenant);
        assert_eq!(shadows.read(), [(other, ShadowCounts { left_out: 1, ..ShadowCounts::default() })]);
    }

    #[test]
    fn what_was_counted_last_is_kept() {
        let shadows = Arc::<Shadows>::default();
        let tenants: Vec<_> = (0..=COUNTED_MAX).map(|n| of(&format!("t{n}"), 1)).collect();
        let count = |of: &WatchedOf| shadows.begin(of).unwrap().left_out();
        tenants[..COUNTED_MAX].iter().for_each(count);
        count(&tenants[0]);
        count(&tenants[COUNTED_MAX]);
        let read = shadows.read();
        assert_eq!(read.len(), COUNTED_MAX);
        assert!(read.iter().any(|(of, counts)| *of == tenants[0] && counts.left_out == 2));
        assert!(!read.iter().any(|(of, _)| *of == tenants[1]));
    }
}
