//! The rule set in use: patterns compiled, plugins resolved to releases. It is swapped as a whole.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use wharf_capability::Grants;
use wharf_delivery::{Document, LimitsDocument, TargetDocument, TargetRef};
use wharf_event::{BusName, Digest, Event, PluginName, RuleName, TenantName};
use wharf_pattern::{Mismatch, Pattern, PatternError, RuleMatcher, Scratch, Subject};

use crate::{
    handler::Handler,
    transform::{Step, Transforms},
};

/// What can be called, by its digest.
pub type Releases = HashMap<Digest, Arc<dyn Handler>>;

/// A document that cannot be put to use.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RulesError {
    /// A rule's pattern is wrong.
    #[error("tenant {tenant}, rule {rule}: {source}")]
    Pattern {
        /// Whose rule.
        tenant: TenantName,
        /// Which rule.
        rule: RuleName,
        /// What is wrong.
        source: PatternError,
    },
    /// A bus has too many rules.
    #[error("tenant {tenant}, rule {rule}: {source}")]
    Rules {
        /// Whose rule.
        tenant: TenantName,
        /// The one that is too much.
        rule: RuleName,
        /// What there is too much of.
        source: wharf_pattern::RulesError,
    },
    /// A plugin names a component that was not given.
    #[error("tenant {tenant}, plugin {plugin}: there is no component {release}")]
    Release {
        /// Whose plugin.
        tenant: TenantName,
        /// Which plugin.
        plugin: PluginName,
        /// The digest that it names.
        release: Digest,
    },
    /// A rule names a transform that is none.
    #[error("tenant {tenant}, rule {rule}: there is no transform {plugin}")]
    Transform {
        /// Whose rule.
        tenant: TenantName,
        /// Which rule.
        rule: RuleName,
        /// What it names.
        plugin: PluginName,
    },
}

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

/// A plugin, ready to be called.
pub struct Plugin {
    /// What runs.
    pub handler: Arc<dyn Handler>,
    /// Its config table.
    pub config: Arc<BTreeMap<String, String>>,
    /// What it may use.
    pub grants: Arc<Grants>,
    /// What it may consume.
    pub limits: LimitsDocument,
}

/// A rule of a bus.
pub struct Rule {
    /// Its name.
    pub name: RuleName,
    /// Its pattern.
    pub pattern: Pattern,
    /// Who gets what it matches.
    pub targets: Vec<TargetDocument>,
}

/// The rules of a bus, in the order of their names, and all their patterns at once: each has the number of its place.
#[derive(Default)]
struct Bus {
    rules: Vec<Rule>,
    matcher: RuleMatcher,
}

