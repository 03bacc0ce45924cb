//! `cargo xtask bench queue`: clients without patience share an ordered queue, and the queue keeps what it promises.
//!
//! Method: messages in groups, numbered within each, and some that nobody can handle. Eight clients receive them; each message they end at once,
//! end twice, end when their time is over, forget, or give back, by chance; some crash, with what they have or with a request on its way, whose
//! connection they cut before there is an answer. All that they do is written down in the order in which they did it.
//! Now and then all of them hold still for a look: then the queue's depth, its messages in flight and the age of the oldest are compared with
//! what was written down. Behind the storm a client with patience takes what is left, and the account has to come out even.
//!
//! Invariant: it fails when a message is lost or comes again behind its end, when one of a group comes before those before it, when a receipt
//! does something behind its time, or when a look or the dead letters differ by one; and when the storm does not end in its time, which it tells
//! with all that it has seen by then. What a cut request may have been given is counted as that, and as no more. `--break` shows that it can
//! fail: the queue is not ordered.

mod account;
mod clients;

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::json;

use self::account::{Account, Letters};
use self::clients::{Client, Stall};
use super::machine::Machine;
use super::{Output, folder, say};
use crate::host::binary::{self, Profile};
use crate::host::{Api, Host, Stage};
use crate::interrupt::Interrupt;

/// The tenant, and its queue.
const TENANT: &str = "acme";
const QUEUE: &str = "jobs";

/// How long a message is a client's, in milliseconds.
const VISIBILITY_MS: u64 = 700;

/// How often a message may be received.
const RECEIVES_MAX: u64 = 5;

/// One message of so many is one that nobody can handle.
const POISON_EVERY: u64 = 100;

/// Options of `cargo xtask bench queue`.
#[derive(clap::Args)]
pub struct Args {
    /// Messages.
    #[arg(long, default_value_t = 2_000, value_name = "N", value_parser = clap::value_parser!(u64).range(100..=100_000))]
    messages: u64,
    /// Groups that they are in.
    #[arg(long, default_value_t = 40, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000))]
    groups: u64,
    /// Clients.
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=64))]
    clients: u64,
    /// How long the storm may take.
    #[arg(long, default_value_t = 600, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(5..=86_400))]
    within: u64,
    /// Do not let the queue be ordered, to see that this fails.
    #[arg(long = "break")]
    breaks: bool,
    /// Run this binary instead of one that is built first.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// How to print the numbers.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// What came of it.
#[derive(Default, Serialize)]
pub struct Report {
    clients: u64,
    messages: u64,
    groups: u64,
    received: u64,
    /// Messages that ended well.
    ended: u64,
    forgotten: u64,
    /// Requests whose connection was cut before the answer, and receives of messages that nobody was told of.
    cut: u64,
    received_unseen: u64,
    /// More of those than such requests asked for.
    received_by_nobody: u64,
    /// Receipts that were shown behind their time, or again.
    stale: u64,
    /// Those of them that did something.
    stale_taken: u64,
    /// Receipts that were shown in their time and did nothing.
    good_refused: u64,
    lost: u64,
    /// Whether messages were left when its time was over.
    late: bool,
    /// Messages that came again behind their end.
    again: u64,
    out_of_order: u64,
    dead_letters: u64,
    dead_letters_expected: u64,
    /// Letters that were not received as often as a message may be, and messages that were and are none.
    dead_letters_wrong: u64,
    looks: u64,
    looks_wrong: u64,
    seconds: f64,
    /// What ended it before its end.
    error: Option<String>,
    ok: bool,
}

/// Builds what is needed, measures, prints. It fails when anything is otherwise than promised.
pub fn run(args: &Args) -> Result<()> {
    let binary = binary::given_or_built(args.binary.as_deref(), Profile::Dev)?;
    let (folder, interrupt) = (folder()?, Interrupt::catch()?);
    let stage = Stage::lay_out(&folder, "queue-", &format!("[tenants.{TENANT}.buses.default]\n"), &[])?;
    let host = Host::start(&binary, &stage, ([127, 0, 0, 1], 0).into())?;
    let api = Api::of(&host.ready().url, TENANT);
    let settings = json!({
        "visibility": format!("{VISIBILITY_MS}ms"), "max_receives": RECEIVES_MAX, "ordered": !args.breaks,
    });
    api.put(&format!("/queues/{QUEUE}"), "application/json", settings.to_string().as_bytes())?;
    say(&format!("{} clients without patience, {} messages in {} groups", args.clients, args.messages, args.groups));
    let (account, stall) = (Mutex::new(Account::default()), Stall(RwLock::new(())));
    let began = Instant::now();
    let storm = Storm { url: &host.ready().url, account: &account, stall: &stall, interrupt: &interrupt, args };
    let letters = storm.rage(&api);
    let error = letters.as_ref().err().map(|error| format!("{error:#}"));
    let letters = letters.or_else(|_| clients::dead(&api)).unwrap_or_default();
    let mut report = account.lock().ok().context("an account")?.report(&letters);
    (report.clients, report.messages, report.groups) = (args.clients, args.messages, args.groups);
    report.seconds = (began.elapsed().as_secs_f64() * 10.0).round() / 10.0;
    report.error = error;
    host.stop()?;
    report.ok = report.broken().is_empty();
    let text = match args.output {
        Output::Text => report.text(&Machine::here(&folder)),
        Output::Json => serde_json::to_string_pretty(&report)? + "\n",
    };
    std::io::stdout().write_all(text.as_bytes())?;
    ensure!(report.ok, "otherwise than promised: {}", report.broken().join(", "));
    Ok(())
}

