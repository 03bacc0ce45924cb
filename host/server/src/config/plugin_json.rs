//! The settings of a plugin as JSON, which the API takes: the twin of a plugin's table in `wharf.toml`, without its component.

use std::collections::BTreeMap;

use wharf_delivery::{BreakerDocument, LimitsDocument};
use wharf_event::{Code, Grants, PluginName};

use super::{
    json_table::{ROOT, Reading, Wrong},
    keys::SETTINGS,
    table::{Sink, Table},
    tenant,
};

/// What a plugin is given and allowed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PluginSettings {
    /// What `wasi:config` gives it.
    pub config: BTreeMap<String, String>,
    /// What it may use.
    pub grants: Grants,
    /// What it may consume.
    pub limits: LimitsDocument,
    /// When it is given a rest.
    pub breaker: Option<BreakerDocument>,
}

/// Reads the settings of a plugin.
///
/// # Errors
/// Every mistake.
pub fn read_plugin_settings(json: &[u8], plugin: &PluginName) -> Result<PluginSettings, Wrong> {
    let members = Reading::members(json, "the settings of a plugin", Code::PluginInvalid)?;
    let mut reading = Reading::new(Code::PluginInvalid);
    let (table, sink) = (reading.table(members), Sink::default());
    let settings = {
        let table = Table::new(&table, SETTINGS, format!("plugin `{plugin}`"), ROOT, &sink);
        tenant::read_plugin_settings(&table, &sink)
    };
    reading.take(sink.into_list(), None);
    reading.end().map_or(Ok(settings), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<PluginSettings, Wrong> {
        read_plugin_settings(json.as_bytes(), &"triage".parse().unwrap())
    }

    #[test]
    fn settings_are_read_as_the_table_of_a_plugin_would_be() {
        assert_eq!(read("{}"), Ok(PluginSettings::default()));
        let some = r#"{"config": {"words": "crash", "n": 3}, "grants": {"publish": ["a.*"], "kv": ["b"]}, "limits": {"wall_ms": 7}}"#;
        let some = read(some).unwrap();
        assert_eq!((some.config["words"].as_str(), some.config["n"].as_str()), ("crash", "3"));
        assert_eq!((some.grants.publish, some.limits.wall_ms), (vec!["a.*".parse().unwrap()], 7));
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        let Wrong { code, mistakes } =
            read(r#"{"component": "x.wasm", "grants": {"kv": ["No"]}, "limits": {"wall_ms": 0, "x": 1}}"#).unwrap_err();
        assert_eq!(code, Code::PluginInvalid);
        let mut pointers: Vec<_> = mistakes.iter().map(|mistake| mistake.pointer.as_str()).collect();
        pointers.sort_unstable();
        assert_eq!(pointers, ["/component", "/grants/kv/0", "/limits/wall_ms", "/limits/x"]);
        assert_eq!(read("[]").unwrap_err().mistakes[0].pointer, "");
    }
}
