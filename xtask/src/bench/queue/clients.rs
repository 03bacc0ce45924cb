//! Clients of the queue: one that sends, those without patience, and the one that looks.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::json;
use socket2::SockRef;

use super::account::{Account, Letters, Look, Name};
use super::{POISON_EVERY, QUEUE, TENANT, VISIBILITY_MS};
use crate::host::Api;
use crate::interrupt::Interrupt;
use crate::poll;

/// Messages that are sent at a time.
const BATCH: u64 = 50;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(150);

/// So much longer than its time a late client waits.
const LATE: Duration = Duration::from_millis(VISIBILITY_MS + 100);

/// How long what is left of the queue may take.
const DRAINED_WITHIN: Duration = Duration::from_secs(30);

/// So long before a message's time is over nobody shows its receipt any more as a good one, in milliseconds.
const SURE_MS: u64 = 300;

/// Every so many rounds a client cuts the connection of a request before its answer, and so in this round for the first time.
const CUT_EVERY: u64 = 400;
const CUT_FIRST: u64 = 4;

/// How long a request that will be cut waits for messages, and how long its client waits before it cuts, in milliseconds.
const CUT_WAIT_MS: u64 = 100;
const CUT_AFTER_MS: u64 = 12;

/// Whoever does something holds it for reading, and whoever looks for writing.
pub struct Stall(pub RwLock<()>);

impl Stall {
    fn enter(&self) -> RwLockReadGuard<'_, ()> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Deserialize)]
struct Received {
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    receipt: String,
    event: Event,
    receives: u64,
    until: String,
}

#[derive(Deserialize)]
struct Event {
    data: Data,
}

#[derive(Clone, Copy, Deserialize)]
struct Data {
    group: u64,
    n: u64,
    poison: bool,
}

impl Data {
    fn name(self) -> Name {
        (self.group, self.n)
    }
}

#[derive(Deserialize)]
struct Results {
    results: Vec<Told>,
}

#[derive(Deserialize)]
struct Told {
    ok: bool,
}

fn now_ms() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0)
}

fn ms(at: &str) -> Result<u64> {
    let at: jiff::Timestamp = at.parse().context("reading a time")?;
    Ok(u64::try_from(at.as_millisecond())?)
}

fn locked<'a>(account: &'a Mutex<Account>) -> MutexGuard<'a, Account> {
    account.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends all messages, a batch at a time.
pub fn send(api: &Api, account: &Mutex<Account>, stall: &Stall, (messages, groups): (u64, u64)) -> Result<()> {
    let numbers: Vec<u64> = (0..messages).collect();
    for batch in numbers.chunks(BATCH as usize) {
        let data = |n: &u64| Data { group: n % groups, n: n / groups, poison: n % POISON_EVERY == POISON_EVERY - 1 };
        let event = |data: Data| {
            json!({
                "specversion": "1.0", "id": format!("{}-{}", data.group, data.n), "source": "bench", "type": "job",
                "partitionkey": format!("group-{}", data.group),
                "data": {"group": data.group, "n": data.n, "poison": data.poison},
            })
        };
        let all: Vec<Data> = batch.iter().map(data).collect();
        let body = serde_json::Value::from(all.iter().copied().map(event).collect::<Vec<_>>()).to_string();
        let names: Vec<Name> = all.iter().map(|data| data.name()).collect();
        let _going = stall.enter();
        let began_ms = now_ms();
        // They may be received before the answer is here.
        locked(account).sends(&names, (began_ms, u64::MAX - 1_000));
        api.post_to(&format!("/queues/{QUEUE}/messages"), "application/cloudevents-batch+json", body.as_bytes())?;
        locked(account).sent_until(&names, now_ms());
    }
    Ok(())
}

