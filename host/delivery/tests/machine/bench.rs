//! A partition in memory: tables in a map, a log in a list.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use bytes::Bytes;
use wharf_delivery::{
    AcceptEvent, AcceptRequest, Answer, Attempt, CarryRequest, ChangeRequest, Changed, ConfigureRequest, DeliveryId,
    Details, Due, EraseRequest, Expected, FireRequest, History, LogLevel, Object, ObjectKind, ObjectName, ObjectWish,
    Outcome, PublishRequest, Quotas, Record, RecordKind, Refused, Remains, Request, ScheduleState, Sequencer,
    SettleRequest, StatsRow, Table, TableError, Tables, TargetRef, Used, ValueRow, WriteOp, WriteRequest, apply, keys,
};
use wharf_event::{Code, Event, EventBuilder, Position, RuleName, TenantName};

/// Tables in a map.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Maps(BTreeMap<(Table, Vec<u8>), Vec<u8>>);

impl Tables for Maps {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, TableError> {
        Ok(self.0.get(&(table, key.to_vec())).map(|row| Bytes::from(row.clone())))
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, TableError> {
        let rows = self.0.iter().filter(|((of, key), _)| *of == table && key.starts_with(prefix));
        let after = |key: &[u8]| match after {
            Bound::Excluded(bound) => key > bound,
            Bound::Included(bound) => key >= bound,
            Bound::Unbounded => true,
        };
        let page = rows.filter(|((_, key), _)| after(key)).take(limit);
        Ok(page.map(|((_, key), row)| (Bytes::from(key.clone()), Bytes::from(row.clone()))).collect())
    }

    fn insert(&mut self, table: Table, key: &[u8], row: Vec<u8>) {
        let before = self.0.insert((table, key.to_vec()), row);
        assert!(before.is_none(), "insert is for rows that are not there: {table:?} {key:?}");
    }

    fn put(&mut self, table: Table, key: &[u8], row: Vec<u8>) {
        self.0.insert((table, key.to_vec()), row);
    }

    fn remove(&mut self, table: Table, key: &[u8]) {
        self.0.remove(&(table, key.to_vec()));
    }
}

/// A partition without a disk.
pub struct Partition {
    pub tables: Maps,
    pub sequencer: Sequencer,
    pub log: Vec<(Position, u64, RecordKind, Bytes)>,
    pub now_ms: u64,
    /// What the tenant may have and do.
    pub quotas: Quotas,
    /// Deliveries to its handler that may wait.
    pub backlog: Option<u32>,
    trimmed_below: u64,
    k: u64,
    since_k: u64,
}

impl Partition {
    pub fn new() -> Self {
        let sequencer = Sequencer::new(300_000);
        let mut partition = Self {
            tables: Maps::default(),
            sequencer,
            log: Vec::new(),
            now_ms: 1_000_000,
            quotas: Quotas::default(),
            backlog: None,
            trimmed_below: 0,
            k: 0,
            since_k: 0,
        };
        partition.ask(Request::Configure(ConfigureRequest { document: Bytes::from_static(b"{}") })).0.unwrap();
        partition
    }

    /// Decides a request in a frame of its own.
    pub fn ask(&mut self, request: Request) -> (Result<Answer, Refused>, Vec<Due>) {
        let base = Position { k: self.k + 1, i: 0 };
        let decision = match self.sequencer.decide(request, self.now_ms, base, &self.tables).unwrap() {
            Ok(decision) => decision,
            Err(refused) => return (Err(refused), Vec::new()),
        };
        let mut due = Vec::new();
        self.k += u64::from(!decision.records.is_empty());
        for (index, record) in (0..).zip(&decision.records) {
            let position = Position { k: base.k, i: index << 8 };
            let (kind, bytes) = (record.kind(), Bytes::from(record.encode()));
            let read = Record::decode(kind, &bytes).unwrap();
            due.extend(apply(&read, position, self.now_ms, History::Whole, &mut self.tables).unwrap());
            self.log.push((position, self.now_ms, kind, bytes));
        }
        (Ok(decision.answer), due)
    }

    pub fn accept(&mut self, id: &str, targets: usize) -> (Result<Answer, Refused>, Vec<Due>) {
        self.ask(Request::Accept(self.accepting(id, targets)))
    }

    pub fn accepting(&self, id: &str, targets: usize) -> AcceptRequest {
        AcceptRequest {
            tenant: tenant(),
            bus: "default".parse().unwrap(),
            rules_version: self.sequencer.rules_version(&tenant()),
            since_k: self.since_k,
            quotas: self.quotas,
            backlogs: self.backlog.map(|most| ("handler".parse().unwrap(), most)).into_iter().collect(),
            events: vec![AcceptEvent { event: event(id), targets: targets_of(targets) }],
            delayed: None,
        }
    }

    /// How a schedule stands.
    pub fn stands(&self, schedule: &str) -> Option<ScheduleState> {
        ScheduleState::get(&self.tables, &tenant(), &schedule.parse().unwrap()).unwrap()
    }

