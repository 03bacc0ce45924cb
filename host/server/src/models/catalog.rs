//! What the operator says of models, as it is looked up by a call.

use std::{collections::BTreeMap, sync::Arc};

use wharf_catalog::PromptDocument;
use wharf_delivery::{Budget, BudgetOf, BudgetPer, BudgetUnit};
use wharf_event::{Digest, ModelName, PluginName, PromptName, RouteName, TenantName};
use wharf_llm::{Ask, Bedrock, Echo, Failed, OpenAi, Provider, Replay, SageMaker, Script, Usage};

use super::scripts::Scripts;
use crate::{
    config::{
        BudgetConfig, BudgetsConfig, CacheConfig, Config, ECHO, LlmConfig, ModelConfig, Protocol, ProviderConfig,
        RouteConfig,
    },
    prices::Money,
};

/// Models and the ways to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    llm: LlmConfig,
    scripts: Scripts,
    routes: BTreeMap<TenantName, BTreeMap<RouteName, RouteConfig>>,
    budgets: BTreeMap<TenantName, BudgetsConfig>,
    caches: BTreeMap<TenantName, CacheConfig>,
    prompts: BTreeMap<TenantName, BTreeMap<PromptName, PromptDocument>>,
    /// What prices are in.
    pub currency: Option<Arc<str>>,
}

/// A model that can be asked.
pub(super) struct Model<'a> {
    pub(super) name: &'a ModelName,
    /// What its provider calls it.
    pub(super) id: &'a str,
    input_price: Option<Money>,
    output_price: Option<Money>,
    /// Whose it is; none where the host answers by itself.
    pub(super) provider: Option<(&'a str, &'a ProviderConfig)>,
    /// What it says, where a file has that.
    script: Option<&'a Arc<Script>>,
}

impl Catalog {
    /// What a configuration says, with the files of answers that it names.
    #[must_use]
    pub fn new(config: &Config, scripts: Scripts) -> Self {
        let routes = config.tenants.iter().map(|(name, tenant)| (name.clone(), tenant.models.clone()));
        let currency = config.host.prices.currency.map(|currency| currency.to_string().into());
        let budgets = config.tenants.iter().map(|(name, tenant)| (name.clone(), tenant.budgets.clone()));
        let caches = config.tenants.iter().map(|(name, tenant)| (name.clone(), tenant.cache));
        let prompts = config.tenants.iter().map(|(name, tenant)| (name.clone(), tenant.prompts.clone()));
        Self {
            llm: config.llm.clone(),
            scripts,
            routes: routes.filter(|(_, routes)| !routes.is_empty()).collect(),
            budgets: budgets.filter(|(_, budgets)| *budgets != BudgetsConfig::default()).collect(),
            caches: caches.filter(|(_, cache)| *cache != CacheConfig::default()).collect(),
            prompts: prompts.filter(|(_, prompts)| !prompts.is_empty()).collect(),
            currency,
        }
    }

    /// Whether a tenant has a route.
    #[must_use]
    pub fn has_route(&self, tenant: &TenantName, route: &RouteName) -> bool {
        self.routes.get(tenant).is_some_and(|routes| routes.contains_key(route))
    }

    /// The prompts of the file that a tenant has.
    pub fn prompts(&self, tenant: &TenantName) -> impl Iterator<Item = (&PromptName, &PromptDocument)> {
        self.prompts.get(tenant).into_iter().flatten()
    }

    /// A prompt of the file.
    #[must_use]
    pub fn prompt(&self, tenant: &TenantName, prompt: &PromptName) -> Option<&PromptDocument> {
        self.prompts.get(tenant)?.get(prompt)
    }

    /// The budgets that a plugin's call by a route is taken out of.
    pub(super) fn budgets(&self, tenant: &TenantName, plugin: &PluginName, route: &RouteName) -> Vec<Budget> {
        let of = [BudgetOf::Tenant, BudgetOf::Plugin(plugin.clone()), BudgetOf::Route(route.clone())];
        of.into_iter().flat_map(|of| amounts(self.budget(tenant, &of), of)).collect()
    }

    /// All budgets of a tenant.
    #[must_use]
    pub fn budgets_of(&self, tenant: &TenantName) -> Vec<Budget> {
        let plugins = self.budgets.get(tenant).into_iter().flat_map(|budgets| budgets.plugins.keys());
        let routes = self.routes.get(tenant).into_iter().flat_map(BTreeMap::keys);
        let of = std::iter::once(BudgetOf::Tenant)
            .chain(plugins.cloned().map(BudgetOf::Plugin))
            .chain(routes.cloned().map(BudgetOf::Route));
        of.flat_map(|of| amounts(self.budget(tenant, &of), of)).collect()
    }

    fn budget(&self, tenant: &TenantName, of: &BudgetOf) -> BudgetConfig {
        let own = self.budgets.get(tenant);
        let budget = match of {
            BudgetOf::Tenant => own.map(|own| own.tenant),
            BudgetOf::Plugin(plugin) => own.and_then(|own| own.plugins.get(plugin)).copied(),
            BudgetOf::Route(route) => self.route(tenant, route).map(|route| route.budget),
        };
        budget.unwrap_or_default()
    }