thread_local! {
    /// Room for matching one event at a time.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

#[derive(Default)]
struct Tenant {
    buses: HashMap<BusName, Bus>,
    plugins: HashMap<PluginName, Arc<Plugin>>,
    /// By the rule that they belong to.
    transforms: HashMap<RuleName, Vec<Arc<Step>>>,
}

/// Everything that events are matched with.
#[derive(Default)]
pub struct RuleSet {
    version: u64,
    document: Document,
    tenants: HashMap<TenantName, Tenant>,
}

impl RuleSet {
    /// Compiles a document.
    ///
    /// # Errors
    /// When a pattern is wrong, a component is missing, or a rule's transform is none.
    pub fn new(document: Document, releases: &Releases, transforms: &Transforms) -> Result<Self, RulesError> {
        let mut tenants = HashMap::new();
        for (name, from) in &document.tenants {
            let mut tenant = Tenant::default();
            tenant.buses.extend(from.buses.iter().map(|bus| (bus.clone(), Bus::default())));
            let mut of_tenant = HashMap::new();
            for (plugin, from) in &from.plugins {
                if let Some(transform) = transforms.get(&from.release).cloned() {
                    let step = Step::new((plugin.clone(), from.release), transform, from.limits);
                    of_tenant.insert(plugin.clone(), Arc::new(step));
                    continue;
                }
                let Some(handler) = releases.get(&from.release).cloned() else {
                    let (tenant, plugin, release) = (name.clone(), plugin.clone(), from.release);
                    return Err(RulesError::Release { tenant, plugin, release });
                };
                let config = Arc::new(from.config.clone());
                let grants = Arc::new(Grants::new(&from.grants));
                let ready = Plugin { handler, config, grants, limits: from.limits };
                tenant.plugins.insert(plugin.clone(), Arc::new(ready));
            }
            for (rule, from) in &from.rules {
                let pattern = Pattern::parse(&from.pattern).map_err(|source| RulesError::Pattern {
                    tenant: name.clone(),
                    rule: rule.clone(),
                    source,
                })?;
                let bus = tenant.buses.entry(from.bus.clone()).or_default();
                bus.matcher.insert(bus.rules.len() as u64, &pattern).map_err(|source| RulesError::Rules {
                    tenant: name.clone(),
                    rule: rule.clone(),
                    source,
                })?;
                bus.rules.push(Rule { name: rule.clone(), pattern, targets: from.targets.clone() });
                let find = |plugin: &PluginName| {
                    let (tenant, rule, plugin) = (name.clone(), rule.clone(), plugin.clone());
                    of_tenant.get(&plugin).cloned().ok_or(RulesError::Transform { tenant, rule, plugin })
                };
                let found = from.transforms.iter().map(find).collect::<Result<Vec<_>, _>>()?;
                tenant.transforms.insert(rule.clone(), found);
            }
            tenants.insert(name.clone(), tenant);
        }
        Ok(Self { version: 0, document, tenants })
    }

    /// The same rule set under the version that the log gave it.
    #[must_use]
    pub fn with_version(self, version: u64) -> Self {
        Self { version, ..self }
    }

    /// The version; 0 before the first.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// What it was made from.
    #[must_use]
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Whether there is such a tenant.
    #[must_use]
    pub fn has_tenant(&self, tenant: &TenantName) -> bool {
        self.tenants.contains_key(tenant)
    }

    /// The rules of a bus, in the order of their names.
    ///
    /// # Errors
    /// When there is no such tenant or bus.
    pub fn bus(&self, tenant: &TenantName, bus: &BusName) -> Result<&[Rule], Unknown> {
        self.on(tenant, bus).map(|bus| bus.rules.as_slice())
    }

    fn on(&self, tenant: &TenantName, bus: &BusName) -> Result<&Bus, Unknown> {
        let of = self.tenants.get(tenant).ok_or_else(|| Unknown::Tenant(tenant.clone()))?;
        of.buses.get(bus).ok_or_else(|| Unknown::Bus(tenant.clone(), bus.clone()))
    }

    /// Who an event on a bus is owed to, in the order of the rules' names.
    ///
    /// # Errors
    /// When there is no such tenant or bus.
    pub fn targets(&self, tenant: &TenantName, bus: &BusName, event: &Event) -> Result<Vec<TargetRef>, Unknown> {
        let Bus { rules, matcher } = self.on(tenant, bus)?;
        if rules.is_empty() {
            return Ok(Vec::new());
        }
        let mut matched = SCRATCH.with_borrow_mut(|scratch| matcher.matches_event(event, scratch).to_vec());
        matched.sort_unstable();
        let refs = |rule: &Rule| -> Vec<TargetRef> {
            let target = |target: &TargetDocument| TargetRef { rule: rule.name.clone(), plugin: target.plugin.clone() };
            rule.targets.iter().map(target).collect()
        };
        let matched = matched.into_iter().filter_map(|number| rules.get(usize::try_from(number).ok()?));
        Ok(matched.flat_map(refs).collect())
    }

    /// What each rule of a bus says to an event.
    ///
    /// # Errors
    /// When there is no such tenant or bus.
    pub fn explain(
        &self,
        tenant: &TenantName,
        bus: &BusName,
        event: &Event,
    ) -> Result<Vec<(&Rule, Option<Mismatch>)>, Unknown> {
        let subject = Subject::of(event);
        Ok(self.bus(tenant, bus)?.iter().map(|rule| (rule, rule.pattern.explain(&subject))).collect())
    }

    /// The plugin and the policy behind a target; absent when the rule or the plugin is gone.
    #[must_use]
    pub fn resolve(&self, tenant: &TenantName, target: &TargetRef) -> Option<(Arc<Plugin>, &TargetDocument)> {
        let plugin = self.tenants.get(tenant)?.plugins.get(&target.plugin)?;
        let rule = self.document.tenants.get(tenant)?.rules.get(&target.rule)?;
        let policy = rule.targets.iter().find(|candidate| candidate.plugin == target.plugin)?;
        Some((Arc::clone(plugin), policy))
    }

    /// What changes an event on its way to the targets of a rule, in this order.
    pub(crate) fn transforms(&self, tenant: &TenantName, rule: &RuleName) -> &[Arc<Step>] {
        self.tenants.get(tenant).and_then(|tenant| tenant.transforms.get(rule)).map_or(&[], Vec::as_slice)
    }

    /// Attempts that a plugin may make at a time.
    #[must_use]
    pub fn concurrency(&self, tenant: &TenantName, plugin: &PluginName) -> u32 {
        let found = self.tenants.get(tenant).and_then(|tenant| tenant.plugins.get(plugin));
        found.map_or(LimitsDocument::default(), |plugin| plugin.limits).concurrency
    }
}
