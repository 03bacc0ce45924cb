//! The one list of what this host offers to plugins, as data: interfaces, and the capability that lies behind each.
//!
//! The engine's linker has to have all of them; a test of `wharf-runtime` asks it. Whether a plugin may use a capability
//! is not decided here.

use crate::names::InterfaceName;

/// Something that a plugin can do beyond computing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// Publish events.
    Publish,
    /// Read and write key-value buckets.
    Kv,
    /// Send requests by HTTP.
    Http,
    /// Ask models.
    Llm,
    /// Ask models of its tenant.
    Infer,
    /// Hold secrets of its tenant.
    Hold,
    /// Read its own configuration.
    Config,
    /// Write to its own log.
    Logging,
    /// Read the time.
    Clocks,
    /// Get random numbers.
    Random,
}

impl Capability {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Publish,
        Self::Kv,
        Self::Http,
        Self::Llm,
        Self::Infer,
        Self::Hold,
        Self::Config,
        Self::Logging,
        Self::Clocks,
        Self::Random,
    ];

    /// Its name, as in `grants`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Kv => "kv",
            Self::Http => "http",
            Self::Llm => "llm",
            Self::Infer => "infer",
            Self::Hold => "hold",
            Self::Config => "config",
            Self::Logging => "logging",
            Self::Clocks => "clocks",
            Self::Random => "random",
        }
    }

    /// What it is, in words.
    #[must_use]
    pub const fn allows(self) -> &'static str {
        match self {
            Self::Publish => "publish events",
            Self::Kv => "key-value buckets",
            Self::Http => "requests by HTTP",
            Self::Llm => "calls of models",
            Self::Infer => "models of its tenant",
            Self::Hold => "secrets to hold",
            Self::Config => "its own configuration",
            Self::Logging => "its own log",
            Self::Clocks => "the time",
            Self::Random => "random numbers",
        }
    }

    /// Whether a plugin has it only if it is granted. The others reach nothing that is not the plugin's own.
    #[must_use]
    pub const fn is_granted(self) -> bool {
        matches!(self, Self::Publish | Self::Kv | Self::Http | Self::Llm | Self::Infer | Self::Hold)
    }
}

/// What lies behind an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// It lets something be done.
    Capability(Capability),
    /// It links for every plugin and does nothing.
    Inert,
}

/// Interfaces of one package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The package, without its version.
    pub package: &'static str,
    /// A series of releases, such as `0.2`, or one version before a release.
    pub version: &'static str,
    /// The interfaces.
    pub interfaces: &'static [&'static str],
    /// What lies behind them.
    pub gives: Offered,
}

/// Everything that this host offers.
pub const OFFERS: [Offer; 17] = [
    offer("wharf:plugin", "0.1", &["publisher"], Offered::Capability(Capability::Publish)),
    // Events with ids of their own, which only what answers requests brings.
    offer("wharf:plugin", "0.1", &["receiver"], Offered::Capability(Capability::Publish)),
    offer("wharf:plugin", "0.1", &["counters"], Offered::Capability(Capability::Kv)),
    offer("wasi:keyvalue", "0.2.0-draft", &["store", "atomics"], Offered::Capability(Capability::Kv)),
    offer("wasi:http", "0.2", &["outgoing-handler"], Offered::Capability(Capability::Http)),
    // Requests and answers as values, which what answers requests has to have: without the handler above nothing is sent.
    offer("wasi:http", "0.2", &["types"], Offered::Inert),
    offer("wharf:llm", "0.1", &["models"], Offered::Capability(Capability::Llm)),
    offer("wharf:infer", "0.1", &["models"], Offered::Capability(Capability::Infer)),
    offer("wharf:secrets", "0.1", &["held"], Offered::Capability(Capability::Hold)),
    offer("wasi:config", "0.2.0-rc.1", &["store"], Offered::Capability(Capability::Config)),
    offer("wasi:logging", "0.1.0-draft", &["logging"], Offered::Capability(Capability::Logging)),
    offer("wasi:clocks", "0.2", &["wall-clock", "monotonic-clock"], Offered::Capability(Capability::Clocks)),
    offer("wasi:random", "0.2", &["random", "insecure", "insecure-seed"], Offered::Capability(Capability::Random)),
    offer("wasi:io", "0.2", &["error", "poll", "streams"], Offered::Inert),
    offer("wasi:cli", "0.2", &CLI, Offered::Inert),
    offer("wasi:filesystem", "0.2", &["types", "preopens"], Offered::Inert),
    offer("wasi:sockets", "0.2", &SOCKETS, Offered::Inert),
];

