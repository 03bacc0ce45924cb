//! The help of `wharf` itself: its commands in groups.
//!
//! Invariant: every command is in exactly one group, which a test compares both ways; the descriptions are clap's, so
//! nothing is said twice.

use std::fmt::Write as _;

use clap::{CommandFactory as _, builder::StyledStr};

use super::args::Cli;

const GROUPS: &[(&str, &[&str])] = &[
    ("Run", &["serve", "dev", "send"]),
    (
        "Inspect",
        &["tail", "top", "events", "trace", "kv", "stats", "usage", "rules", "schema", "match", "bench", "explain"],
    ),
    (
        "Change",
        &[
            "deploy", "schedule", "tenant", "bus", "plugin", "model", "route", "webhook", "queue", "topic", "grant",
            "secret", "prompt", "promote", "rollback",
        ],
    ),
    ("Write plugins", &["new", "build", "componentize", "invoke", "test", "conformance"]),
    ("Prepare", &["inspect", "check", "config", "key", "sign", "verify"]),
    ("Repair", &["dlq", "replay", "doctor", "log", "backup", "restore"]),
    ("Set up", &["completions", "man"]),
];

/// The command line with its help in groups.
pub fn command() -> clap::Command {
    let command = Cli::command();
    let groups = listed(&command);
    command.help_template(StyledStr::from(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n{groups}\nGlobal options:\n{{options}}\n\n\
         Example:\n  wharf dev              # in one terminal, beside a wharf.toml\n  \
         wharf send com.example.order.placed -d '{{\"total\": 12}}'\n\n\
         `wharf help COMMAND` says more about one of them.\n\n\
         Exit status: 0 done, 1 failed, 2 usage, 3 not found, 4 denied, 5 conflict, 6 more than allowed, 7 unavailable, \
         8 the handler said retry, 9 the handler said reject, 10 a check failed."
    )))
}