    /// A route of a tenant.
    pub(super) fn route(&self, tenant: &TenantName, route: &RouteName) -> Option<&RouteConfig> {
        self.routes.get(tenant)?.get(route)
    }

    /// The room that a tenant has for answers.
    pub(super) fn cache(&self, tenant: &TenantName) -> CacheConfig {
        self.caches.get(tenant).copied().unwrap_or_default()
    }

    /// What tells a route from itself before it, its models or their providers were changed. It is of this process only.
    pub(super) fn version(&self, tenant: &TenantName, route: &RouteName) -> Digest {
        let config = self.route(tenant, route);
        let vectors = config.and_then(|config| config.similar.as_ref()).map(|similar| &similar.model);
        let models = config.iter().flat_map(|config| &config.models).chain(vectors).map(|name| {
            let model = self.llm.models.get(name);
            let script = model.and_then(|model| self.scripts.get(&model.provider)).map(|script| script.digest());
            let provider = model.and_then(|model| self.llm.providers.get(&model.provider));
            // What is in a file of answers counts, and not where the file is named.
            (name, model, provider.map(|provider| ProviderConfig { answers: None, ..provider.clone() }), script)
        });
        Digest::of(format!("{route} {config:?} {:?}", models.collect::<Vec<_>>()).as_bytes())
    }

    /// The routes that a tenant has, for people.
    pub(super) fn told(&self, tenant: &TenantName) -> String {
        let names: Vec<_> = self.routes.get(tenant).into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }

    /// A model by its name.
    pub(super) fn model<'a>(&'a self, name: &'a ModelName) -> Option<Model<'a>> {
        let Some(ModelConfig { provider, model, input_price, output_price }) = self.llm.models.get(name) else {
            let free = Some(Money::default());
            let echo = Model { name, id: ECHO, input_price: free, output_price: free, provider: None, script: None };
            return (name.as_str() == ECHO).then_some(echo);
        };
        let (whose, config) = self.llm.providers.get_key_value(provider)?;
        let provider = config.kind.is_asked().then_some((whose.as_str(), config));
        let script = self.scripts.get(whose);
        Some(Model { name, id: model, input_price: *input_price, output_price: *output_price, provider, script })
    }
}

/// The amounts of a budget, each by itself.
fn amounts(budget: BudgetConfig, of: BudgetOf) -> impl Iterator<Item = Budget> {
    let BudgetConfig { tokens_per_hour, tokens_per_day, money_per_hour, money_per_day } = budget;
    let all = [
        (BudgetUnit::Tokens, BudgetPer::Hour, tokens_per_hour),
        (BudgetUnit::Tokens, BudgetPer::Day, tokens_per_day),
        (BudgetUnit::Money, BudgetPer::Hour, money_per_hour.map(billionths)),
        (BudgetUnit::Money, BudgetPer::Day, money_per_day.map(billionths)),
    ];
    all.into_iter().filter_map(move |(unit, per, most)| Some(Budget { of: of.clone(), unit, per, most: most? }))
}

/// An amount of money as the log has it.
pub(super) fn billionths(money: Money) -> u64 {
    u64::try_from(money.billionths()).unwrap_or(u64::MAX)
}

impl Model<'_> {
    /// Who writes to it and reads it, asked by a route.
    pub(super) fn speaks(&self, route: &RouteName) -> Box<dyn Provider> {
        match self.provider {
            Some((_, config)) if config.kind == Protocol::Bedrock => Box::new(Bedrock),
            Some((_, config)) => {
                let openai = OpenAi { tokens_field: config.tokens_field };
                if config.kind == Protocol::SageMaker { Box::new(SageMaker { openai }) } else { Box::new(openai) }
            }
            None => match self.script {
                Some(script) => Box::new(Replay { script: Arc::clone(script), route: route.to_string() }),
                None => Box::new(Echo),
            },
        }
    }

    /// What so many tokens cost.
    ///
    /// # Errors
    /// When a price is not known: nobody guesses it.
    pub(super) fn cost(&self, ask: &Ask, usage: Usage) -> Result<Money, Failed> {
        let price = |price: Option<Money>, key: &str| {
            price.ok_or_else(|| {
                Failed::Unpriced(format!(
                    "the model `{0}` has no `{key}` (`llm.models.{0}`), so it is not called",
                    self.name
                ))
            })
        };
        let (reads, writes) = match ask {
            Ask::Count(_) => return Ok(Money::default()),
            Ask::Embed(_) => (price(self.input_price, "input_price")?, Money::default()),
            Ask::Converse(_) => (price(self.input_price, "input_price")?, price(self.output_price, "output_price")?),
        };
        Ok(reads.of_million(usage.input_tokens) + writes.of_million(usage.output_tokens))
    }
}