/// What a storm is made of.
struct Storm<'a> {
    url: &'a str,
    account: &'a Mutex<Account>,
    stall: &'a Stall,
    interrupt: &'a Interrupt,
    args: &'a Args,
}

impl Storm<'_> {
    /// The storm, and what a client with patience does behind it. It gives the dead letters.
    fn rage(&self, api: &Api) -> Result<Letters> {
        let Self { account, stall, interrupt, args, .. } = *self;
        let until = Instant::now() + Duration::from_secs(args.within);
        let ended = thread::scope(|scope| {
            let clients: Vec<_> = (0..args.clients)
                .map(|number| {
                    let mut client = Client::new(self.url, number, account, stall, interrupt);
                    scope.spawn(move || client.storm(args.messages, until))
                })
                .collect();
            clients::send(api, account, stall, (args.messages, args.groups))?;
            while !account.lock().is_ok_and(|account| account.is_over(args.messages)) && Instant::now() < until {
                clients::look(api, account, stall)?;
                interrupt.check()?;
                if clients.iter().all(|client| client.is_finished()) {
                    break;
                }
            }
            for client in clients {
                client.join().ok().context("a client ended in a panic")??;
            }
            anyhow::Ok(account.lock().is_ok_and(|account| account.is_over(args.messages)))
        })?;
        if !ended {
            say(&format!("the storm did not end within {} s: what is left is taken", args.within));
        }
        clients::drain(api, account, interrupt, !ended)?;
        clients::look(api, account, stall)?;
        let letters = clients::dead(api)?;
        account.lock().ok().context("an account")?.ends_late(!ended);
        Ok(letters)
    }
}

impl Report {
    fn broken(&self) -> Vec<&'static str> {
        let all = [
            (self.error.is_some(), "it did not come to its end"),
            (self.late, "the storm did not end in its time"),
            (self.lost > 0, "messages are lost"),
            (self.received_by_nobody > 0, "messages were received by nobody"),
            (self.again > 0, "messages came behind their end"),
            (self.out_of_order > 0, "messages of a group came out of order"),
            (self.stale_taken > 0, "stale receipts did something"),
            (self.good_refused > 0, "receipts were refused in their time"),
            (
                self.dead_letters != self.dead_letters_expected || self.dead_letters_wrong > 0,
                "the dead letters are not those that were received too often",
            ),
            (self.looks_wrong > 0, "looks were wrong"),
            (self.looks == 0 || self.stale == 0 || self.dead_letters == 0 || self.cut == 0, "it was no storm"),
        ];
        all.into_iter().filter(|(broken, _)| *broken).map(|(_, what)| what).collect()
    }

    fn text(&self, machine: &Machine) -> String {
        let Self { received, ended, forgotten, stale, stale_taken, lost, again, out_of_order, .. } = self;
        format!(
            "machine       {}\nsettings      {} messages in {} groups, {} clients, {VISIBILITY_MS} ms each, at most {RECEIVES_MAX} receives\n\n\
             received      {received} in {} s, of them forgotten {forgotten}\n\
             ended         {ended}, lost {lost}, again {again}, out of order {out_of_order}\n\
             receipts      {stale} stale, of them taken {stale_taken}; refused in their time {}\n\
             cut           {} requests before their answer, and {} receives that nobody saw\n\
             dead letters  {} of {}\n\
             looks         {}, wrong {}\n",
            machine.line(),
            self.messages,
            self.groups,
            self.clients,
            self.seconds,
            self.good_refused,
            self.cut,
            self.received_unseen,
            self.dead_letters,
            self.dead_letters_expected,
            self.looks,
            self.looks_wrong,
        )
    }
}
