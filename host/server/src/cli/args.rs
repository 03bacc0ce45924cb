//! What can be said on the command line, by clap.
//!
//! Invariant: every command has a one-line description and one example. Names and positions are validated here, so a
//! mistake in them is a usage error (exit status 2) before anything is sent. Nothing here does anything.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use wharf_event::TenantName;

use super::{
    backup::BackupArgs,
    bench::BenchArgs,
    build::BuildArgs,
    componentize::ComponentizeArgs,
    conformance::ConformanceArgs,
    deploy::DeployArgs,
    dlq::DlqCommand,
    invoke::InvokeArgs,
    model::ModelCommand,
    new::NewArgs,
    plugin::{GrantCommand, PluginCommand, PromoteArgs, RollbackArgs},
    prompt::PromptCommand,
    queue::QueueCommand,
    replay::ReplayCommand,
    restore::RestoreArgs,
    route::RouteCommand,
    rules::RulesCommand,
    schedule::ScheduleCommand,
    schema::SchemaCommand,
    secret::SecretCommand,
    signing::{KeyCommand, SignArgs, VerifyArgs},
    tenant::{BusCommand, TenantCommand},
    test::TestArgs,
    topic::TopicCommand,
    trace::TraceArgs,
    usage::UsageArgs,
    webhook::WebhookCommand,
};

pub use super::{
    event_args::{EventArgs, EventsCommand, KvCommand, OutcomeKind, SendArgs, TailArgs, TopArgs, pair},
    host_args::{DataArgs, DoctorArgs, FileArgs, HostArgs, ServeArgs},
};

/// A host for event handlers: events come in over HTTP, are durable once acknowledged, and run through sandboxed
/// WebAssembly plugins.
#[derive(Debug, Parser)]
#[command(name = "wharf", version, infer_subcommands = true, subcommand_required = true)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What holds for every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// How stdout looks: text for people, json for programs; with json an error is a line of JSON on stderr
    #[arg(short, long, global = true, value_name = "FORMAT", default_value = "text")]
    pub output: Format,
    /// The host's address
    #[arg(long, global = true, env = "WHARF_URL", default_value = "http://127.0.0.1:7070")]
    pub url: String,
    /// Whose events; the host's default tenant if it has one
    #[arg(short, long, global = true, env = "WHARF_TENANT")]
    pub tenant: Option<TenantName>,
}

