//! The configuration that a row's components run with.
//!
//! Invariant: it is the same for every row of a run.

use std::fmt::Write as _;

use super::scenario::World;

/// The tenant.
pub const TENANT: &str = "languages";

/// Each component's file ends so, and its plugin is called so.
pub const PLUGINS: [(World, &str, &str); 3] =
    [(World::Handler, "handler", "probe"), (World::Batch, "batch", "sums"), (World::Transform, "transform", "bend")];

/// The configuration for those of a row's components that there are.
pub fn config((row, reuse): (&str, u32), there: &[World]) -> String {
    let mut config = format!("default_tenant = \"{TENANT}\"\n");
    for (world, file, plugin) in PLUGINS.into_iter().filter(|(world, ..)| there.contains(world)) {
        let grants = match world {
            World::Handler => {
                "config = { greeting = \"grüß dich\" }\ngrants = { publish = [\"probe.*\"], kv = [\"probe\", \"ledger\"] }\n"
            }
            World::Batch => "grants = { publish = [\"probe.*\"], kv = [\"sums\"] }\n",
            World::Transform => "",
        };
        let _ = write!(
            config,
            "[tenants.{TENANT}.plugins.{plugin}]\ncomponent = \"languages-{row}-{file}.wasm\"\n\
             limits = {{ wall_ms = 4000, cpu_ms = 1000, memory_mib = 64, reuse = {reuse} }}\n{grants}"
        );
    }
    let target =
        "{ plugin = \"probe\", retry = { first = \"10ms\", max = \"10ms\", attempts = 3 }, dead_letter = \"dead\" }";
    let rule = |name: &str, source: &str, transforms: &str| {
        format!(
            "[tenants.{TENANT}.rules.{name}]\npattern = {{ type = [{{ prefix = \"probe.\" }}], source = [\"{source}\"] }}\n\
             {transforms}targets = [{target}]\n"
        )
    };
    if there.contains(&World::Handler) {
        config += &rule("probe", "languages", "");
    }
    if there.contains(&World::Handler) && there.contains(&World::Transform) {
        config += &rule("bent", "transform", "transforms = [\"bend\"]\n");
    }
    if there.contains(&World::Batch) {
        for (queue, ordered) in [("jobs", false), ("line", true)] {
            let _ = write!(
                config,
                "[tenants.{TENANT}.queues.{queue}]\nordered = {ordered}\nmax_receives = 3\n\
                 consumer = {{ plugin = \"sums\", batch = 10, window = \"100ms\" }}\n"
            );
        }
    }
    config
}
