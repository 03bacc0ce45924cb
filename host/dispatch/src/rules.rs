//! The rule set in use: patterns compiled, plugins resolved to releases. How it is made stands in `compile.rs`.
//!
//! Invariant: a rule set never changes. A change makes another one, which shares with it whatever is the same; readers use the
//! one that they have, and never wait.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap, HashSet},
    ops::Bound,
    sync::Arc,
};

use rpds::{HashTrieMapSync, RedBlackTreeMapSync};
use wharf_delivery::{
    AcceptEvent, AcceptRequest, Document, LimitsDocument, OnQuarantine, Quotas, RetentionDocument, TargetDocument,
    TargetRef, TenantSettings, limits::TARGETS_AT_ONCE,
};
use wharf_event::{
    BusName, Digest, Event, PluginName, QueueName, RoutePath, RuleName, Target, TenantName, WebhookName,
};
use wharf_input::Input;
use wharf_pattern::{Pattern, RuleMatcher, Scratch, Subject, Verdict};

use crate::{
    breakers::{Guarded, Of},
    gone::Gone,
    inputs::Inputs,
    lane::LaneKey,
    limits::WEBHOOK_MEMORY_MIB,
    orders::Orders,
    places::Share,
    plugins::{Plugin, Shelf},
    queues::QueueInForce,
    routes::RouteInForce,
    schedules::ScheduleMap,
    schemas::SchemaSet,
    transform::Step,
    webhooks::WebhookInForce,
};

/// The bus that every tenant of a configuration has.
const MAIN_BUS: &str = "default";

/// Why nothing was matched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// No such tenant.
    #[error("there is no tenant `{0}`")]
    Tenant(TenantName),
    /// No such bus.
    #[error("tenant `{0}` has no event bus `{1}`")]
    Bus(TenantName, BusName),
}

/// Where a rule or a plugin was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In the configuration file: only there it can be changed.
    File,
    /// While the host ran: it is a control object.
    Object,
}

/// A rule of a bus.
pub struct Rule {
    /// Its name.
    pub name: RuleName,
    /// The bus that it listens on.
    pub bus: BusName,
    /// Its pattern.
    pub pattern: Pattern,
    /// Who gets what it matches.
    pub targets: Vec<TargetDocument>,
    /// Whether it matches anything.
    pub enabled: bool,
    /// Where it was made.
    pub origin: Origin,
    /// What changes an event on its way to the targets, in this order.
    pub transforms: Vec<PluginName>,
    /// What the targets get of an event.
    pub(crate) inputs: Inputs,
    /// What the targets order events by.
    pub(crate) orders: Orders,
    /// Its number in the bus's matcher.
    pub(crate) number: u64,
}

/// A bus: the patterns of its enabled rules at once, and the rules by the numbers that they have there.
#[derive(Clone)]
pub(crate) struct Bus {
    /// Where it was made.
    pub(crate) origin: Origin,
    /// How long it keeps its events.
    pub(crate) retention: RetentionDocument,
    /// Deliveries of its events that may wait, where that is said.
    pub(crate) backlog: Option<u32>,
    pub(crate) matcher: RuleMatcher,
    pub(crate) numbered: HashTrieMapSync<u64, Arc<Rule>>,
    /// The number of the next rule: none comes twice.
    pub(crate) next: u64,
}

impl Bus {
    /// A bus without rules.
    pub(crate) fn made(origin: Origin, retention: Option<RetentionDocument>) -> Self {
        let retention = retention.unwrap_or_default();
        let (matcher, numbered) = (RuleMatcher::default(), HashTrieMapSync::default());
        Self { origin, retention, backlog: None, matcher, numbered, next: 0 }
    }
}