/// How stdout looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Lines and tables for people.
    Text,
    /// One JSON document; streams are NDJSON.
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a host until it is told to stop
    #[command(after_help = "Example:\n  wharf serve --config wharf.toml --data /var/lib/wharf")]
    Serve(ServeArgs),
    /// Run a host that builds changed plugins, and swaps them and rules in while events flow
    #[command(after_help = "Example:\n  wharf dev\n\n\
        A plugin that says beside `component` how it is built (build = \"COMMAND\") is built when a file beside wharf.toml changes.")]
    Dev(HostArgs),
    /// Send an event, follow it, and print what became of it
    #[command(after_help = "Example:\n  wharf send com.example.order.placed -d '{\"total\": 12}'\n\n\
        Exit status: 0 all deliveries ended well, 9 one went to a dead-letter queue, 8 one still waits for a retry when \
        the time is over, 7 one has not ended by then.")]
    Send(SendArgs),
    /// Follow what happens, line by line
    #[command(after_help = "Example:\n  wharf tail --type com.example. --outcome dead-letter")]
    Tail(TailArgs),
    /// Watch what plugins and webhooks do, second by second
    #[command(after_help = "Example:\n  wharf top")]
    Top(TopArgs),
    /// List events, or show one with everything that became of it
    #[command(after_help = "Example:\n  wharf events ls --type com.example. --limit 10")]
    Events {
        /// What to do.
        #[command(subcommand)]
        command: EventsCommand,
    },
    /// Show an event and everything that came of it, as a waterfall
    #[command(after_help = "Example:\n  wharf trace 1042-256")]
    Trace(TraceArgs),
    /// Read what plugins have stored
    #[command(after_help = "Example:\n  wharf kv ls event-stats")]
    Kv {
        /// What to do.
        #[command(subcommand)]
        command: KvCommand,
    },
    /// Show the totals (duplicates, conflicts and times: since the host started)
    #[command(after_help = "Example:\n  wharf stats -o json")]
    Stats,
    /// Show what plugins used, and what that costs by the host's price list
    #[command(after_help = "Example:\n  wharf usage --from 2026-11-01 --to 2026-12-01")]
    Usage(UsageArgs),
    /// List and change rules, and ask what they say to an event
    #[command(after_help = "Example:\n  wharf rules explain -e event.json")]
    Rules {
        /// What to do.
        #[command(subcommand)]
        command: RulesCommand,
    },
    /// Bring events of the archive again, at a rate
    #[command(
        after_help = "Example:\n  wharf replay start again --type com.example.order. --start 2026-11-01T00:00:00Z --rate 500"
    )]
    Replay {
        /// What to do.
        #[command(subcommand)]
        command: ReplayCommand,
    },
    /// Publish events at given times
    #[command(
        after_help = "Example:\n  wharf schedule put nightly 'cron(0 3 * * ? *)' --timezone Europe/Berlin --type com.example.nightly"
    )]
    Schedule {
        /// What to do.
        #[command(subcommand)]
        command: ScheduleCommand,
    },
    /// Tenants that are made while the host runs
    #[command(after_help = "Example:\n  wharf tenant create acme")]
    Tenant {
        /// What to do.
        #[command(subcommand)]
        command: TenantCommand,
    },
    /// The event buses of a tenant
    #[command(after_help = "Example:\n  wharf bus add orders --age 30d")]
    Bus {
        /// What to do.
        #[command(subcommand)]
        command: BusCommand,
    },
    /// Plugins that are made while the host runs: their releases and settings
    #[command(after_help = "Example:\n  wharf plugin upload triage target/triage.wasm")]
    Plugin {
        /// What to do.
        #[command(subcommand)]
        command: PluginCommand,
    },
    /// What plugins may use: see which releases wait, grant it, take it back
    #[command(after_help = "Example:\n  wharf grant approve triage")]
    Grant {
        /// What to do.
        #[command(subcommand)]
        command: GrantCommand,
    },
    /// Models that plugins ask with tensors: sent, looked at, promoted, gone back from
    #[command(after_help = "Example:\n  wharf model put fraud fraud.onnx --promote")]
    Model {
        /// What to do.
        #[command(subcommand)]
        command: ModelCommand,
    },
    /// Prompts that plugins fill in place of texts of their own: versions, given to some or to all
    #[command(after_help = "Example:\n  wharf prompt put classify --route triage --user user.txt")]
    Prompt {
        /// What to do.
        #[command(subcommand)]
        command: PromptCommand,
    },
    /// Secrets that the host puts into requests of plugins: kept, replaced, removed, and never shown
    #[command(after_help = "Example:\n  wharf secret set stripe < key.txt")]
    Secret {
        /// What to do.
        #[command(subcommand)]
        command: SecretCommand,
    },
    /// Make a host as a wharf.toml says: show what is different, ask, and change it
    #[command(
        after_help = "Example:\n  wharf deploy --dry-run\n  wharf deploy --yes\n  wharf deploy triage.wasm --plugin triage\n\n\
        It takes the wharf.toml that `wharf dev` takes. What is as the file says is left alone; what the file does not name stays, unless \
        --prune says otherwise.\n\n\
        Exit status: 0 the host is as the file says, or would be; 2 there is nobody to ask; 3 a registry has no such component, 4 it denies it, 7 it or \
        the host does not answer; 5 somebody else changed something meanwhile; 10 the file has mistakes, or something is in the way."
    )]
    Deploy(DeployArgs),
    /// Give a release of a plugin all traffic, or try it on a part
    #[command(
        after_help = "Example:\n  wharf promote triage --canary 10% --for 10m --abort-on 'error_rate>2%,p99>2x'\n\n\
        A canary gets all traffic when its time is over, and none when it breaks a condition."
    )]
    Promote(PromoteArgs),
    /// Give the traffic back to a release that had it before
    #[command(after_help = "Example:\n  wharf rollback triage -m 'it loses orders'")]
    Rollback(RollbackArgs),
    /// Look at schemas of payloads and change them: check, compare, make one of events
    #[command(after_help = "Example:\n  wharf schema infer --type order.created --last 1000 > order.schema.json")]
    Schema {
        /// What to do.
        #[command(subcommand)]
        command: SchemaCommand,
    },
    /// Paths whose requests plugins answer, beneath /t/TENANT: made, changed, removed
    #[command(after_help = "Example:\n  wharf route put '/hooks/*' hooks --method POST")]
    Route {
        /// What to do.
        #[command(subcommand)]
        command: RouteCommand,
    },
    /// Addresses outside that events are sent to: made, changed, given other secrets
    #[command(after_help = "Example:\n  wharf webhook put orders https://example.com/hook")]
    Webhook {
        /// What to do.
        #[command(subcommand)]
        command: WebhookCommand,
    },
    /// Queues that clients receive messages of: made, changed, sent to, received of
    #[command(
        after_help = "Example:\n  wharf queue create jobs\n  wharf queue send jobs thumbnail.wanted -d '{\"image\": 7}'\n  wharf queue receive jobs --ack"
    )]
    Queue {
        /// What to do.
        #[command(subcommand)]
        command: QueueCommand,
    },
    /// Topics: what is published to many who subscribe
    #[command(
        after_help = "Example:\n  wharf topic create orders\n  wharf topic subscribe orders billing --queue invoices\n  wharf topic publish orders order.placed -d '{\"total\": 12}'"
    )]
    Topic {
        /// What to do.
        #[command(subcommand)]
        command: TopicCommand,
    },
    /// Read dead-letter queues and send their letters again
    #[command(after_help = "Example:\n  wharf dlq redrive flaky --all")]
    Dlq {
        /// What to do.
        #[command(subcommand)]
        command: DlqCommand,
    },
    /// Measure how fast a host takes events in and settles them, in a tenant that is made for it and removed
    #[command(after_help = "Example:\n  wharf bench pull\n  wharf bench plugin --rate 5000/s --for 30s -o json\n\n\
        Without --rate it is as fast as the host settles, with --waiting messages at most that wait. With it each request has a time at \
        which it is due, and is timed from then, however late the one before was answered. The host may be any: what else it does \
        meanwhile is in the figures, and it is busy with them. The tenant is bench-… or what --tenant says; one that is there already \
        is not used.")]
    Bench(BenchArgs),
    /// Examine a data folder that no host uses, and repair what is made from something else
    #[command(after_help = "Example:\n  wharf doctor --data /var/lib/wharf --repair\n\n\
        Exit status: 0 nothing is damaged, or all of it is repaired now; 10 something is left to be done.")]
    Doctor(DoctorArgs),
    /// Copy a data folder's log and components, while a host uses them, or what is new of them
    #[command(after_help = "Example:\n  wharf backup /backup/wharf --data /var/lib/wharf --keep 30d")]
    Backup(BackupArgs),
    /// Make a data folder of a backup, as it was at any moment
    #[command(
        after_help = "Example:\n  wharf restore /backup/wharf --data /var/lib/wharf --until 2026-11-27T09:30:00Z"
    )]
    Restore(RestoreArgs),
    /// Look at a log that no host uses
    #[command(after_help = "Example:\n  wharf log verify --data /var/lib/wharf")]
    Log {
        /// What to do.
        #[command(subcommand)]
        command: LogCommand,
    },
    /// Compile a component from stdin to stdout, under limits: what a host starts for each component, and no use by itself
    #[command(hide = true, after_help = "Example:\n  wharf compile < plugin.wasm > /dev/null")]
    Compile,
    /// Ask a model by messages on stdin and stdout, under limits: what a host starts for each model, and no use by itself
    #[command(hide = true, after_help = "Example:\n  wharf infer < messages")]
    Infer,
    /// Look at a configuration without running it
    #[command(after_help = "Example:\n  wharf config show")]
    Config {
        /// What to do.
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Check a configuration and its components without running them
    #[command(after_help = "Example:\n  wharf check --config wharf.toml\n\n\
        Exit status: 0 a host can run it, 1 the file cannot be read, 10 it has mistakes.")]
    Check(FileArgs),
    /// Show what a component is and what it can do
    #[command(after_help = "Example:\n  wharf inspect triage.wasm\n\n\
        Exit status: 0 this host can run it; 1 the file cannot be read or is no component, 6 it is larger than 64 MiB, 10 it is of another \
        world, or imports what there is not.")]
    Inspect {
        /// The component
        file: PathBuf,
    },
    /// Write a plugin that works, with all that it needs of Wharf
    #[command(
        after_help = "Example:\n  wharf new orders --lang rust\n  wharf new totals --lang python --template batch\n\n\
        Nothing is fetched: the binary carries the SDKs, and writes the language's to vendor/wharf."
    )]
    New(NewArgs),
    /// Build the plugins of a wharf.toml by their own commands, and look at what came
    #[command(after_help = "Example:\n  wharf build\n\n\
        A plugin says beside `component` how it is built: build = \"COMMAND\".\n\n\
        Exit status: 0 each is a component that a host runs, 1 one was not built.")]
    Build(BuildArgs),
    /// Make a component of the module that a compiler of C or Go made
    #[command(after_help = "Example:\n  wharf componentize totals.core --to totals.wasm --world event-handler")]
    Componentize(ComponentizeArgs),
    /// Call a component once, as a host would, and show what it does
    #[command(
        after_help = "Example:\n  wharf invoke triage.wasm -e event.json --kv seed.json --config bug_words=crash --trace\n\n\
        No host is asked and nothing is kept. All limits are on; it may use what it says that it needs.\n\n\
        Exit status: 0 it handled the event, 8 it said retry, 9 it said reject, 1 it trapped or met a limit."
    )]
    Invoke(Box<InvokeArgs>),
    /// Call plugins with the events of their fixtures, and compare what they do with what is expected
    #[command(after_help = "Example:\n  wharf test\n  wharf test triage.wasm --fixtures fixtures --bless\n\n\
        A fixture is a file of TOML or JSON: `event`, and as far as it matters `seed`, `config`, `now`, `attempt`, `grants`, `limits`, \
        `expect`. Without a component those of wharf.toml are tested, each with the fixtures in fixtures/PLUGIN, or where there is one \
        plugin in fixtures. `wharf events show ID --fixture` makes one of an event that there was.\n\n\
        Exit status: 0 all is as expected, 10 something is not.")]
    Test(TestArgs),
    /// Call a component with odd events, and see whether it keeps the contract
    #[command(
        after_help = "Example:\n  wharf conformance triage.wasm\n\nExit status: 0 every call ended by the component's own word, 10 one did not."
    )]
    Conformance(ConformanceArgs),
    /// Keys that sign releases: made here, and registered with a tenant
    #[command(
        after_help = "Example:\n  wharf key generate --out release.pem > release.pub\n  wharf key add ci release.pub"
    )]
    Key {
        /// What to do.
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Sign a component
    #[command(after_help = "Example:\n  wharf sign triage.wasm --key release.pem\n\n\
        The signature is written beside it, to triage.wasm.sig.")]
    Sign(SignArgs),
    /// Check the signatures of a component
    #[command(after_help = "Example:\n  wharf verify triage.wasm --key release.pub\n\n\
        Exit status: 0 it is signed by this key, 10 it is not.")]
    Verify(VerifyArgs),
    /// Print the completions of a shell
    #[command(after_help = "Example:\n  wharf completions bash > /etc/bash_completion.d/wharf")]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the pages of the manual
    #[command(after_help = "Example:\n  wharf man /usr/local/share/man/man1")]
    Man {
        /// The folder; it is made if it is not there
        folder: PathBuf,
    },
    /// Answer whether events match patterns: a question a line on stdin, an answer a line on stdout
    #[command(after_help = "Example:\n  wharf match < questions.ndjson\n\n\
        A question is {\"pattern\": {\"type\": [\"a\"]}, \"event\": {\"type\": \"a\"}}; either may be a JSON text in a string, so that its \
        spelling counts. An answer is {\"match\": true}, {\"match\": false} or {\"error\": \"...\"}. The event is matched as it stands.")]
    Match,
    /// Say what an error code means and what to do
    #[command(after_help = "Example:\n  wharf explain event-too-large")]
    Explain {
        /// The code, as in `error[code]`; all of them are listed if it is left out
        code: Option<String>,
    },
}

/// `wharf log`.
#[derive(Debug, Subcommand)]
pub enum LogCommand {
    /// Check every byte of the log, and name what is damaged and what is lost with it
    #[command(after_help = "Example:\n  wharf log verify --data /var/lib/wharf -o json\n\n\
        Exit status: 0 nothing is damaged, 10 something is.")]
    Verify(DataArgs),
}

/// `wharf config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print what a host would run with, and where each value comes from
    ///
    /// It takes what `wharf serve` takes, from the same environment. Nothing is run, and no component is read.
    #[command(after_help = "Example:\n  wharf config show --listen 127.0.0.1:8080")]
    Show(ServeArgs),
    /// Print the JSON Schema of wharf.toml, which editors check and complete with
    ///
    /// A line `#:schema ./wharf.schema.json` at the top of wharf.toml tells them of it.
    #[command(after_help = "Example:\n  wharf config schema --write wharf.schema.json")]
    Schema {
        /// Write it to a file
        #[arg(long, value_name = "FILE")]
        write: Option<PathBuf>,
    },
}
