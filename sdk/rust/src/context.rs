//! What a handler can do besides returning: everything that reaches the host goes through a [`Context`].
//!
//! Invariant: effects are the attempt's; the host keeps them only if the handler returns `Ok`. (Log lines are kept always.)
//!
//! Nothing here decides whether a plugin may: grants and limits are the host's.

use std::fmt::Display;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::bindings::wharf::plugin::types::Delivery;
use crate::bucket::{Bucket, OpenBuckets};
use crate::config::{self, ConfigError};
use crate::draft::{Draft, PublishError};
use crate::http::Http;
use crate::infer::Model;
use crate::llm::Llm;
use crate::log::{self, Level};
use crate::port;
use crate::secret::SecretError;

/// The bucket that is the plugin's own.
const OWN_BUCKET: &str = "default";

/// The attempt that a handler runs in: why it was called, and what it can do.
pub struct Context {
    delivery: Delivery,
    buckets: OpenBuckets,
}

impl Context {
    pub(crate) fn new(delivery: Delivery) -> Self {
        Self { delivery, buckets: OpenBuckets::default() }
    }

    /// What the call of a plugin can do that answers requests of a route: there the SDK calls no handler, and nobody gives it one of these. It is of
    /// no delivery and no rule, and its only attempt.
    ///
    /// What it published and stored is durable before the answer leaves. None of it is kept where the answer has a status of 500 or above, or
    /// cannot be kept: then whoever asked gets 503 in its place.
    pub fn of_request() -> Self {
        let (id, rule) = (String::new(), String::new());
        Self::new(Delivery { id, rule, attempt: 1, max_attempts: 1, deadline_ms: 0 })
    }

    /// Which attempt this is: 1 is the first.
    pub fn attempt(&self) -> u32 {
        self.delivery.attempt
    }

    /// How many attempts the target's retry policy allows.
    pub fn max_attempts(&self) -> u32 {
        self.delivery.max_attempts
    }

    /// The same for every attempt of this delivery: an idempotency key for effects outside the host.
    pub fn delivery_id(&self) -> &str {
        &self.delivery.id
    }

    /// The rule that matched the event.
    pub fn rule(&self) -> &str {
        &self.delivery.rule
    }

    /// How long this attempt may take, counted from its start.
    pub fn deadline(&self) -> Duration {
        Duration::from_millis(u64::from(self.delivery.deadline_ms))
    }

    /// Adds an event to the attempt's effects and gives the id that it will have.
    ///
    /// # Errors
    ///
    /// When the event's type is not granted, the attempt has published all it may, or the draft is against CloudEvents.
    pub fn publish(&self, draft: Draft) -> Result<String, PublishError> {
        port::publish(&draft.into_contract()).map_err(PublishError::from)
    }

    /// Adds an event that a request brought, under the id that it has where it comes from; its draft should say that source. One that is known
    /// already is left out. Only what answers requests may.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish), and where an event is handled.
    pub fn receive(&self, id: &str, draft: Draft) -> Result<(), PublishError> {
        port::receive(id, &draft.into_contract()).map_err(PublishError::from)
    }