thread_local! {
    /// Room for matching one event at a time.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

#[derive(Clone)]
pub(crate) struct Tenant {
    /// Where it was made.
    pub(crate) origin: Origin,
    /// The last frame of the log that belongs to others, who may have had its name.
    pub(crate) since_k: u64,
    /// When it was resumed last, in milliseconds.
    pub(crate) resumed_ms: u64,
    pub(crate) version: u64,
    pub(crate) buses: BTreeMap<BusName, Arc<Bus>>,
    pub(crate) plugins: RedBlackTreeMapSync<PluginName, Arc<Plugin>>,
    pub(crate) transforms: RedBlackTreeMapSync<PluginName, Arc<Step>>,
    pub(crate) rules: RedBlackTreeMapSync<RuleName, Arc<Rule>>,
    pub(crate) schemas: Arc<SchemaSet>,
    pub(crate) webhooks: RedBlackTreeMapSync<WebhookName, Arc<WebhookInForce>>,
    pub(crate) queues: RedBlackTreeMapSync<QueueName, QueueInForce>,
    pub(crate) schedules: Arc<ScheduleMap>,
    pub(crate) routes: RedBlackTreeMapSync<RoutePath, Arc<RouteInForce>>,
    pub(crate) settings: Arc<TenantSettings>,
    pub(crate) gone: Gone,
}

impl Default for Tenant {
    fn default() -> Self {
        Self {
            origin: Origin::File,
            since_k: 0,
            resumed_ms: 0,
            version: 0,
            buses: BTreeMap::new(),
            plugins: RedBlackTreeMapSync::default(),
            transforms: RedBlackTreeMapSync::default(),
            rules: RedBlackTreeMapSync::default(),
            schemas: Arc::default(),
            webhooks: RedBlackTreeMapSync::default(),
            queues: RedBlackTreeMapSync::default(),
            schedules: Arc::default(),
            routes: RedBlackTreeMapSync::default(),
            settings: Arc::default(),
            gone: Gone::default(),
        }
    }
}

/// A tenant that is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Departed {
    /// The last frame of the log that is its.
    pub(crate) since_k: u64,
    /// Whether there is something of it left.
    pub(crate) erasing: bool,
}

/// Everything that events are matched with.
#[derive(Clone, Default)]
pub struct RuleSet {
    pub(crate) version: u64,
    /// The version of the configuration.
    pub(crate) configured: u64,
    pub(crate) document: Arc<Document>,
    pub(crate) tenants: HashTrieMapSync<TenantName, Arc<Tenant>>,
    /// Tenants that are deleted, as long as that matters.
    pub(crate) departed: HashTrieMapSync<TenantName, Departed>,
    pub(crate) shelf: Shelf,
}

impl RuleSet {
    /// The version; 0 before the first.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The version that a tenant's part has: changes of others leave it as it is. That of the configuration where there is no such
    /// tenant.
    #[must_use]
    pub fn version_of(&self, tenant: &TenantName) -> u64 {
        self.tenants.get(tenant).map_or(self.configured, |tenant| tenant.version)
    }

    /// The configuration that it was made from, control objects aside.
    #[must_use]
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Whether there is such a tenant.
    #[must_use]
    pub fn has_tenant(&self, tenant: &TenantName) -> bool {
        self.tenants.contains_key(tenant)
    }