    /// The wish that a schedule stands otherwise, and fires for so many targets.
    pub fn fire(&self, schedule: &str, state: Option<ScheduleState>, targets: Option<usize>) -> FireRequest {
        let due_ms = state.and_then(|state| state.last_ms).unwrap_or(0);
        FireRequest {
            tenant: tenant(),
            schedule: schedule.parse().unwrap(),
            rules_version: self.sequencer.rules_version(&tenant()),
            was: self.stands(schedule),
            state,
            event: targets.map(|targets| self.accepting(&format!("{schedule}-{due_ms}"), targets)),
        }
    }

    /// Closes the tenant and lets all that there is of it go; who comes now is another one of its name.
    pub fn erase(&mut self, rows_max: usize) {
        let Some(closed_at) = self.own(Some(b"closed")) else { panic!("it has no version") };
        while self.erase_page(closed_at, rows_max) {}
        self.own(None);
        self.since_k = self.k;
    }

    /// Lets a page of the tenant go that a record closed. False when nothing is left to go.
    pub fn erase_page(&mut self, closed_at: Position, rows_max: usize) -> bool {
        match self.ask(Request::Erase(EraseRequest { tenant: tenant(), closed_at, rows_max, behind: None })).0.unwrap()
        {
            Answer::Erased { left, .. } => left,
            other => panic!("{other:?}"),
        }
    }

    /// Puts or removes the tenant's own object, and gives its version.
    pub fn own(&mut self, document: Option<&'static [u8]>) -> Option<Position> {
        let (kind, name, expected) = (ObjectKind::Tenant, ObjectName::from(&tenant()), Expected::Any);
        let document = document.map(Bytes::from_static);
        let wishes = vec![ObjectWish { kind, name, document, expected }];
        match self.ask(Request::Change(ChangeRequest { tenant: tenant(), wishes })).0.unwrap() {
            Answer::Changed(changed) => changed.objects[0].version(),
            other => panic!("{other:?}"),
        }
    }

    /// The rows that there are, but for those of no tenant.
    pub fn of_tenant(&self) -> Vec<(Table, Bytes)> {
        let tables = Table::ALL.into_iter().filter(|table| !matches!(table, Table::Rules | Table::Segments));
        let rows = |table| {
            let rows = self.tables.scan(table, &[], std::ops::Bound::Unbounded, usize::MAX).unwrap();
            rows.into_iter().map(move |(key, _)| (table, key))
        };
        tables.flat_map(rows).collect()
    }

    /// How many rows a table has.
    pub fn tables_of(&self, table: Table) -> usize {
        self.tables.scan(table, &[], Bound::Unbounded, usize::MAX).unwrap().len()
    }

    pub fn settle(&mut self, settle: SettleRequest) -> (Result<Answer, Refused>, Vec<Due>) {
        self.ask(Request::Settle(Box::new(settle)))
    }

    /// Changes control objects of the kind of rules.
    pub fn change(&mut self, wishes: &[(&str, Option<&str>)], expected: Expected) -> Result<Changed, Refused> {
        let wish = |(name, document): &(&str, Option<&str>)| ObjectWish {
            kind: ObjectKind::Rule,
            name: object_name(name),
            document: document.map(|text| Bytes::from(text.to_owned())),
            expected,
        };
        let request = ChangeRequest { tenant: tenant(), wishes: wishes.iter().map(wish).collect() };
        match self.ask(Request::Change(request)).0? {
            Answer::Changed(changed) => Ok(changed),
            other => panic!("{other:?}"),
        }
    }

    pub fn object(&self, name: &str) -> Option<Object> {
        Object::get(&self.tables, &tenant(), ObjectKind::Rule, &object_name(name)).unwrap()
    }

    pub fn stats(&self) -> StatsRow {
        StatsRow::get(&self.tables, &keys::tenant(&tenant())).unwrap().unwrap_or_default()
    }

    pub fn value(&self, key: &str) -> Option<(String, Position)> {
        let row = ValueRow::get(&self.tables, &keys::value(&tenant(), &"kv".parse().unwrap(), key)).unwrap()?;
        Some((String::from_utf8(row.value.to_vec()).unwrap(), row.version))
    }

    /// Another partition that only read this one's log.
    pub fn replayed(&self) -> Maps {
        let (mut tables, mut history) =
            (Maps::default(), if self.trimmed_below > 0 { History::Cut } else { History::Whole });
        for (position, time_ms, kind, bytes) in &self.log {
            let record = Record::decode(*kind, bytes).unwrap();
            apply(&record, *position, *time_ms, history, &mut tables).unwrap();
            if matches!(record, Record::Cleaned { below_k } if below_k >= self.trimmed_below) {
                history = History::Whole;
            }
        }
        assert_eq!(history, History::Whole, "a log that was trimmed says that it was cleaned");
        tables
    }