/// The dead letters, each with how often it was received.
pub fn dead(api: &Api) -> Result<Letters> {
    #[derive(Deserialize)]
    struct Letter {
        id: String,
        attempts: u64,
        event: Archived,
    }
    #[derive(Deserialize)]
    struct Archived {
        event: Event,
    }
    let (mut names, mut after) = (Letters::new(), String::new());
    loop {
        let page: Vec<Letter> = match api.read(&format!("/dlq/{QUEUE}?limit=500{after}")) {
            Ok(page) => serde_json::from_value(page)?,
            // It comes with its first letter.
            Err(error) if format!("{error}").contains("queue-unknown") => return Ok(names),
            Err(error) => return Err(error),
        };
        let Some(last) = page.last() else { return Ok(names) };
        after = format!("&after={}", last.id);
        names.extend(page.iter().map(|letter| (letter.event.event.data.name(), letter.attempts)));
    }
}

/// Lets everybody hold still, and looks.
pub fn look(api: &Api, account: &Mutex<Account>, stall: &Stall) -> Result<()> {
    #[derive(Deserialize)]
    struct View {
        depth: u64,
        in_flight: u64,
        oldest_since: Option<String>,
    }
    poll::pause(LOOK_EVERY);
    let _still = stall.0.write().unwrap_or_else(PoisonError::into_inner);
    // The host gives up what was received too often by itself, so the letters are looked at until they stay the same.
    for _ in 0..5 {
        let before = dead(api)?;
        let began_ms = now_ms();
        let view: View = serde_json::from_value(api.read(&format!("/queues/{QUEUE}"))?)?;
        let ended_ms = now_ms();
        if before == dead(api)? {
            let oldest_ms = view.oldest_since.as_deref().map(ms).transpose()?;
            let look = Look { depth: view.depth, in_flight: view.in_flight, oldest_ms, began_ms, ended_ms };
            locked(account).look(look, &before);
            break;
        }
    }
    Ok(())
}

/// Receives until nothing is left: what was received too often goes to the dead letters by that. Where it `takes`, it ends what it gets.
pub fn drain(api: &Api, account: &Mutex<Account>, interrupt: &Interrupt, takes: bool) -> Result<()> {
    poll::until("the queue to be empty", DRAINED_WITHIN, interrupt, || {
        let answer = api.act(&format!("/queues/{QUEUE}/receive"), &json!({"max": 1_000}))?;
        let Received { messages } = serde_json::from_value(answer).context("reading messages")?;
        for message in &messages {
            let name = message.event.data.name();
            locked(account).receives(name, message.receives, ms(&message.until)?);
            if takes {
                locked(account).ends(name);
                let taken = shown(api, "ack", &message.receipt)?;
                locked(account).told(name, taken);
            }
        }
        let depth = api.read(&format!("/queues/{QUEUE}"))?.get("depth").and_then(serde_json::Value::as_u64);
        Ok((depth == Some(0)).then_some(()))
    })
}

/// Whether a message is somebody's for so long that its receipt is good when it comes to the host.
fn is_sure(message: &Message) -> Result<bool> {
    Ok(now_ms() + SURE_MS < ms(&message.until)?)
}

/// A client without patience.
pub struct Client<'a> {
    api: Api,
    random: u64,
    account: &'a Mutex<Account>,
    stall: &'a Stall,
    interrupt: &'a Interrupt,
    url: &'a str,
    rounds: u64,
}

impl<'a> Client<'a> {
    pub fn new(
        url: &'a str,
        number: u64,
        account: &'a Mutex<Account>,
        stall: &'a Stall,
        interrupt: &'a Interrupt,
    ) -> Self {
        Self { api: Api::of(url, TENANT), random: number * 7_919 + 1, account, stall, interrupt, url, rounds: 0 }
    }

