//! What a rule calls: a plugin, and which of its channels.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{ChannelName, NameError, PluginName};

/// A plugin, or a channel of one: `triage`, `triage@next`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginAt {
    /// The plugin.
    pub plugin: PluginName,
    /// The channel; the plain name stands for the plugin's traffic as `promote` divides it.
    pub channel: Option<ChannelName>,
}

impl FromStr for PluginAt {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Ok(match text.split_once('@') {
            Some((plugin, channel)) => Self { plugin: plugin.parse()?, channel: Some(channel.parse()?) },
            None => Self { plugin: text.parse()?, channel: None },
        })
    }
}

impl fmt::Display for PluginAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.channel {
            Some(channel) => f.pad(&format!("{}@{channel}", self.plugin)),
            None => self.plugin.fmt(f),
        }
    }
}

impl Serialize for PluginAt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PluginAt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_stands_behind_the_plugin() {
        for text in ["triage", "triage@next"] {
            let at: PluginAt = text.parse().unwrap();
            assert_eq!((at.to_string().as_str(), at.channel.is_some()), (text, text.contains('@')));
        }
        for (text, kind) in [("", "plugin"), ("@next", "plugin"), ("triage@", "channel"), ("triage@a@b", "channel")] {
            assert_eq!(text.parse::<PluginAt>().unwrap_err().kind, kind, "{text}");
        }
    }
}
