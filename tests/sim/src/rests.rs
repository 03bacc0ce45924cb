//! From when until when tenants rested for certain: between the answer to a wish that they do, and the next wish that they do not.
//!
//! Invariant: a wish that is answered while another of the contrary is under way says nothing: nobody knows which came first.

use std::collections::BTreeMap;

/// A time in which nothing of a tenant may begin.
#[derive(Clone, Debug)]
pub struct Rest {
    /// Whose.
    pub tenant: String,
    /// Its place in the order of everything.
    pub from: u64,
    /// Frame time then, in milliseconds.
    pub from_ms: u64,
    /// The place of its end, if it ended.
    pub until: Option<u64>,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Rests {
    all: Vec<Rest>,
    /// Wishes to wake by tenant: how many there were, and how many are under way.
    wakes: BTreeMap<String, (u64, u64)>,
}

impl Rests {
    /// Somebody asks that a tenant rests. None where that will say nothing.
    pub fn ask(&self, tenant: &str) -> Option<u64> {
        let (wakes, under_way) = self.wakes.get(tenant).copied().unwrap_or_default();
        (under_way == 0).then_some(wakes)
    }

    /// The answer to that.
    pub fn told(&mut self, tenant: &str, asked: Option<u64>, (from, from_ms): (u64, u64)) {
        if asked.is_some() && asked == self.ask(tenant) {
            self.all.push(Rest { tenant: tenant.to_owned(), from, from_ms, until: None });
        }
    }

    /// Somebody asks that a tenant wakes, at this place.
    pub fn wake(&mut self, tenant: &str, step: u64) {
        let (wakes, under_way) = self.wakes.entry(tenant.to_owned()).or_default();
        (*wakes, *under_way) = (*wakes + 1, *under_way + 1);
        for rest in self.all.iter_mut().filter(|rest| rest.tenant == tenant && rest.until.is_none()) {
            rest.until = Some(step);
        }
    }

    /// That was answered, in whatever way.
    pub fn woke(&mut self, tenant: &str) {
        let (_, under_way) = self.wakes.entry(tenant.to_owned()).or_default();
        *under_way = under_way.saturating_sub(1);
    }

    /// A process began: nothing is under way.
    pub fn begin(&mut self) {
        self.wakes.values_mut().for_each(|(_, under_way)| *under_way = 0);
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Rest] {
        &self.all
    }
}
