//! A host in memory, so that `cargo test` runs a handler as the function that it is. It does not exist in components.
//!
//! ```
//! use wharf::{Context, Event, Outcome, testing::{Host, event}};
//!
//! fn count(event: Event<u64>, cx: &Context) -> Outcome {
//!     cx.kv().increment("sum", event.data)?;
//!     Ok(())
//! }
//!
//! let mut host = Host::new();
//! assert!(host.run(count, event("number.drawn").json("7")).is_ok());
//! assert_eq!(host.get("default", "sum"), Some("7"));
//! ```
//!
//! Invariant: as with the real host, what an attempt published and stored is kept only if it ended well, and a payload that does not fit is
//! rejected before the handler is called. Its clock stands still and its random numbers are the same in every test.
//!
//! It has no limits, and grants everything but what is denied; it matches no rules.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::bindings::wharf::plugin::types;
use crate::port::{self, Memory};
use crate::{
    Context, Event, Failure, IntoPayload, Item, Outcome, Outcomes, Payload, Request, Response, Transformed, run,
};

/// Attempts that there may be.
const MAX_ATTEMPTS: u32 = 185;

/// A host in memory.
#[derive(Debug)]
pub struct Host {
    memory: Memory,
    attempt: u32,
}

/// An event that a handler published.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// The id that the handler was told.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// Where it happened, if the handler said so.
    pub source: Option<String>,
    /// What it is about.
    pub subject: Option<String>,
    /// The media type of its payload.
    pub datacontenttype: Option<String>,
    /// Its extension attributes.
    pub extensions: Vec<(String, String)>,
    /// Its payload.
    pub data: Vec<u8>,
}

impl Published {
    /// Its payload as text; what is none is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.data).into_owned()
    }
}

/// An event for a handler; [`event`] begins one.
#[derive(Debug, Clone)]
#[must_use = "it is given to a handler by `Host::run`"]
pub struct Given(types::Event);

/// An event of that type, without a payload.
pub fn event(kind: impl Into<String>) -> Given {
    Given(types::Event {
        id: "1".to_owned(),
        source: "test".to_owned(),
        type_: kind.into(),
        subject: None,
        time: None,
        datacontenttype: None,
        dataschema: None,
        extensions: Vec::new(),
        data: None,
    })
}

impl Given {
    /// The payload, a text of JSON.
    pub fn json(self, text: &str) -> Self {
        self.data("application/json", text)
    }

    /// The payload, as bytes of that media type.
    pub fn data(mut self, datacontenttype: &str, payload: impl AsRef<[u8]>) -> Self {
        self.0.datacontenttype = Some(datacontenttype.to_owned());
        self.0.data = Some(payload.as_ref().to_vec());
        self
    }

    /// What in the source it is about.
    pub fn subject(mut self, subject: &str) -> Self {
        self.0.subject = Some(subject.to_owned());
        self
    }

