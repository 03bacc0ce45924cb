//! `wharf.toml`: read once, checked as a whole, all mistakes told in one pass.

mod breaker;
mod budgets;
mod caches;
mod duration;
mod effective;
#[cfg(test)]
mod every_key;
mod grant_keys;
mod guardrails;
mod input;
mod json_table;
mod keys;
mod limit_keys;
mod llm;
mod own_models;
mod pattern_json;
mod place;
mod plugin_json;
mod problem;
mod prompts;
mod queues;
mod quotas;
mod read;
mod retry;
mod routes;
mod rule_json;
mod schedule_json;
mod schedules;
mod schema;
mod schemas;
mod size;
mod table;
mod tenant;
mod tenant_json;
#[cfg(test)]
mod tests;
mod topics;
mod webhooks;

pub use budgets::{BudgetConfig, BudgetsConfig};
pub use caches::CacheConfig;
pub use duration::{duration_text, parse_duration};
pub use effective::{Place, Setting, effective};
pub use json_table::Wrong;
pub use keys::DEFAULT_BUS;
pub use llm::{ECHO, LlmConfig, ModelConfig, Protocol, ProviderConfig, RouteConfig};
pub use own_models::{EndpointConfig, OwnModelConfig};
pub use plugin_json::{PluginSettings, read_plugin_settings};
pub use problem::{Problem, ProblemView, Problems};
pub use queues::{DELAY_MS, VISIBILITY_MS};
pub use read::{Config, EgressConfig, HostConfig, PluginConfig, SchemaConfig, TenantConfig, Use, read};
pub use rule_json::{Beside, read_rule};
pub use schedule_json::read_schedule;
pub use schema::schema_text;
pub use size::size_text;
pub use tenant_json::{read_bus, read_queue, read_route, read_tenant_settings, read_topic, read_webhook};
pub use topics::EVERYTHING;