    /// The plugin's own bucket.
    pub fn kv(&self) -> Bucket<'_> {
        self.bucket(OWN_BUCKET)
    }

    /// The bucket of that name. It is opened at its first use, so that is where a missing grant shows.
    pub fn bucket(&self, name: impl Into<String>) -> Bucket<'_> {
        Bucket::new(name.into(), &self.buckets)
    }

    /// The way to send requests by HTTP, each of which needs a grant.
    ///
    /// ```no_run
    /// # fn handler(cx: &wharf::Context) -> wharf::Outcome {
    /// let answer = cx.http().post("https://api.example.com/v1/notes").json(&"hello").send()?;
    /// if !answer.is_ok() {
    ///     return Err(wharf::Failure::retry(answer));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn http(&self) -> Http {
        Http::new()
    }

    /// A route to a model, which needs a grant.
    ///
    /// ```no_run
    /// # fn handler(cx: &wharf::Context) -> wharf::Outcome {
    /// let asked = wharf::Conversation::new("Is the sky blue?").system("Say yes or no.").max_tokens(5);
    /// let reply = cx.llm("triage").converse(&asked)?;
    /// cx.info(reply.text());
    /// # Ok(())
    /// # }
    /// ```
    pub fn llm(&self, route: impl Into<String>) -> Llm {
        Llm::new(route.into())
    }

    /// A model of the tenant, which needs a grant.
    ///
    /// ```no_run
    /// # fn handler(cx: &wharf::Context) -> wharf::Outcome {
    /// let answer = cx.model("fraud").infer([wharf::Tensor::f32("x", [1, 3], [0.5, 1.0, 0.0])])?;
    /// cx.info(format_args!("{:?}", answer.f32("probabilities")?));
    /// # Ok(())
    /// # }
    /// ```
    pub fn model(&self, name: impl Into<String>) -> Model {
        Model::new(name.into())
    }

    /// The value of a secret of the tenant, which needs a grant of its own (`hold`). Where a service takes a key in a field of a request, a grant of
    /// `secrets` has the host put it there, and the plugin never has it.
    ///
    /// ```no_run
    /// # fn handler(cx: &wharf::Context) -> wharf::Outcome {
    /// let key = cx.secret("stripe-signing")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When it is not granted, not there, or cannot be opened.
    pub fn secret(&self, name: &str) -> Result<String, SecretError> {
        port::secret(name).map_err(SecretError::from)
    }

    /// The value of one key of the plugin's `config` table.
    pub fn config(&self, key: &str) -> Option<String> {
        port::config(key).unwrap_or_else(|error| {
            self.warn(format_args!("config `{key}` could not be read: {error}"));
            None
        })
    }

    /// The value of one key of the plugin's `config` table, read as a `T`.
    ///
    /// ```no_run
    /// # fn handler(cx: &wharf::Context) -> wharf::Outcome {
    /// let every: u32 = cx.config_as("every")?.unwrap_or(10);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When there is a value that is no `T`.
    pub fn config_as<T>(&self, key: &str) -> Result<Option<T>, ConfigError>
    where
        T: FromStr<Err: Display>,
    {
        config::parse(key, self.config(key))
    }

    /// Writes one line to the plugin's log. Lines of one `group` belong together; it may be empty.
    pub fn log(&self, level: Level, group: &str, message: impl Display) {
        log::write(level, group, &message.to_string());
    }

    /// Logs values and control flow.
    pub fn trace(&self, message: impl Display) {
        self.log(Level::Trace, "", message);
    }

    /// Logs what helps debugging.
    pub fn debug(&self, message: impl Display) {
        self.log(Level::Debug, "", message);
    }

    /// Logs what is worth knowing.
    pub fn info(&self, message: impl Display) {
        self.log(Level::Info, "", message);
    }

    /// Logs that something is hazardous.
    pub fn warn(&self, message: impl Display) {
        self.log(Level::Warn, "", message);
    }

    /// Logs that something failed.
    pub fn error(&self, message: impl Display) {
        self.log(Level::Error, "", message);
    }

    /// The time of day. (`SystemTime::now` does not work in a plugin.)
    pub fn now(&self) -> SystemTime {
        let now = port::now();
        UNIX_EPOCH + Duration::new(now.seconds, now.nanoseconds)
    }

    /// A random number that is fit for cryptography.
    pub fn random_u64(&self) -> u64 {
        port::get_random_u64()
    }

    /// So many random bytes that are fit for cryptography.
    pub fn random_bytes(&self, length: usize) -> Vec<u8> {
        port::get_random_bytes(u64::try_from(length).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_tells_why_the_handler_was_called() {
        let cx = Context::new(Delivery {
            id: "d-1".to_owned(),
            rule: "orders".to_owned(),
            attempt: 2,
            max_attempts: 3,
            deadline_ms: 1500,
        });
        assert_eq!((cx.delivery_id(), cx.rule(), cx.attempt(), cx.max_attempts()), ("d-1", "orders", 2, 3));
        assert_eq!(cx.deadline(), Duration::from_millis(1500));
    }
}
