//! `cargo xtask bench webhook`: a host sends events to receivers that behave as receivers do, and each behaviour meets what is written.
//!
//! Method: one receiver on loopback, whose behaviour is by the path: it is slow, breaks off, sends elsewhere, asks to be left alone, wants
//! nothing more, or is down for so long that another receiver would be disabled. A DNS server on loopback gives a name an address that is
//! granted once, and another one from then on. Each story has a webhook, a rule and events of its own; they are told at the same time. The
//! host is the whole program, and what it did is read by its API and on the receiver's side. At the end what came to the receivers is
//! verified by programs of others: the libraries of Standard Webhooks of PyPI and npm, and for Ed25519 PyPI's `cryptography` and Node's
//! `crypto`.
//!
//! Invariant: it fails when an event is lost, comes under two ids, or goes where it must not, or when a behaviour is met otherwise than written.
//! `--break` shows that it can: the operator grants the address to which the name leads later.

mod names;
mod receiver;
mod signatures;
mod stories;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Serialize;

use self::names::Names;
use self::receiver::Receiver;
use self::signatures::Verified;
use self::stories::{STORIES, Told};
use super::machine::Machine;
use super::{Output, folder, say};
use crate::guests::cargo;
use crate::host::binary::{self, Profile};
use crate::host::{Api, Host, Stage};
use crate::interrupt::Interrupt;
use crate::poll;
use crate::strangers::tools::Tools;

/// The tenant.
const TENANT: &str = "acme";

/// The address of the receiver, which the operator grants, and one that nobody does: somebody listens there too.
pub const HERE: &str = "127.0.0.1";
pub const INSIDE: &str = "127.0.0.9";

/// The name that leads to the one first, and to the other one later.
pub const NAME: &str = "hook.test";

/// How long all stories may take together.
const TOLD_WITHIN: Duration = Duration::from_secs(120);

/// Options of `cargo xtask bench webhook`.
#[derive(clap::Args)]
pub struct Args {
    /// Events of each story.
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1_000))]
    events: u32,
    /// Seconds for which the receiver of one story is down: the hour of others, scaled.
    #[arg(long, default_value_t = 20, value_name = "S", value_parser = clap::value_parser!(u32).range(5..=86_400))]
    down: u32,
    /// Grant the address that must not be reached, to see that it fails.
    #[arg(long = "break")]
    breaks: bool,
    /// Run this binary instead of one that is built first.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// How to print the numbers.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Serialize)]
struct Report {
    events_each: u32,
    down_s: u32,
    stories: BTreeMap<&'static str, Told>,
    /// Connections to where nothing may go.
    inside: usize,
    /// Requests to the place that a redirect named.
    redirected: usize,
    verified: Verified,
    /// What ended it before its end.
    error: Option<String>,
    ok: bool,
}

/// Builds what is needed, measures, prints. It fails when something is otherwise than written.
pub fn run(args: &Args) -> Result<()> {
    let binary = binary::given_or_built(args.binary.as_deref(), Profile::Dev)?;
    let tools = Tools::new(&cargo::workspace(&cargo::repository())?.target);
    let (folder, interrupt) = (folder()?, Interrupt::catch()?);
    let receiver = Receiver::start(Duration::from_secs(args.down.into()))?;
    let names = Names::start()?;
    let stage = Stage::lay_out(&folder, "webhook-", &config(args, &receiver, &names), &[])?;
    let host = Host::start(&binary, &stage, ([127, 0, 0, 1], 0).into())?;
    let api = Api::of(&host.ready().url, TENANT);
    say("the stories are told");
    let keys = signatures::keys(&api)?;
    let positions = stories::send(&api, args.events)?;
    let told =
        poll::until("all stories to be told", TOLD_WITHIN + Duration::from_secs(args.down.into()), &interrupt, || {
            stories::go_on(&api, &receiver)?;
            Ok((api.pending()? == 0).then_some(()))
        });
    // What came until then is told all the same.
    let error = told.err().map(|error| format!("{error:#}"));
    let requests = receiver.requests();
    let mut stories = BTreeMap::new();
    for story in STORIES {
        let positions = positions.get(story.name).map(Vec::as_slice).unwrap_or_default();
        stories.insert(story.name, stories::told(&api, story, positions, &requests)?);
    }
    host.stop()?;
    say("what came is verified by programs of others");
    let verified = signatures::verify(&tools, &keys, &requests)?;
    let (inside, redirected) = (receiver.inside(), requests.iter().filter(|it| it.path == "/elsewhere").count());
    let (events_each, down_s) = (args.events, args.down);
    let mut report = Report { events_each, down_s, stories, inside, redirected, verified, error, ok: false };
    let broken = broken(&report);
    report.ok = broken.is_empty();
    let text = match args.output {
        Output::Text => report.text(&Machine::here(&folder)),
        Output::Json => serde_json::to_string_pretty(&report)? + "\n",
    };
    std::io::stdout().write_all(text.as_bytes())?;
    ensure!(report.ok, "otherwise than written: {}", broken.join(", "));
    Ok(())
}

/// What is otherwise than written.
fn broken(report: &Report) -> Vec<String> {
    let mut broken: Vec<String> = report
        .stories
        .iter()
        .flat_map(|(name, told)| told.broken(report.events_each).into_iter().map(move |what| format!("{name}: {what}")))
        .collect();
    broken.extend(report.error.clone());
    if report.inside > 0 {
        broken.push("somebody came to the address that nobody granted".to_owned());
    }
    if report.redirected > 0 {
        broken.push("a redirect was followed".to_owned());
    }
    if !report.verified.is_all() {
        broken.push("a signature was not verified".to_owned());
    }
    broken
}

impl Report {
    fn text(&self, machine: &Machine) -> String {
        let line = |(name, told): (&&str, &Told)| format!("{name:13} {}\n", told.line());
        format!(
            "machine       {}\nsettings      {} events each, down for {} s\n\n{}\nsignatures    {}\n",
            machine.line(),
            self.events_each,
            self.down_s,
            self.stories.iter().map(line).collect::<String>(),
            self.verified.line(),
        )
    }
}

fn config(args: &Args, receiver: &Receiver, names: &Names) -> String {
    let granted = if args.breaks { format!("{HERE}\", \"{INSIDE}") } else { HERE.to_owned() };
    let head = format!(
        "default_tenant = \"{TENANT}\"\n[egress]\nnetworks = [\"{granted}\"]\ndns = [\"{}\"]\n[tenants.{TENANT}.buses.default]\n",
        names.address()
    );
    let port = receiver.port();
    let of = |story: &stories::Story| {
        let (name, host) = (story.name, if story.by_name { NAME } else { HERE });
        let sent_for = match story.by_topic {
            true => format!("topics.{name}.subscriptions.all"),
            false => format!("rules.{name}"),
        };
        format!(
            "[tenants.{TENANT}.webhooks.{name}]\nurl = \"http://{host}:{port}/{name}\"\nnetworks = [\"{granted}\"]\n{}\n\
             [tenants.{TENANT}.{sent_for}]\npattern = {{ type = [\"{name}\"] }}\n\
             targets = [{{ webhook = \"{name}\", retry = {{ first = \"200ms\", max = \"1s\", attempts = {}, age = \"1h\" }} }}]\n",
            story.settings, story.attempts
        )
    };
    STORIES.iter().fold(head, |config, story| config + &of(story))
}
