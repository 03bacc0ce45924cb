//! What the operator says of models, as it is looked up by a call.

use std::{collections::BTreeMap, sync::Arc};

use wharf_event::{ModelName, RouteName, TenantName};
use wharf_llm::{Ask, Bedrock, Echo, Failed, OpenAi, Provider, Usage};

use crate::{
    config::{Config, ECHO, LlmConfig, ModelConfig, Protocol, ProviderConfig, RouteConfig},
    prices::Money,
};

/// Models and the ways to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    llm: LlmConfig,
    routes: BTreeMap<TenantName, BTreeMap<RouteName, RouteConfig>>,
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
}

impl Catalog {
    /// What a configuration says.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let routes = config.tenants.iter().map(|(name, tenant)| (name.clone(), tenant.models.clone()));
        let currency = config.host.prices.currency.map(|currency| currency.to_string().into());
        Self { llm: config.llm.clone(), routes: routes.filter(|(_, routes)| !routes.is_empty()).collect(), currency }
    }

    /// A route of a tenant.
    pub(super) fn route(&self, tenant: &TenantName, route: &RouteName) -> Option<&RouteConfig> {
        self.routes.get(tenant)?.get(route)
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
            let echo = Model { name, id: ECHO, input_price: free, output_price: free, provider: None };
            return (name.as_str() == ECHO).then_some(echo);
        };
        let (whose, config) = self.llm.providers.get_key_value(provider)?;
        let provider = (config.kind != Protocol::Echo).then_some((whose.as_str(), config));
        Some(Model { name, id: model, input_price: *input_price, output_price: *output_price, provider })
    }
}

impl Model<'_> {
    /// Who writes to it and reads it.
    pub(super) fn speaks(&self) -> Box<dyn Provider> {
        match self.provider {
            Some((_, config)) if config.kind == Protocol::Bedrock => Box::new(Bedrock),
            Some((_, config)) => Box::new(OpenAi { tokens_field: config.tokens_field }),
            None => Box::new(Echo),
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