    /// The tenants, by name.
    #[must_use]
    pub fn tenants(&self) -> Vec<TenantName> {
        let mut names: Vec<TenantName> = self.tenants.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    /// The tenants that are being deleted, by name.
    #[must_use]
    pub fn deleting(&self) -> Vec<TenantName> {
        let erasing = self.departed.iter().filter(|(_, departed)| departed.erasing);
        let mut names: Vec<TenantName> = erasing.map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        names
    }

    /// Where a tenant was made; absent where there is none.
    #[must_use]
    pub fn origin(&self, tenant: &TenantName) -> Option<Origin> {
        self.tenants.get(tenant).map(|tenant| tenant.origin)
    }

    /// The last frame of the log before a tenant was made: what lies up to there is none of its.
    #[must_use]
    pub fn since_k(&self, tenant: &TenantName) -> u64 {
        self.tenants.get(tenant).map_or(0, |tenant| tenant.since_k)
    }

    /// When a tenant was resumed last, in milliseconds: what was owed before then has not grown older meanwhile.
    pub(crate) fn resumed_ms(&self, tenant: &TenantName) -> u64 {
        self.tenants.get(tenant).map_or(0, |tenant| tenant.resumed_ms)
    }

    /// The buses of a tenant by name, its topics aside, each with where it was made and how long it keeps its events.
    pub fn buses(&self, tenant: &TenantName) -> impl Iterator<Item = (&BusName, Origin, RetentionDocument)> {
        let of = self.tenants.get(tenant);
        let all = of.into_iter().flat_map(|of| &of.buses).filter(|(name, _)| name.is_plain());
        all.map(|(name, bus)| (name, bus.origin, bus.retention))
    }

    /// Deliveries of events of a bus that may wait, where that is said.
    #[must_use]
    pub fn bus_backlog(&self, tenant: &TenantName, bus: &BusName) -> Option<u32> {
        self.tenants.get(tenant)?.buses.get(bus)?.backlog
    }

    /// What a tenant may have and do with events that arise on a bus.
    pub(crate) fn quotas_on(&self, tenant: &TenantName, bus: &BusName) -> Quotas {
        Quotas { of_bus: self.bus_backlog(tenant, bus), ..self.settings(tenant).quotas }
    }

    /// Every bus of every tenant, with how long it keeps its events. What is sent straight to a queue, and by schedules straight to their targets, is kept
    /// as on the main bus.
    pub(crate) fn retentions(&self) -> HashMap<(TenantName, BusName), RetentionDocument> {
        let of = |(tenant, of): (&TenantName, &Arc<Tenant>)| -> Vec<_> {
            let main = self.main_bus(tenant).and_then(|bus| of.buses.get(&bus));
            let kept = main.map_or_else(RetentionDocument::default, |bus| bus.retention);
            let aimed = of.schedules.values().filter(|schedule| !schedule.document.targets.is_empty());
            let aimed = aimed.map(|schedule| schedule.document.bus.clone());
            let straight = of.queues.keys().map(BusName::of_queue).chain(aimed);
            let straight = straight.map(|bus| ((tenant.clone(), bus), kept));
            of.buses.iter().map(|(bus, it)| ((tenant.clone(), bus.clone()), it.retention)).chain(straight).collect()
        };
        self.tenants.iter().flat_map(of).collect()
    }

    /// Whether a tenant is deleted, and no other one has its name.
    #[must_use]
    pub fn is_departed(&self, tenant: &TenantName) -> bool {
        !self.departed.is_empty() && self.departed.contains_key(tenant) && !self.tenants.contains_key(tenant)
    }

    /// What holds for a tenant as a whole; nothing where there is none of that name.
    #[must_use]
    pub fn settings(&self, tenant: &TenantName) -> Arc<TenantSettings> {
        self.tenants.get(tenant).map(|tenant| Arc::clone(&tenant.settings)).unwrap_or_default()
    }

    /// A rule of a tenant.
    #[must_use]
    pub fn rule(&self, tenant: &TenantName, rule: &RuleName) -> Option<&Rule> {
        Some(self.tenants.get(tenant)?.rules.get(rule)?.as_ref())
    }

    /// The rules of a bus in the order of their names, those behind `after` only.
    ///
    /// # Errors
    /// When there is no such tenant or bus.
    pub fn rules<'a>(
        &'a self,
        tenant: &TenantName,
        bus: &'a BusName,
        after: Option<&'a RuleName>,
    ) -> Result<impl Iterator<Item = &'a Rule> + use<'a>, Unknown> {
        let of = self.of(tenant)?;
        on(of, tenant, bus)?;
        // Subscriptions of a topic are next to each other: their names begin with its name and `/`, which no other rule's does.
        let prefix = bus.topic().map(|topic| format!("{topic}/"));
        let least = prefix.as_ref().and_then(|prefix| format!("{prefix}0").parse::<RuleName>().ok());
        let from = match (after.cloned(), least) {
            (Some(after), least) if least.as_ref().is_none_or(|least| *least <= after) => Bound::Excluded(after),
            (_, Some(least)) => Bound::Included(least),
            (_, None) => Bound::Unbounded,
        };
        let rules = of.rules.range((from, Bound::Unbounded));
        let rules = rules.take_while(move |(name, _)| {
            prefix.as_ref().is_none_or(|prefix| name.as_str().starts_with(prefix.as_str()))
        });
        Ok(rules.map(|(_, rule)| rule.as_ref()).filter(move |rule| rule.bus == *bus))
    }

    /// Whether there is such a bus.
    ///
    /// # Errors
    /// What there is not.
    pub fn check_bus(&self, tenant: &TenantName, bus: &BusName) -> Result<(), Unknown> {
        on(self.of(tenant)?, tenant, bus).map(drop)
    }

    fn of(&self, tenant: &TenantName) -> Result<&Tenant, Unknown> {
        self.tenants.get(tenant).map(Arc::as_ref).ok_or_else(|| Unknown::Tenant(tenant.clone()))
    }

    /// Who an event on a bus is owed to, in the order of the rules' names.
    ///
    /// # Errors
    /// When there is no such tenant or bus.
    pub fn targets(&self, tenant: &TenantName, bus: &BusName, event: &Event) -> Result<Vec<TargetRef>, Unknown> {
        let of = self.of(tenant)?;
        let Bus { matcher, numbered, .. } = on(of, tenant, bus)?;
        if matcher.is_empty() {
            return Ok(Vec::new());
        }
        let mut matched: Vec<&Rule> = SCRATCH.with_borrow_mut(|scratch| {
            let numbers = matcher.matches_event(event, scratch).iter();
            numbers.filter_map(|number| numbered.get(number).map(Arc::as_ref)).collect()
        });
        matched.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let mut targets: Vec<_> = matched.into_iter().flat_map(|rule| of.owed(rule, event)).collect();
        if targets.len() > TARGETS_AT_ONCE {
            // Those that others have to come behind take their places with the event, not after ones that come later.
            targets.sort_by_key(|target| target.key().is_none());
        }
        Ok(targets)
    }