    /// The next number below a bound, the same in every run.
    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }

    /// Goes on until all messages are at their end, or the time is.
    pub fn storm(&mut self, messages: u64, until: Instant) -> Result<()> {
        while !locked(self.account).is_over(messages) && Instant::now() < until {
            self.interrupt.check()?;
            self.rounds += 1;
            if self.below(CUT_EVERY) == 0 || self.rounds == CUT_FIRST {
                self.cut()?;
                continue;
            }
            let max = 1 + self.below(10);
            let received = self.receive(max)?;
            // One client of twenty ends with what it has, and another one comes in its place.
            let crashes = self.below(20) == 0;
            for message in received {
                if crashes {
                    locked(self.account).forgets();
                    continue;
                }
                self.handle(&message)?;
            }
        }
        Ok(())
    }

    /// Asks for messages, and is gone before they come: whatever it is given nobody has.
    fn cut(&mut self) -> Result<()> {
        let (max, wait) = (1 + self.below(10), self.below(CUT_AFTER_MS));
        let _going = self.stall.enter();
        let authority = self.url.strip_prefix("http://").context("the host's address")?;
        let body = json!({"max": max, "wait": format!("{CUT_WAIT_MS}ms")}).to_string();
        let head = format!(
            "POST /v1/tenants/{TENANT}/queues/{QUEUE}/receive HTTP/1.1\r\nhost: {authority}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(authority).context("connecting to the host")?;
        // What it leads to may come as late as that.
        locked(self.account).cuts(max, now_ms() + 2 * CUT_WAIT_MS + VISIBILITY_MS + SURE_MS);
        stream.write_all((head + &body).as_bytes()).context("asking for messages")?;
        poll::pause(Duration::from_millis(wait));
        // A reset, and no orderly end.
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).context("cutting a connection")
    }

    fn receive(&mut self, max: u64) -> Result<Vec<Message>> {
        let _going = self.stall.enter();
        let body = json!({"max": max, "wait": "100ms"});
        let answer = self.api.act(&format!("/queues/{QUEUE}/receive"), &body)?;
        let Received { messages } = serde_json::from_value(answer).context("reading messages")?;
        let mut account = locked(self.account);
        for message in &messages {
            account.receives(message.event.data.name(), message.receives, ms(&message.until)?);
        }
        Ok(messages)
    }

    fn handle(&mut self, message: &Message) -> Result<()> {
        if message.event.data.poison {
            let _going = self.stall.enter();
            if is_sure(message)? {
                let taken = self.show("release", &message.receipt)?;
                locked(self.account).releases(message.event.data.name(), taken);
            }
            return Ok(());
        }
        match self.below(20) {
            0 | 1 => locked(self.account).forgets(),
            2 => {
                poll::pause(LATE);
                self.stale(&message.receipt)?;
            }
            3..=5 => {
                if self.end(message)? {
                    self.stale(&message.receipt)?;
                }
            }
            _ => drop(self.end(message)?),
        }
        Ok(())
    }

    /// Ends a message, if it has not taken too long to come to it.
    fn end(&mut self, message: &Message) -> Result<bool> {
        let name = message.event.data.name();
        let _going = self.stall.enter();
        if !is_sure(message)? {
            locked(self.account).forgets();
            return Ok(false);
        }
        locked(self.account).ends(name);
        let taken = self.show("ack", &message.receipt)?;
        locked(self.account).told(name, taken);
        Ok(true)
    }

    /// Shows a receipt that is none any more.
    fn stale(&mut self, receipt: &str) -> Result<()> {
        let _going = self.stall.enter();
        let taken = self.show("ack", receipt)?;
        locked(self.account).stale(taken);
        Ok(())
    }

    fn show(&self, what: &str, receipt: &str) -> Result<bool> {
        shown(&self.api, what, receipt)
    }
}

/// Shows a receipt, and gives whether it was taken.
fn shown(api: &Api, what: &str, receipt: &str) -> Result<bool> {
    let answer = api.act(&format!("/queues/{QUEUE}/{what}"), &json!({"receipts": [receipt]}))?;
    let Results { results } = serde_json::from_value(answer).context("reading what came of a receipt")?;
    Ok(results.first().context("a receipt without a result")?.ok)
}