    /// A further attribute.
    pub fn extension(mut self, name: &str, value: &str) -> Self {
        self.0.extensions.push(types::Attribute { name: name.to_owned(), value: value.to_owned() });
        self
    }
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Host {
    /// An empty host, on 2026-01-01.
    pub fn new() -> Self {
        Self { memory: Memory { now: Duration::from_secs(1_767_225_600), ..Memory::default() }, attempt: 1 }
    }

    /// Sets a key of the plugin's `config` table.
    pub fn config(&mut self, key: &str, value: &str) -> &mut Self {
        self.memory.config.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Keeps a secret, which the plugin may hold.
    pub fn secret(&mut self, name: &str, value: &str) -> &mut Self {
        self.memory.secrets.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Denies an event type, a bucket or a secret.
    pub fn deny(&mut self, type_or_bucket: &str) -> &mut Self {
        self.memory.denied.insert(type_or_bucket.to_owned());
        self
    }

    /// Stores a value. The plugin's own bucket is `default`.
    pub fn set(&mut self, bucket: &str, key: &str, value: impl AsRef<[u8]>) -> &mut Self {
        let keys = self.memory.kv.entry(bucket.to_owned()).or_default();
        keys.insert(key.to_owned(), value.as_ref().to_vec());
        self
    }

    /// Sets the time.
    pub fn at(&mut self, now: SystemTime) -> &mut Self {
        self.memory.now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        self
    }

    /// Makes the next attempts those of that number; 1 is the first.
    pub fn attempt(&mut self, number: u32) -> &mut Self {
        self.attempt = number;
        self
    }

    /// Answers requests of that method to that URL. Others are not granted.
    pub fn answer(&mut self, method: &str, url: &str, status: u16, body: impl AsRef<[u8]>) -> &mut Self {
        let response = Response { status, headers: Vec::new(), body: body.as_ref().to_vec() };
        self.memory.answers.push((method.to_owned(), url.to_owned(), response));
        self
    }

    /// What is stored, as text; `None` if there is nothing, or no text.
    pub fn get(&self, bucket: &str, key: &str) -> Option<&str> {
        std::str::from_utf8(self.memory.kv.get(bucket)?.get(key)?).ok()
    }

    /// What was published, first to last.
    pub fn published(&self) -> &[Published] {
        &self.memory.published
    }

    /// Requests that were sent, first to last, also by attempts that failed.
    pub fn sent(&self) -> &[Request] {
        &self.memory.sent
    }

    /// Lines of the log, first to last, each behind its level: `info: charged`.
    pub fn lines(&self) -> &[String] {
        &self.memory.lines
    }

    /// Runs one attempt.
    ///
    /// # Errors
    ///
    /// The handler's failure, or the rejection of a payload that does not fit.
    pub fn run<T: Payload>(&mut self, handler: fn(Event<T>, &Context) -> Outcome, event: Given) -> Outcome {
        let delivery = self.delivery(1);
        self.within(|| run::attempted(event.0, delivery, handler), Result::is_ok)
    }

    /// Runs one call with these events, and gives an outcome for each. What it did is kept if all of them ended well.
    ///
    /// # Errors
    ///
    /// The failure of all of them, if the handler gives one.
    pub fn run_batch<T: Payload>(
        &mut self,
        handler: fn(Vec<Item<T>>, &Context) -> Outcomes,
        events: impl IntoIterator<Item = Given>,
    ) -> Outcomes {
        let item = |(n, Given(event)): (usize, Given)| run::ReceivedItem { event, delivery: self.delivery(n + 1) };
        let items: Vec<_> = events.into_iter().enumerate().map(item).collect();
        let is_kept = |outcomes: &Outcomes| outcomes.as_ref().is_ok_and(|all| all.iter().all(Result::is_ok));
        self.within(|| run::batched(items, handler), is_kept)
    }

    fn delivery(&self, number: usize) -> types::Delivery {
        types::Delivery {
            id: format!("delivery-{number}"),
            rule: "test".to_owned(),
            attempt: self.attempt,
            max_attempts: MAX_ATTEMPTS.max(self.attempt),
            deadline_ms: 10_000,
        }
    }

    fn within<T>(&mut self, attempt: impl FnOnce() -> T, is_kept: impl FnOnce(&T) -> bool) -> T {
        let before = self.memory.clone();
        let around = port::exchange(std::mem::take(&mut self.memory));
        let ended = attempt();
        self.memory = port::exchange(around);
        if !is_kept(&ended) {
            (self.memory.kv, self.memory.published) = (before.kv, before.published);
        }
        ended
    }
}

/// Runs a transform, and gives the event that goes on with its payload's bytes, if one does.
///
/// # Errors
///
/// The transform's failure, or the rejection of a payload that does not fit.
pub fn transform<T: Payload, U: IntoPayload>(
    transform: fn(Event<T>) -> Transformed<U>,
    event: Given,
) -> Result<Option<Event<Vec<u8>>>, Failure> {
    let Some(sent) = run::transformed(event.0, transform)? else { return Ok(None) };
    Event::from_contract(sent).map(Some).map_err(Failure::reject)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Draft;

    fn charge(event: Event<i64>, cx: &Context) -> Outcome {
        cx.kv().add("cents", event.data)?;
        cx.bucket("ledger").set(&event.id, "x")?;
        cx.publish(Draft::new("order.charged").subject("order/7").json(&event.data)?)?;
        cx.info(format_args!("charged {}", cx.config("currency").unwrap_or_default()));
        if event.data < 0 {
            return Err(Failure::reject("less than nothing"));
        }
        Ok(())
    }

    #[test]
    fn what_an_attempt_did_is_kept_if_it_ended_well() {
        let mut host = Host::new();
        host.config("currency", "EUR").set("default", "cents", "10");
        assert_eq!(host.run(charge, event("order.created").json("990")), Ok(()));
        assert_eq!((host.get("default", "cents"), host.get("ledger", "1")), (Some("1000"), Some("x")));
        assert_eq!(host.published().len(), 1);
        let published = host.published().first().unwrap();
        assert_eq!((published.subject.as_deref(), published.text().as_str()), (Some("order/7"), "990"));
        assert_eq!(host.run(charge, event("order.created").json("-1")), Err(Failure::reject("less than nothing")));
        assert_eq!((host.get("default", "cents"), host.published().len()), (Some("1000"), 1));
        assert_eq!(host.lines(), ["info: charged EUR", "info: charged EUR"]);
    }

    #[test]
    fn what_is_denied_and_what_does_not_fit_is_a_failure() {
        let mut host = Host::new();
        host.deny("ledger");
        let Err(Failure::Retry { reason, .. }) = host.run(charge, event("a").json("1")) else { panic!("no retry") };
        assert!(reason.contains("bucket `ledger` is not granted"), "{reason}");
        host.deny("order.charged").set("default", "cents", "many");
        let Err(Failure::Retry { reason, .. }) = host.run(charge, event("a").json("1")) else { panic!("no retry") };
        assert!(reason.contains("the value under `cents` is no integer"), "{reason}");
        let Err(Failure::Reject { reason }) = host.run(charge, event("a").json("\"x\"")) else {
            panic!("no rejection")
        };
        assert!(reason.contains("expected i64"), "{reason}");
    }

    fn tell(_: Event<()>, cx: &Context) -> Outcome {
        let answer = cx.http().post("https://a.example/x").body("text/plain", "hi").send()?;
        let seconds = cx.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        cx.kv().set("told", format!("{} {} {} {seconds}", answer.status, cx.attempt(), cx.random_bytes(3).len()))?;
        Ok(())
    }

    #[test]
    fn requests_time_and_attempts_are_the_tests() {
        let mut host = Host::new();
        assert!(host.run(tell, event("a")).is_err());
        host.answer("POST", "https://a.example/x", 201, "").at(UNIX_EPOCH + Duration::from_secs(7)).attempt(3);
        assert_eq!(host.run(tell, event("a")), Ok(()));
        assert_eq!((host.get("default", "told"), host.sent().len()), (Some("201 3 3 7"), 2));
    }

    fn sign(_: Event<()>, cx: &Context) -> Outcome {
        let bytes = cx.secret("signing")?.len();
        cx.kv().set("bytes", bytes.to_string())?;
        Ok(())
    }

    #[test]
    fn a_secret_is_held_where_the_test_keeps_one() {
        let mut host = Host::new();
        assert!(host.run(sign, event("a")).unwrap_err().to_string().contains("there is no secret `signing`"));
        host.secret("signing", "whsec_1");
        assert_eq!((host.run(sign, event("a")), host.get("default", "bytes")), (Ok(()), Some("7")));
        host.deny("signing");
        assert!(host.run(sign, event("a")).unwrap_err().to_string().contains("is not granted"));
    }

    fn sum(batch: Vec<Item<i64>>, cx: &Context) -> Outcomes {
        cx.kv().add("sum", batch.iter().map(|item| item.event.data).sum())?;
        let outcome = |item: &Item<i64>| if item.event.data < 0 { Err(Failure::reject("no")) } else { Ok(()) };
        Ok(batch.iter().map(outcome).collect())
    }

    #[test]
    fn of_a_batch_all_is_kept_or_nothing() {
        let mut host = Host::new();
        let given = |data: &str| event("n").json(data);
        assert_eq!(host.run_batch(sum, [given("1"), given("-2")]), Ok(vec![Ok(()), Err(Failure::reject("no"))]));
        assert_eq!(host.get("default", "sum"), None);
        assert_eq!(host.run_batch(sum, [given("1"), given("2")]), Ok(vec![Ok(()), Ok(())]));
        assert_eq!(host.get("default", "sum"), Some("3"));
    }

    fn halve(event: Event<u32>) -> Transformed<u32> {
        Ok((event.data > 0).then(|| event.with_extension("halved", "yes").with_data(4)))
    }

    #[test]
    fn a_transforms_event_is_what_goes_on() {
        let changed = transform(halve, event("n").json("8").subject("x")).unwrap().unwrap();
        assert_eq!((changed.data.as_slice(), changed.extension("halved")), (b"4".as_slice(), Some("yes")));
        assert!(transform(halve, event("n").json("0")).unwrap().is_none());
        assert!(transform(halve, event("n").json("x")).is_err());
    }
}