    /// What each enabled rule of a bus says to an event, in the order of their names and behind `after` only: why it matches, or why not.
    ///
    /// # Errors
    /// When there is no such tenant or bus.
    pub fn explain<'a>(
        &'a self,
        tenant: &TenantName,
        bus: &'a BusName,
        event: &'a Event,
        after: Option<&'a RuleName>,
    ) -> Result<impl Iterator<Item = (&'a Rule, Verdict)> + use<'a>, Unknown> {
        let subject = Subject::of(event);
        let rules = self.rules(tenant, bus, after)?.filter(|rule| rule.enabled);
        Ok(rules.map(move |rule| (rule, rule.pattern.judge(&subject))))
    }

    /// What a rule says of a target; absent when the rule or the target is gone.
    #[must_use]
    pub fn resolve(&self, tenant: &TenantName, target: &TargetRef) -> Option<&TargetDocument> {
        let of = self.tenants.get(tenant)?;
        let rule = of.rules.get(&target.rule).filter(|_| of.has(&target.to))?;
        rule.targets.iter().find(|candidate| candidate.to == target.to)
    }

    /// What changes an event on its way to the targets of a rule, in this order.
    pub(crate) fn transforms(&self, tenant: &TenantName, rule: &RuleName) -> impl Iterator<Item = &Arc<Step>> {
        let of = self.tenants.get(tenant);
        let rule = of.and_then(|of| of.rules.get(rule));
        let named = rule.into_iter().flat_map(|rule| &rule.transforms);
        // Rules are only made and kept while their transforms are there.
        named.filter_map(move |plugin| of?.transforms.get(plugin))
    }

    /// A plugin of a tenant that handles events.
    #[must_use]
    pub fn plugin(&self, tenant: &TenantName, plugin: &PluginName) -> Option<Arc<Plugin>> {
        self.tenants.get(tenant)?.plugins.get(plugin).cloned()
    }

    /// The names of a tenant's plugins that are ready to be called: those that handle events, then those that change them.
    pub fn plugins(&self, tenant: &TenantName) -> impl Iterator<Item = &PluginName> {
        let of = self.tenants.get(tenant);
        of.into_iter().flat_map(|of| of.plugins.keys().chain(of.transforms.keys()))
    }

    /// Releases that some plugin of some tenant may be called with.
    #[must_use]
    pub fn releases(&self) -> HashSet<Digest> {
        let of = |tenant: &Arc<Tenant>| -> Vec<Digest> {
            let handlers = tenant.plugins.values().flat_map(|plugin| plugin.releases());
            handlers.chain(tenant.transforms.values().map(|step| step.release())).collect()
        };
        self.tenants.values().flat_map(of).collect()
    }

    /// What a target gets in place of an event's payload, if it does not get the event as it is.
    pub(crate) fn input(&self, tenant: &TenantName, target: &TargetRef) -> Option<&Input> {
        self.rule(tenant, &target.rule)?.inputs.get(&target.to)
    }

    /// The limits of a plugin; the defaults where there is none of that name.
    #[must_use]
    pub fn limits(&self, tenant: &TenantName, plugin: &PluginName) -> LimitsDocument {
        let of = self.tenants.get(tenant).and_then(|of| of.plugins.get(plugin));
        of.map_or(LimitsDocument::default(), |plugin| plugin.limits)
    }

    /// The limits of a target; the defaults where it is no plugin, or not there.
    pub(crate) fn limits_of(&self, tenant: &TenantName, target: &Target) -> LimitsDocument {
        target.plugin().map_or(LimitsDocument::default(), |plugin| self.limits(tenant, plugin))
    }

    /// The wish that these events, which it matched, are accepted.
    pub(crate) fn accepting(&self, tenant: &TenantName, bus: BusName, events: Vec<AcceptEvent>) -> AcceptRequest {
        AcceptRequest {
            tenant: tenant.clone(),
            rules_version: self.version_of(tenant),
            since_k: self.since_k(tenant),
            quotas: self.quotas_on(tenant, &bus),
            bus,
            backlogs: self.backlogs(tenant, &events),
            events,
            delayed: None,
        }
    }

    /// Deliveries that may wait of those among the targets for which that is said.
    fn backlogs(&self, tenant: &TenantName, events: &[AcceptEvent]) -> BTreeMap<Target, u32> {
        let targets = events.iter().flat_map(|event| &event.targets).map(|target| &target.to);
        targets.filter_map(|target| Some((target.clone(), self.backlog(tenant, target)?))).collect()
    }

    /// Deliveries to a target that may wait, if that is said.
    fn backlog(&self, tenant: &TenantName, target: &Target) -> Option<u32> {
        match target {
            Target::Queue(name) => self.queue(tenant, name)?.settings.backlog,
            Target::Webhook(name) => self.webhook(tenant, name)?.settings.backlog,
            _ => self.limits_of(tenant, target).backlog,
        }
    }

    /// What a lane's breaker goes by; absent where its target has none.
    pub(crate) fn guarded(&self, (tenant, target): &LaneKey) -> Option<Guarded> {
        let (by, of) = match target {
            Target::Plugin(name) => {
                let plugin = self.tenants.get(tenant)?.plugins.get(name)?;
                (plugin.breaker?, Of::Plugin(Arc::clone(plugin)))
            }
            // One that is off has nothing to be guarded from, and begins anew when it is on again.
            Target::Webhook(name) => {
                let webhook = self.webhook(tenant, name).filter(|webhook| webhook.object.disabled.is_none())?;
                (webhook.settings.breaker.unwrap_or_default(), Of::Webhook(Arc::clone(&webhook.settings)))
            }
            _ => return None,
        };
        by.enabled.then_some(Guarded { by, of })
    }

    /// What becomes of a plugin's deliveries while its release is quarantined.
    pub(crate) fn on_quarantine(&self, tenant: &TenantName, plugin: &PluginName) -> OnQuarantine {
        let of = self.tenants.get(tenant).and_then(|of| of.plugins.get(plugin));
        of.map_or_else(OnQuarantine::default, |plugin| plugin.limits.quarantine)
    }

    /// The bus of a tenant on which the host tells what happened: the one named `default`, or else the first.
    pub(crate) fn main_bus(&self, tenant: &TenantName) -> Option<BusName> {
        let buses = &self.tenants.get(tenant)?.buses;
        let named = buses.keys().find(|bus| bus.as_str() == MAIN_BUS);
        named.or_else(|| buses.keys().find(|bus| bus.is_plain())).cloned()
    }

    /// Attempts of a target that may begin in a second, if that is said.
    pub(crate) fn rate(&self, (tenant, target): &LaneKey) -> Option<u32> {
        match target.webhook() {
            Some(name) => self.webhook(tenant, name)?.settings.per_s,
            None => self.limits_of(tenant, target).attempts_per_s,
        }
    }

    /// Attempts of one key of a rule's target that may begin in a second, if that is said.
    pub(crate) fn key_rate(&self, tenant: &TenantName, target: &TargetRef) -> Option<u32> {
        self.resolve(tenant, target)?.key_per_s
    }

    /// What holds for a tenant and for one of its targets beside others; the defaults where there is no such.
    pub(crate) fn shares(&self, tenant: &TenantName, target: &Target) -> (Share, Share) {
        let of = self.tenants.get(tenant);
        let LimitsDocument { weight, concurrency, memory_mib, .. } = self.limits_of(tenant, target);
        let of_target = match target.webhook().and_then(|name| self.webhook(tenant, name)) {
            Some(webhook) => {
                Share { concurrency: webhook.settings.concurrency, weight, memory_mib: WEBHOOK_MEMORY_MIB }
            }
            // Nothing runs for it.
            None if target.bus().is_some() => Share { weight, concurrency, memory_mib: WEBHOOK_MEMORY_MIB },
            None => Share { weight, concurrency, memory_mib },
        };
        let of_tenant = |of: &TenantSettings| Share {
            weight: of.weight(),
            concurrency: of.concurrency(),
            memory_mib: of.memory_mib(),
        };
        (of.map_or_else(|| of_tenant(&TenantSettings::default()), |of| of_tenant(&of.settings)), of_target)
    }
}

impl Tenant {
    /// Who an event is owed to by a rule that is for it.
    pub(crate) fn owed(&self, rule: &Rule, event: &Event) -> Vec<TargetRef> {
        let target = |target: &TargetDocument| {
            let key = rule.orders.key(&target.to, event).or_else(|| self.message_key(&target.to, event));
            TargetRef { rule: rule.name.clone(), to: target.to.clone(), order: key.map(|key| (key, false)) }
        };
        rule.targets.iter().map(target).collect()
    }
}

fn on<'a>(of: &'a Tenant, tenant: &TenantName, bus: &BusName) -> Result<&'a Bus, Unknown> {
    of.buses.get(bus).map(Arc::as_ref).ok_or_else(|| Unknown::Bus(tenant.clone(), bus.clone()))
}
