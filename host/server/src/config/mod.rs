//! `wharf.toml`: read once, checked as a whole, all mistakes told in one pass.

mod duration;
mod pattern_json;
mod problem;
mod read;
mod size;
mod table;
mod tenant;
#[cfg(test)]
mod tests;

pub use duration::parse_duration;
pub use problem::{Problem, Problems};
pub use read::{Config, PluginConfig, TenantConfig, Use, read};