fn listed(command: &clap::Command) -> String {
    let mut text = String::new();
    for (heading, names) in GROUPS {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\n{heading}:");
        for name in *names {
            let about = command.find_subcommand(name).and_then(clap::Command::get_about);
            let _ = writeln!(text, "  {name:<13}{}", about.map(ToString::to_string).unwrap_or_default());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::FromArgMatches as _;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        let words = std::iter::once("wharf").chain(line.split_whitespace());
        command().try_get_matches_from(words).and_then(|matches| Cli::from_arg_matches(&matches))
    }

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_command_is_in_one_group_and_has_an_example() {
        let listed: Vec<_> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let known = Cli::command();
        let shown = known.get_subcommands().filter(|it| !it.is_hide_set());
        let known: BTreeSet<_> = shown.map(|it| it.get_name().to_owned()).collect();
        assert_eq!(known, listed.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(known.len(), listed.len());
        for of in Cli::command().get_subcommands().flat_map(|it| std::iter::once(it).chain(it.get_subcommands())) {
            let help = of.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example:\n  wharf "), "{}", of.get_name());
            assert!(of.get_about().is_some(), "{}", of.get_name());
        }
    }

    /// Lines that are understood.
    const TAKEN: &[&str] = &[
        "serve",
        "dev --config x.toml",
        "send a.b",
        "send -",
        "send a -d -5",
        "send a -d - -s x=1 -s y=",
        "send --batch -",
        "send --batch f --bus other",
        "send a --topic t",
        "tail --outcome dead-letter --from 1-256",
        "events ls",
        "ev ls",
        "events show 1-256",
        "trace 1-256 --limit 5",
        "trace 1-256 --after 1-256.99@2-0",
        "kv ls",
        "kv ls b --after k --limit 5",
        "kv get b k",
        "dlq ls",
        "queue ls",
        "queue create q --visibility 1m --max-receives 5 --content-deduplication",
        "queue create q --file - --replace",
        "queue send q a.b -d {} --delay 1m",
        "queue send q --batch f",
        "queue receive q --max 5 --wait 20s --visibility 1m --ack",
        "queue receive q --follow -o json",
        "queue ack q 1-0.0@2-0 1-0.1@2-0",
        "queue release q 1-0.0@2-0 --delay 1m",
        "queue extend q 1-0.0@2-0 --visibility 1m",
        "queue peek q --after 1-0.0 --limit 5",
        "queue purge q",
        "rules add r --pattern {} --queue q",
        "rules add r --pattern {} --to-topic t --to-bus b --target p",
        "topic ls",
        "topic create t --age 30d --size 1GiB --replace",
        "topic rm t",
        "topic publish t a.b -d {}",
        "topic publish t --batch f",
        "topic subscribe t s --queue q --target p --to-bus b --to-topic o --webhook w --envelope",
        "topic subscribe t s --pattern {} --target p --transform x --disabled --replace",
        "topic subscribe t s --file f",
        "topic unsubscribe t s",
        "topic subscriptions t --after s --limit 5",
        "route ls",
        "route show /a",
        "route put /a/* p@next --method GET --method POST --request-size 1MiB --answer-size 1MiB --reuse 9",
        "route put /a --file f",
        "route rm /a",
        "webhook ls",
        "webhook put w https://a.test/ --header x=y --network 10.0.0.0/8 --timeout 5s",
        "webhook put w --file f",
        "webhook rotate w --scheme v1a --overlap 1h",
        "webhook disable w",
        "rules add r --pattern {} --webhook w",
        "dlq redrive q --all",
        "dlq redrive q --since 2h",
        "dlq redrive q --code handler-trap --target webhook/crm --until 1h --type a. --pattern {} --rule r --dry-run",
        "dlq redrive q --all --rate 10/s",
        "dlq redrive q --code limit-cpu --rate 10",
        "dlq progress q",
        "dlq cancel q",
        "bus add b --age 1d --backlog 5 --replace",
        "dlq groups q --since 2h",
        "dlq groups q --limit 5 --after webhook/w,retries-spent,http-timeout",
        "dlq ls q --code limit-cpu",
        "dlq redrive q 1-0.0 2-0.0",
        "stats -o json",
        "-o json -t acme stats",
        "explain",
        "explain event-json",
        "doctor",
        "doctor --data d --repair -o json",
        "log verify --data d",
        "rules explain -e -",
        "rules explain r -e f",
        "rules test {} --events f",
        "rules ls --bus audit --after r --limit 5",
        "rules add r --pattern {} --target p --target q --transform t --disabled --bus audit",
        "rules add r --file f --replace",
        "deploy",
        "deploy -c f -t acme --dry-run --prune -o json",
        "deploy --yes -m why",
        "deploy f.wasm",
        "deploy f.wasm --plugin p -y",
        "deploy f.wasm --grant --dry-run",
        "conformance a.wasm --type order.created",
        "componentize a.core --to a.wasm --world event-transform --pure --section a=b --section c=d=e",
        "deploy oci://a.b/c:1 --plugin p",
        "deploy f.wasm --plugin p --push oci://a.b/c:1",
        "plugin push f.wasm oci://a.b/c:1",
        "rules rm r",
        "replay ls",
        "replay show r --wait",
        "replay start r",
        "replay start r --bus b --to-bus c --rule r --target queue/q --start 2026-12-01T00:00:00Z --end 2026-12-02T00:00:00Z --type t --pattern {} --rate 5 --wait",
        "replay cancel r",
        "replay rm r",
        "schedule ls --after a --limit 5",
        "schedule show s",
        "schedule put s rate(1day) --type t -d {} --source /x --subject y --bus b --timezone UTC --flexible-window 5m --catch-up all --after delete",
        "schedule put s x --type t --start 2026-12-01T00:00:00Z --end 2026-12-01T00:00:00Z --paused --replace",
        "schedule put s -f file",
        "schedule rm s",
        "schedule pause s",
        "schedule resume s",
        "schedule next at(2027-01-01T00:00:00)",
        "schedule next x --timezone Europe/Berlin -n 3 --after 2026-12-01T00:00:00Z --start 2026-12-01T00:00:00Z --end 2026-12-01T00:00:00Z",
        "rules enable r --bus audit",
        "rules disable r",
        "schema add s f --bus audit --type t --mode warn --compatibility full",
        "schema versions s 1",
        "config show --listen 127.0.0.1:0 --log info,plugin=debug --follow-clock",
        "config schema --write f",
        "check -c f",
        "inspect f.wasm",
        "grant ls p",
        "grant approve p --http https://a.test",
        "grant revoke p --http https://a.test",
        "model put m f.onnx",
        "model put m f.onnx --version 1 -m x --promote",
        "model ls",
        "model show m",
        "model promote m",
        "model promote m 0a1b --canary 10% -m x",
        "model rollback m 0a1b -m x",
        "model batch m 32",
        "model batch m 32 --wait 2ms",
        "model batch m --none",
        "model baseline m rows.csv",
        "model baseline m rows.csv --input x --window 500 --psi 0.3 --ks 0.1",
        "model baseline m --none",
        "model drift m",
        "model rm m",
        "secret set s",
        "secret set s --file f",
        "secret ls",
        "prompt ls",
        "prompt show classify",
        "prompt show classify 3",
        "prompt put classify --route triage --user u --system s",
        "prompt promote classify 3 --canary 10%",
        "prompt promote classify",
        "prompt rollback classify 2",
        "prompt rm classify",
        "secret rm s",
        "grant approve p",
        "grant approve p 0a1b --publish a.* --kv b:read --kv c",
        "grant revoke p --kv b",
        "key generate --out k",
        "key add ci ed25519:x",
        "key ls",
        "key revoke ci",
        "plugin upload p f.wasm --signature s",
        "tenant set acme --signatures require",
        "sign f.wasm --key k",
        "verify f.wasm --key k --signature s",
        "tail --rate 100",
        "top --interval 500ms --times 3",
        "completions zsh",
        "man d",
    ];

    /// Lines that make no sense.
    const REFUSED: &[&str] = &[
        "",
        "nonsense",
        "send",
        "send a --batch f",
        "send --batch f -d 1",
        "send a -s x",
        "send a -s =1",
        "send a --timeout 5",
        "send a --bus NO",
        "send a --bus b --topic t",
        "tail --outcome maybe",
        "tail --from 5",
        "tail --rate 0",
        "top --interval 0s",
        "completions tcsh",
        "events ls --limit 0",
        "events ls --limit 1001",
        "events show",
        "kv ls --after k",
        "kv get b",
        "grant approve",
        "grant approve p --http a.test",
        "model put m",
        "model promote",
        "model batch m",
        "model batch m 32 --none",
        "model baseline m",
        "model baseline m rows.csv --none",
        "prompt put classify --user u",
        "prompt put classify --route triage",
        "prompt promote classify --canary",
        "prompt show Classify",
        "secret set",
        "secret set s v",
        "secret rm",
        "grant approve p --kv No",
        "grant revoke p",
        "grant revoke p --publish *a",
        "deploy --grant",
        "componentize a.core",
        "componentize a.core --to a.wasm --section a",
        "deploy --plugin p",
        "deploy --push oci://a.b/c:1",
        "deploy f.wasm --plugin p --push a.b/c:1",
        "plugin push f.wasm oci://c:1",
        "deploy f.wasm --plugin p --prune",
        "schema add s",
        "schema add s f --mode maybe",
        "rules add r",
        "rules add r --pattern {}",
        "rules add r --target p",
        "rules add r --pattern {} --target p --file f",
        "rules add R --pattern {} --target p",
        "rules ls --limit 0",
        "replay start",
        "replay start R",
        "replay start r --rate 0",
        "replay start r --start yesterday",
        "schedule put s",
        "schedule put s x",
        "schedule put s x --type t -f file",
        "schedule put S x --type t",
        "schedule put s x --type t --catch-up some",
        "schedule next",
        "schedule next x -n 0",
        "schedule next x --after yesterday",
        "dlq redrive q",
        "dlq redrive q x --all",
        "dlq redrive q x --code handler-trap",
        "dlq redrive q --code never-heard-of",
        "dlq redrive q --dry-run",
        "dlq redrive q --all --rate 0/s",
        "dlq redrive q --all --rate 1/s --dry-run",
        "dlq redrive q 1-0.0 --rate 1/s",
        "dlq progress",
        "bus add b --backlog x",
        "dlq groups",
        "dlq groups q --limit 0",
        "trace x --after y",
        "dlq ls --code limit-cpu",
        "dlq redrive q --since 2h --all",
        "dlq show q",
        "queue create",
        "queue create q --file f --delay 1m",
        "queue send q",
        "queue send q a --batch f",
        "queue receive q --max 0",
        "queue receive q --follow --wait 1s",
        "queue ack q",
        "topic create T",
        "topic publish t",
        "topic subscribe t s",
        "topic subscribe t s --pattern {}",
        "topic subscribe t s --queue q --file f",
        "topic subscribe t a/b --queue q",
        "topic unsubscribe t",
        "route put /a",
        "route put a p",
        "route put /a p --file f",
        "webhook put w",
        "webhook put w https://a.test/ --file f",
        "webhook rotate w --scheme v1 --secret-file f",
        "key",
        "key generate",
        "key add ci",
        "tenant set acme",
        "tenant set acme --signatures some",
        "sign f.wasm",
        "verify f.wasm",
        "log",
        "log verify --repair",
        "-o yaml stats",
        "-t Acme stats",
        "serve --listen nowhere",
        "serve --log ,=,",
        "config",
    ];

    #[test]
    fn a_command_line_is_taken_or_refused_as_a_usage_error() {
        for line in TAKEN {
            assert!(parse(line).is_ok(), "{line}: {}", parse(line).unwrap_err());
        }
        for line in REFUSED {
            assert_eq!(parse(line).map(|_| 0).unwrap_or_else(|error| error.exit_code()), 2, "{line}");
        }
    }
}