    /// Carries what is needed of the oldest half of the log, and drops it.
    pub fn clean(&mut self) {
        let below_k = self.log[self.log.len() / 2].0.k;
        let old: Vec<_> = self.log.iter().filter(|(position, ..)| position.k < below_k).cloned().collect();
        for (position, _, kind, bytes) in old {
            let record = Record::decode(kind, &bytes).unwrap();
            let Some(Remains { tenant, events, held }) = Remains::of(&record, position).unwrap() else { continue };
            self.ask(Request::Carry(CarryRequest::Events { tenant: tenant.clone(), events })).0.unwrap();
            self.ask(Request::Carry(CarryRequest::Held { tenant, held, bytes: 0 })).0.unwrap();
        }
        self.ask(Request::Carry(CarryRequest::Rules { below_k })).0.unwrap();
        let usage = self.tables.scan(Table::Usage, &[], Bound::Unbounded, usize::MAX).unwrap();
        let keys = usage.into_iter().map(|(key, _)| key).collect();
        self.ask(Request::Carry(CarryRequest::Usage { tenant: tenant(), keys, below_k })).0.unwrap();
        let models = self.tables.scan(Table::Models, &keys::spents(&tenant()), Bound::Unbounded, usize::MAX).unwrap();
        let keys = models.into_iter().map(|(key, _)| key).collect();
        self.ask(Request::Carry(CarryRequest::Spent { tenant: tenant(), keys, below_k })).0.unwrap();
        let (buckets, queues) =
            (vec!["kv".parse().unwrap()], vec!["failed".parse().unwrap(), "loops".parse().unwrap()]);
        self.ask(Request::Carry(CarryRequest::Sums { tenant: tenant(), buckets, queues })).0.unwrap();
        self.ask(Request::Carry(CarryRequest::Cleaned { below_k })).0.unwrap();
        self.log.retain(|(position, ..)| position.k >= below_k);
        self.trimmed_below = below_k;
    }

    /// Whether a settle published an event at that place.
    pub fn published_at(&self, place: Position) -> bool {
        let base = Position { k: place.k, i: place.i & !0xff };
        let Some((_, _, kind, bytes)) = self.log.iter().find(|(position, ..)| *position == base) else { return false };
        let record = Record::decode(*kind, bytes).unwrap();
        matches!(record, Record::Settle { published, .. } if published.len() >= (place.i & 0xff) as usize)
    }

    /// The event that a delivery's row names, as the log has it.
    pub fn event_at(&self, place: Position) -> Option<Event> {
        let base = Position { k: place.k, i: place.i & !0xff };
        let (_, _, kind, bytes) = self.log.iter().find(|(position, ..)| *position == base)?;
        let n = (place.i & 0xff) as usize;
        match Record::decode(*kind, bytes).unwrap() {
            Record::Accept { event, .. } | Record::Edited { event, .. } => Some(event),
            Record::Settle { published, .. } => Some(published[n - 1].event.clone()),
            Record::Carry { events, .. } => Some(events[n - 1].clone()),
            _ => None,
        }
    }
}

fn object_name(name: &str) -> ObjectName {
    ObjectName::from(&name.parse::<RuleName>().unwrap())
}

pub fn tenant() -> TenantName {
    "acme".parse().unwrap()
}

pub fn event(id: &str) -> Event {
    EventBuilder::new(id, "test", "order.created").data(Bytes::from_static(b"{\"n\":1}")).build().unwrap()
}

pub fn targets_of(count: usize) -> Vec<TargetRef> {
    let target = |n| TargetRef::new(format!("rule-{n}").parse().unwrap(), "handler".parse().unwrap());
    (0..count).map(target).collect()
}

/// A settle without effects.
pub fn settled(delivery: DeliveryId, number: u32, outcome: Outcome) -> SettleRequest {
    let release = Some(wharf_event::Digest::of(b"release"));
    SettleRequest {
        delivery,
        tenant: tenant(),
        target: "handler".parse().unwrap(),
        attempt: Attempt { number, release, duration_us: 10, details: told(number) },
        outcome,
        reads: Vec::new(),
        rules_version: 1,
        published: Vec::new(),
        writes: Vec::new(),
        quotas: Quotas::default(),
        publish_per_s: None,
    }
}

/// An event to publish, with so many targets and their queue.
pub fn publish(event: Event, targets: usize) -> PublishRequest {
    let queues = vec!["loops".parse().unwrap(); targets];
    PublishRequest { event, targets: targets_of(targets), queues }
}

pub fn write(key: &str, op: WriteOp) -> WriteRequest {
    WriteRequest { bucket: "kv".parse().unwrap(), key: key.into(), op }
}

/// What an attempt is charged with; nothing of every other one, as of those of before that was kept.
pub fn used(number: u32) -> Option<Used> {
    let n = u64::from(number);
    let used = Used { cpu_ns: 1_000 + n, memory_kib_us: 64 * n, bytes_in: 10, bytes_out: n, host_calls: 2 };
    (number % 4 == 1).then_some(used)
}

/// What an attempt used and said; nothing of every other one.
fn told(number: u32) -> Option<Arc<Details>> {
    let mut details = Details { cpu_us: 5, memory_bytes: 1 << 20, limits: vec![Code::LimitCpu], ..Details::default() };
    details.log.push(LogLevel::Warn, "stderr", "it said so");
    details.used = used(number);
    (number % 2 == 1).then(|| Arc::new(details))
}