/// None can be opened; runtimes of some languages import them whatever a component does.
const SOCKETS: [&str; 7] =
    ["network", "instance-network", "tcp", "tcp-create-socket", "udp", "udp-create-socket", "ip-name-lookup"];

/// Arguments, environment and streams: all of them empty, and what is written goes to the plugin's log.
const CLI: [&str; 10] = [
    "stdin",
    "stdout",
    "stderr",
    "exit",
    "environment",
    "terminal-input",
    "terminal-output",
    "terminal-stdin",
    "terminal-stdout",
    "terminal-stderr",
];

const fn offer(
    package: &'static str,
    version: &'static str,
    interfaces: &'static [&'static str],
    gives: Offered,
) -> Offer {
    Offer { package, version, interfaces, gives }
}

/// The offer that an import is served by; none where the host has no such interface, or not in this version.
#[must_use]
pub fn find(import: &str) -> Option<&'static Offer> {
    let name = InterfaceName::parse(import)?;
    OFFERS.iter().find(|offer| {
        offer.package == name.package && offer.interfaces.contains(&name.interface) && name.is_of(offer.version)
    })
}

/// All that is offered, for people: the answer to an import that there is not.
#[must_use]
pub fn offered() -> String {
    let told = |offer: &Offer| {
        let Offer { package, version, interfaces, gives } = offer;
        match (gives, interfaces) {
            (Offered::Inert, [one]) => format!("{package}/{one}@{version} (inert)"),
            (Offered::Inert, _) => format!("{package}@{version} (inert)"),
            (_, [one]) => format!("{package}/{one}@{version}"),
            _ => format!("{package}/{{{}}}@{version}", interfaces.join(",")),
        }
    };
    OFFERS.iter().map(told).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_is_served_in_the_versions_that_link() {
        let capability = |name| match find(name).map(|offer| offer.gives) {
            Some(Offered::Capability(capability)) => capability.as_str(),
            Some(Offered::Inert) => "inert",
            None => "unknown",
        };
        let cases = [
            ("wharf:plugin/publisher@0.1.0", "publish"),
            ("wharf:plugin/receiver@0.1.0", "publish"),
            ("wharf:plugin/counters@0.1.3", "kv"),
            ("wharf:plugin/publisher@0.2.0", "unknown"),
            ("wasi:keyvalue/atomics@0.2.0-draft", "kv"),
            ("wasi:keyvalue/batch@0.2.0-draft", "unknown"),
            ("wasi:clocks/wall-clock@0.2.9", "clocks"),
            ("wasi:clocks/timezone@0.2.9", "unknown"),
            ("wasi:cli/stderr@0.2.0", "inert"),
            ("wasi:http/outgoing-handler@0.2.6", "http"),
            ("wasi:http/types@0.2.6", "inert"),
            ("wasi:http/incoming-handler@0.2.6", "unknown"),
            ("wharf:llm/models@0.1.0", "llm"),
            ("wharf:infer/models@0.1.0", "infer"),
            ("wharf:secrets/held@0.1.0", "hold"),
            ("wasi:sockets/tcp@0.2.6", "inert"),
            ("wasi:sockets/tls@0.2.6", "unknown"),
            ("wall-clock", "unknown"),
        ];
        for (name, expected) in cases {
            assert_eq!(capability(name), expected, "{name}");
        }
    }

    #[test]
    fn every_capability_is_offered_by_an_interface_and_no_interface_twice() {
        for capability in Capability::ALL {
            assert!(OFFERS.iter().any(|offer| offer.gives == Offered::Capability(capability)), "{capability:?}");
        }
        for (at, offer) in OFFERS.iter().enumerate() {
            for interface in offer.interfaces {
                let name = format!("{}/{interface}@{}", offer.package, offer.version);
                let release = format!("{name}.0");
                let found = find(&name).or_else(|| find(&release)).unwrap();
                assert_eq!(found, &OFFERS[at], "{name}");
            }
        }
        assert!(offered().contains("wasi:keyvalue/{store,atomics}@0.2.0-draft"), "{}", offered());
    }
}
