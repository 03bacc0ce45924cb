//! Cleaning the log: full segments are counted, and those past retention are read once more for what the state still needs of
//! them, which is written again; then they may go.
//!
//! Invariant: a segment goes only after everything that the state needs of it is durable at another place, and the state has
//! that durably too. It reads on threads that may block, and writes by the same way as everyone else, so that what is
//! carried waits its turn among what comes in.

use std::{collections::BTreeSet, ops::Bound, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::try_join_all;
use wharf_delivery::{
    Answer, CarryRequest, DecodeError, FanOut, ForgetRequest, Record, Remains, Request, SegmentFacts, SpentRow, Table,
    TableError, Tables, Usage, UsageRow, hour_of, keys, limits::USAGE_KEPT_HOURS, published_on,
};
use wharf_event::TenantName;
use wharf_log::SegmentInfo;

use crate::{
    archive::{Archive, ArchiveError},
    attempt::Attempts,
    carrying::{Page, Pages},
    limits::{CARRIED_BATCH_BYTES, CARRIED_BATCH_FRAMES, CARRY_PAUSE, CLEAN_EVERY, SUMS_PAGE},
    partition::{AskError, chain},
    retention,
    surroundings::{blocking, blocking_behind},
    watched as watch,
};

/// What has what a tenant used, and what models cost it, by the hour.
const HOURLY: [Table; 2] = [Table::Usage, Table::Models];

/// What has sums over a tenant's rows.
const SUMMED: [Table; 3] = [Table::Stats, Table::Buckets, Table::Queues];

/// The task that looks after the log's age and size.
pub(crate) struct Cleaner {
    pub(crate) attempts: Arc<Attempts>,
    pub(crate) dedup_window_ms: u64,
    pub(crate) stopping: watch::Receiver<bool>,
    /// What lies before this frame was cleaned; it goes with the next checkpoint.
    pub(crate) cleaned_below_k: u64,
    /// What was used before this hour is forgotten.
    pub(crate) forgotten_before: u32,
}

/// Why the log was not cleaned this time.
#[derive(Debug, thiserror::Error)]
enum Uncleaned {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Table(#[from] TableError),
    #[error("a thread that read the log ended")]
    Thread,
}

impl Cleaner {
    /// Looks again and again until the host stops.
    pub(crate) async fn run(mut self) {
        loop {
            let stopped = self.stopping.wait_for(|stopping| *stopping);
            if tokio::time::timeout(CLEAN_EVERY, stopped).await.is_ok() {
                return;
            }
            if self.attempts.shared.progress.borrow().failed.is_some() {
                continue;
            }
            match self.clean().await {
                Ok(0) => {}
                Ok(segments) => {
                    tracing::info!(segments, "the oldest segments of the log are past retention and may go")
                }
                // The next time may go better; until then nothing goes.
                Err(error) => tracing::warn!("the log is not cleaned: {}", chain(&error)),
            }
        }
    }

    /// Cleans what is past retention, and says how many segments that was.
    async fn clean(&mut self) -> Result<usize, Uncleaned> {
        // Ages are told by frame time. Where that jumped, what looks old may lie within the deduplication window; and what came
        // before this start may have seen a jump.
        if self.attempts.clock.calm_for() < Duration::from_millis(self.dedup_window_ms) {
            return Ok(0);
        }
        self.forget().await?;
        let facts = self.count().await?;
        let kept = self.attempts.rules.borrow().retentions();
        let past = retention::past(&facts, &kept, self.attempts.clock.now_ms(), self.dedup_window_ms);
        let Some(last) = past.checked_sub(1).and_then(|last| facts.get(last)) else { return Ok(0) };
        let (mut next_k, last_k) = (self.first_k(), last.last_k);
        if self.fans_out(last_k)? {
            // Who is still to be owed an event stands in its record only.
            return Ok(0);
        }
        while next_k <= last_k {
            if *self.stopping.borrow() {
                return Ok(0);
            }
            next_k = self.carry(next_k, last_k).await?;
        }
        let below_k = last_k + 1;
        self.ask(CarryRequest::Rules { below_k }).await?;
        self.carry_hours(below_k).await?;
        self.carry_sums().await?;
        self.ask(CarryRequest::Cleaned { below_k }).await?;
        self.cleaned_below_k = below_k;
        Ok(past)
    }

    /// Whether an event up to a frame is owed to some to whom it did not come yet. No more such events arise there.
    fn fans_out(&self, last_k: u64) -> Result<bool, TableError> {
        let mut after = None;
        loop {
            let page = FanOut::page(&self.attempts.shared.read().state, after.as_deref(), SUMS_PAGE)?;
            let Some((last, ..)) = page.last() else { return Ok(false) };
            after = Some(last.clone());
            if page.iter().any(|(_, _, event, _)| event.k <= last_k) {
                return Ok(true);
            }
        }
    }

    /// The facts of all full segments; counts those that were not counted yet.
    async fn count(&self) -> Result<Vec<SegmentFacts>, Uncleaned> {
        let mut segments = self.attempts.archive.segments();
        segments.pop();
        let first_k = self.first_k();
        segments.retain(|segment| segment.first_k >= first_k);
        let known = SegmentFacts::all(&self.attempts.shared.read().state)?;
        for segment in segments {
            if known.iter().any(|facts| facts.first_k == segment.first_k) {
                continue;
            }
            let archive = self.attempts.archive.clone();
            let counted = blocking_behind(self.threads(), move || counted(&archive, segment)).await;
            self.attempts.partition.ask(Request::Seal(counted.ok_or(Uncleaned::Thread)??)).await?;
        }
        let facts = SegmentFacts::all(&self.attempts.shared.read().state)?;
        Ok(facts.into_iter().filter(|facts| facts.first_k >= first_k).collect())
    }

    /// The first frame of what is to be looked at.
    fn first_k(&self) -> u64 {
        self.attempts.archive.first_k().max(self.cleaned_below_k)
    }

    /// Writes again what is still needed of the frames from `from_k` on, some of them, and gives the one behind.
    async fn carry(&self, from_k: u64, last_k: u64) -> Result<u64, Uncleaned> {
        let (archive, shared) = (self.attempts.archive.clone(), Arc::clone(&self.attempts.shared));
        let read = blocking(self.threads(), move || -> Result<(u64, Vec<Page>), Uncleaned> {
            let (mut pages, mut k) = (Pages::default(), from_k);
            while k <= last_k && k - from_k < CARRIED_BATCH_FRAMES && pages.bytes < CARRIED_BATCH_BYTES {
                for item in archive.frame(k)? {
                    if let Some(remains) = Remains::of(&item.record, item.position)? {
                        // Record by record: the log's thread waits while the state is read.
                        pages.add(remains, &shared.read().state)?;
                    }
                }
                k += 1;
            }
            Ok((k, pages.into_pages()))
        });
        let (next_k, pages) = read.await.ok_or(Uncleaned::Thread)??;
        try_join_all(pages.into_iter().map(|page| self.ask(page.into_request()))).await?;
        Ok(next_k)
    }

    /// Lets go of what tenants used too long ago, a page of each tenant at a time.
    async fn forget(&mut self) -> Result<(), Uncleaned> {
        let from_hour = hour_of(self.attempts.clock.now_ms()).saturating_sub(USAGE_KEPT_HOURS);
        if from_hour == self.forgotten_before {
            return Ok(());
        }
        let mut all = true;
        for tenant in self.tenants(&HOURLY).await? {
            if self.has_old(&tenant, from_hour)? {
                self.attempts.partition.ask(Request::Forget(ForgetRequest { tenant, from_hour })).await?;
                all = false;
            }
        }
        if all {
            self.forgotten_before = from_hour;
        }
        Ok(())
    }

    /// Whether there is anything of what a tenant used, and of what models cost it, before an hour.
    fn has_old(&self, tenant: &TenantName, from_hour: u32) -> Result<bool, TableError> {
        let shared = self.attempts.shared.read();
        let state = &shared.state;
        let sums = state.scan(Table::Models, &keys::spents(tenant), Bound::Unbounded, 1)?;
        let is_old = |key: &[u8]| keys::spent_parts(key).is_some_and(|(hour, _)| hour < from_hour);
        Ok(sums.iter().any(|(key, _)| is_old(key)) || !Usage::page_from(state, tenant, 0, from_hour, 1)?.is_empty())
    }

    /// Writes again what attempts used, and what asking models cost, where it was written before `below_k` only. That of an hour which is over is
    /// written once, and then as often as its segment goes.
    async fn carry_hours(&self, below_k: u64) -> Result<(), Uncleaned> {
        for tenant in self.tenants(&HOURLY).await? {
            let used = |row: &Bytes| Ok(UsageRow::from_bytes(row)?.needs_carrying(below_k));
            for keys in self.rows(Table::Usage, &keys::tenant(&tenant), used)? {
                self.ask(CarryRequest::Usage { tenant: tenant.clone(), keys, below_k }).await?;
            }
            let spent = |row: &Bytes| SpentRow::needs_carrying(row, below_k);
            for keys in self.rows(Table::Models, &keys::spents(&tenant), spent)? {
                self.ask(CarryRequest::Spent { tenant: tenant.clone(), keys, below_k }).await?;
            }
        }
        Ok(())
    }

    /// The keys of those rows below a prefix that have to be written again, in pages.
    fn rows(
        &self,
        table: Table,
        prefix: &[u8],
        needed: impl Fn(&Bytes) -> Result<bool, TableError>,
    ) -> Result<Vec<Vec<Bytes>>, TableError> {
        let (mut pages, mut after) = (Vec::new(), None);
        loop {
            let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let rows = self.attempts.shared.read().state.scan(table, prefix, from, SUMS_PAGE)?;
            let Some((last, _)) = rows.last() else { return Ok(pages) };
            after = Some(last.clone());
            let mut keys = Vec::new();
            for (key, row) in rows {
                if needed(&row)? {
                    keys.push(key);
                }
            }
            if !keys.is_empty() {
                pages.push(keys);
            }
        }
    }

    /// Writes the sums over each tenant's rows again, after everything that they count.
    async fn carry_sums(&self) -> Result<(), Uncleaned> {
        for tenant in self.tenants(&SUMMED).await? {
            let prefix = keys::tenant(&tenant);
            let buckets = self.names(Table::Buckets, &prefix, keys::second)?;
            let queues = self.names(Table::Queues, &prefix, keys::second)?;
            let (mut buckets, mut queues) = (buckets.chunks(SUMS_PAGE), queues.chunks(SUMS_PAGE));
            loop {
                let page = (buckets.next(), queues.next());
                let (buckets, queues) = (page.0.unwrap_or_default().to_vec(), page.1.unwrap_or_default().to_vec());
                let last = buckets.is_empty() && queues.is_empty();
                self.ask(CarryRequest::Sums { tenant: tenant.clone(), buckets, queues }).await?;
                if last {
                    break;
                }
            }
        }
        Ok(())
    }

    /// All who have rows in these tables: one whose plugins only answer requests has no sums of events.
    async fn tenants(&self, tables: &'static [Table]) -> Result<BTreeSet<TenantName>, Uncleaned> {
        let shared = Arc::clone(&self.attempts.shared);
        let read = blocking(self.threads(), move || -> Result<_, TableError> {
            let mut tenants = BTreeSet::new();
            for table in tables {
                let mut behind = Vec::new();
                // Table by table and tenant by tenant: the log's thread waits while the state is read.
                while let Some(tenant) = next_tenant(&shared.read().state, *table, &behind)? {
                    behind = keys::behind_tenant(&tenant);
                    tenants.insert(tenant);
                }
            }
            Ok(tenants)
        });
        Ok(read.await.ok_or(Uncleaned::Thread)??)
    }

    /// The names in the keys of a table, read page by page.
    fn names<T>(&self, table: Table, prefix: &[u8], name: impl Fn(&[u8]) -> Option<T>) -> Result<Vec<T>, TableError> {
        let (mut names, mut after) = (Vec::new(), None);
        loop {
            let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let page = self.attempts.shared.read().state.scan(table, prefix, from, SUMS_PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(names) };
            after = Some(last.to_vec());
            names.extend(page.iter().filter_map(|(key, _)| name(key)));
        }
    }

    async fn ask(&self, request: CarryRequest) -> Result<(), Uncleaned> {
        // What is carried is not refused as events are, so it has to hold back by itself.
        while self.attempts.shared.read().state.is_full() {
            tokio::time::sleep(CARRY_PAUSE).await;
        }
        match self.attempts.partition.ask(Request::Carry(request)).await? {
            Answer::Carried => Ok(()),
            _ => Err(AskError::Stopping.into()),
        }
    }

    fn threads(&self) -> &dyn crate::surroundings::Threads {
        self.attempts.surroundings.threads.as_ref()
    }
}

/// The first tenant that has rows in a table behind a key.
fn next_tenant(tables: &impl Tables, table: Table, behind: &[u8]) -> Result<Option<TenantName>, TableError> {
    let next = tables.scan(table, &[], Bound::Excluded(behind), 1)?;
    let tenant = |key: &[u8]| {
        keys::first(key).ok_or(TableError::Row { table: table.name(), source: DecodeError::Invalid("tenant of a key") })
    };
    next.first().map(|(key, _)| tenant(key)).transpose()
}

/// Counts what a full segment holds.
fn counted(archive: &Archive, segment: SegmentInfo) -> Result<SegmentFacts, Uncleaned> {
    let SegmentInfo { first_k, last_k, .. } = segment;
    let mut facts = SegmentFacts { first_k, last_k, ..SegmentFacts::default() };
    for k in first_k..=last_k {
        for item in archive.frame(k)? {
            facts.last_ms = facts.last_ms.max(item.time_ms);
            facts.bytes += item.bytes;
            let of_bus = match &item.record {
                Record::Accept { tenant, bus, event, .. } => Some((tenant, bus, event.size())),
                Record::Settle { tenant, bus, target, published, .. } if !published.is_empty() => Some((
                    tenant,
                    published_on(bus, target),
                    published.iter().map(|published| published.event.size()).sum(),
                )),
                Record::Carry { .. } => {
                    facts.carried_bytes += item.bytes;
                    None
                }
                _ => None,
            };
            if let Some((tenant, bus, bytes)) = of_bus {
                *facts.by_bus.entry((tenant.clone(), bus.clone())).or_default() += bytes as u64;
            }
        }
    }
    Ok(facts)
}
