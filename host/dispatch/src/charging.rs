//! What requests of routes used, gathered and charged to their plugins: a record a second for each that was called, and none for each request.
//!
//! Invariant: what was gathered is charged before the host stops, unless the log has no room for it. A host that is killed loses what it gathered
//! since the last record: a second of it,
//! and more where the log takes nothing. Who has used up a quota of the hour is refused from the next record on.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;
use wharf_delivery::{Answer, ChargeRequest, QuotaSpent, Quotas, Request, Used};
use wharf_event::{PluginName, TenantName};

use crate::{dispatcher::Dispatcher, limits::CHARGE_EVERY, partition::chain, watched as watch};

#[derive(Default)]
struct Gathered {
    /// Calls, and what they used.
    calls: BTreeMap<(TenantName, PluginName), (u64, Used)>,
    /// Quotas that are used up.
    spent: HashMap<TenantName, Spent>,
}

/// A quota that is used up.
struct Spent {
    /// What the tenant might use then: another bound is another question.
    quotas: Quotas,
    until_ms: u64,
    spent: QuotaSpent,
}

/// What is to be charged.
#[derive(Default)]
pub(crate) struct Charges {
    gathered: Mutex<Gathered>,
    bell: Notify,
    /// Held while a round is charged: who stops the host waits for that.
    charging: tokio::sync::Mutex<()>,
}

impl Charges {
    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many more calls of a plugin, and what it used.
    pub(crate) fn add(&self, whose: &(TenantName, PluginName), more: u64, used: &Used) {
        let mut gathered = self.gathered();
        let (calls, sum) = gathered.calls.entry(whose.clone()).or_default();
        *calls += more;
        sum.add(used);
        drop(gathered);
        self.bell.notify_one();
    }

    /// Which quota of its hour a tenant has used up, as far as was told of late.
    pub(crate) fn spent(&self, tenant: &TenantName, quotas: &Quotas, now_ms: u64) -> Option<QuotaSpent> {
        let gathered = self.gathered();
        let spent = gathered.spent.get(tenant).filter(|spent| spent.quotas == *quotas && now_ms < spent.until_ms);
        spent.map(|spent| spent.spent.clone())
    }

    /// Forgets what a tenant used that is gone: who has its name next pays nothing of that.
    pub(crate) fn forget(&self, tenant: &TenantName) {
        let mut gathered = self.gathered();
        gathered.calls.retain(|(of, _), _| of != tenant);
        gathered.spent.remove(tenant);
    }

    /// Notes what is used up, as of the last record.
    fn note(&self, tenant: TenantName, quotas: Quotas, spent: Option<QuotaSpent>, now_ms: u64) {
        let mut gathered = self.gathered();
        match spent {
            Some(spent) => {
                let until_ms = now_ms.saturating_add(spent.after_ms().unwrap_or(0));
                gathered.spent.insert(tenant, Spent { quotas, until_ms, spent });
            }
            None => drop(gathered.spent.remove(&tenant)),
        }
    }
}

impl Dispatcher {
    /// Charges what was gathered.
    pub(crate) async fn charge(&self) {
        let charges = &self.attempts.charges;
        let _charging = charges.charging.lock().await;
        let gathered = std::mem::take(&mut charges.gathered().calls);
        for ((tenant, plugin), (calls, used)) in gathered {
            let rules = self.rules();
            // One that is deleted takes its usage along.
            if !rules.has_tenant(&tenant) {
                continue;
            }
            let quotas = rules.settings(&tenant).quotas;
            let request = ChargeRequest { tenant: tenant.clone(), plugin, calls, used, quotas };
            match self.attempts.partition.ask(Request::Charge(request)).await {
                Ok(Answer::Charged { spent }) => charges.note(tenant, quotas, spent, self.now_ms()),
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%tenant, calls, "what requests used is charged to nobody: {}", chain(&error))
                }
            }
        }
    }
}

/// The task that charges.
pub(crate) struct Charging {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Charging {
    /// Charges what comes, until the host stops: that does the last of it.
    pub(crate) async fn run(mut self) {
        loop {
            let attempts = Arc::clone(&self.dispatcher.attempts);
            let next = async {
                attempts.charges.bell.notified().await;
                tokio::time::sleep(CHARGE_EVERY).await;
            };
            tokio::select! {
                biased;
                _ = self.stopping.wait_for(|stopping| *stopping) => return,
                () = next => {}
            }
            self.dispatcher.charge().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use wharf_delivery::Hourly;

    use super::*;

    #[test]
    fn what_is_used_up_is_so_until_its_time_and_for_its_bound() {
        let (charges, tenant) = (Charges::default(), "acme".parse::<TenantName>().unwrap());
        let (bound, other) = (Quotas { cpu_ms_per_hour: Some(1), ..Quotas::default() }, Quotas::default());
        let spent = QuotaSpent::Hour { what: Hourly::CpuMs, most: 1, after_ms: 5 };
        charges.note(tenant.clone(), bound, Some(spent.clone()), 5);
        assert_eq!((charges.spent(&tenant, &bound, 9), charges.spent(&tenant, &bound, 10)), (Some(spent), None));
        assert_eq!(charges.spent(&tenant, &other, 9), None);
        charges.note(tenant.clone(), bound, None, 9);
        assert_eq!(charges.spent(&tenant, &bound, 9), None);
        for _ in 0..2 {
            charges.add(&(tenant.clone(), "web".parse().unwrap()), 1, &Used { cpu_ns: 3, ..Used::default() });
        }
        let gathered = charges.gathered();
        let (calls, used) = gathered.calls.values().next().unwrap();
        assert_eq!((*calls, used.cpu_ns), (2, 6));
    }
}
