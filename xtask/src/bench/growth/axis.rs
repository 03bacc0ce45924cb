//! What grows, by which steps, and how a run of each is asked for.

use clap::ValueEnum;

/// The plugin of tenants that rest.
pub const PLUGIN: &str = "counter";

/// Bytes of one batch at most, where payloads are large.
const BATCH_BYTES_MAX: u32 = 1_000_000;

/// Messages that one batch may become: the record of an event names all its targets.
const BATCH_MESSAGES_MAX: u32 = 50_000;

/// What grows.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Axis {
    /// Tenants with a plugin and a rule each, that rest beside the one that is measured.
    Tenants,
    /// Rules on the bus, of which an event meets one.
    Rules,
    /// Plugins that the events are spread over, each with a rule of its own.
    Plugins,
    /// Keys that a plugin counts by.
    Keys,
    /// Messages of a queue that wait behind those that are received.
    Backlog,
    /// Subscriptions of a topic, each a message for every event.
    Subscriptions,
    /// Bytes of a payload.
    Payload,
}

impl Axis {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Tenants, Self::Rules, Self::Plugins, Self::Keys, Self::Backlog, Self::Subscriptions, Self::Payload];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tenants => "tenants",
            Self::Rules => "rules",
            Self::Plugins => "plugins",
            Self::Keys => "keys",
            Self::Backlog => "backlog",
            Self::Subscriptions => "subscriptions",
            Self::Payload => "payload",
        }
    }

    /// Its steps.
    pub fn steps(self) -> &'static [u32] {
        match self {
            // A host has 10,000 at most, and those of the bench are among them.
            Self::Tenants => &[1, 10, 100, 1_000, 9_900],
            Self::Rules => &[1, 10, 100, 1_000, 10_000],
            Self::Plugins => &[1, 10, 100, 1_000],
            Self::Keys => &[1, 10, 100, 1_000, 10_000, 100_000, 1_000_000],
            Self::Backlog => &[100, 1_000, 10_000, 100_000, 1_000_000],
            Self::Subscriptions => &[1, 10, 100, 1_000, 10_000],
            Self::Payload => &[16, 100, 1_000, 10_000, 100_000, 1_000_000],
        }
    }

    /// The configuration of the host.
    pub fn config(self, n: u32) -> String {
        let tenant = |n: u32| {
            format!(
                "[tenants.rests-{n}.plugins.{PLUGIN}]\ncomponent = \"{PLUGIN}.wasm\"\ngrants = {{ kv = [\"{PLUGIN}\"] }}\n\
                 [tenants.rests-{n}.rules.orders]\npattern = {{ type = [\"order.placed\"] }}\ntargets = [{{ plugin = \"{PLUGIN}\" }}]\n"
            )
        };
        if self == Self::Tenants { (0..n).map(tenant).collect() } else { String::new() }
    }

    /// What `wharf bench` is asked for.
    pub fn words(self, n: u32, seconds: u32) -> Vec<String> {
        let batch = match self {
            Self::Payload => BATCH_BYTES_MAX / n,
            Self::Subscriptions => BATCH_MESSAGES_MAX / n,
            _ => 100,
        };
        let batch = batch.clamp(1, 100);
        let (scenario, own) = match self {
            Self::Tenants => ("plugin", None),
            Self::Rules => ("plugin", Some(("--rules", n - 1))),
            Self::Plugins => ("plugin", Some(("--plugins", n))),
            Self::Keys => ("plugin", Some(("--keys", n))),
            Self::Backlog => ("backlog", Some(("--backlog", n))),
            Self::Subscriptions => ("fanout", Some(("--subscriptions", n))),
            Self::Payload => ("pull", Some(("--bytes", n))),
        };
        let mut words = vec![scenario.to_owned()];
        words.extend(own.into_iter().flat_map(|(name, value)| [name.to_owned(), value.to_string()]));
        let warm_up = if self == Self::Backlog { "0s" } else { "1s" };
        words.extend(
            ["--for", &format!("{seconds}s"), "--warm-up", warm_up, "--batch", &batch.to_string()].map(str::to_owned),
        );
        if self == Self::Subscriptions {
            // As many messages wait whatever one event becomes, but for the event that is under way.
            words.extend(["--waiting".to_owned(), "20000".to_owned()]);
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_grows_and_all_else_stays() {
        for axis in Axis::ALL {
            let (least, most) = (axis.steps()[0], axis.steps()[axis.steps().len() - 1]);
            assert!(axis.steps().is_sorted() && most >= least * 1_000, "{}", axis.name());
            let differs = axis.words(least, 3).iter().zip(&axis.words(most, 3)).filter(|(a, b)| a != b).count();
            let more = usize::from(axis.config(least) != axis.config(most));
            let also = usize::from(matches!(axis, Axis::Payload | Axis::Subscriptions));
            assert_eq!(differs + more, 1 + also, "{}", axis.name());
        }
    }
}
