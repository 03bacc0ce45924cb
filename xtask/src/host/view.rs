//! What is read of the API's answers: the members that the demo and the crash test look at, and no others.
//!
//! Invariant: an answer that lacks one of these members is an error, not a default.
//!
//! It does not repeat the gateway's types: a change there that breaks clients breaks this too.

use serde::Deserialize;

/// The answer to an event that is durable.
#[derive(Debug, Clone, Deserialize)]
pub struct Admission {
    /// Its place in the log.
    pub position: String,
    /// Whether it was there before.
    pub duplicate: bool,
}

/// A tenant's totals.
#[derive(Debug, Clone, Deserialize)]
pub struct Stats {
    /// Events received.
    pub events: u64,
    /// Deliveries made.
    pub deliveries: u64,
    /// Attempts settled.
    pub attempts: u64,
    /// Events published by handlers.
    pub published: u64,
    /// Attempts that ended in a retry.
    pub retries: u64,
    /// Deliveries given up.
    pub dead_letters: u64,
    /// Deliveries that have not ended.
    pub pending: u64,
    /// Median from receipt to settlement; none before the first.
    pub p50_ms: Option<f64>,
    /// The same, 99 of 100.
    pub p99_ms: Option<f64>,
}

/// A dead letter.
#[derive(Debug, Clone, Deserialize)]
pub struct Letter {
    /// Its id.
    pub id: String,
    /// The plugin that did not take the event.
    pub plugin: String,
    /// Why, with the code of the last attempt.
    pub error: String,
    /// The event.
    pub event: Event,
}

/// An event as the archive has it.
#[derive(Debug, Clone, Deserialize)]
pub struct Event {
    /// Its place in the log.
    pub position: String,
    /// What was sent or published.
    pub event: CloudEvent,
    /// What it was matched with.
    pub deliveries: Vec<Target>,
    /// The event whose handler published it.
    #[serde(default)]
    pub parent: Option<String>,
}

/// The attributes that are looked at.
#[derive(Debug, Clone, Deserialize)]
pub struct CloudEvent {
    /// Its id.
    pub id: String,
    /// Its type.
    pub r#type: String,
}

/// A target of an event.
#[derive(Debug, Clone, Deserialize)]
pub struct Target {
    /// The plugin.
    pub plugin: String,
}

/// One line of the feed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeedItem {
    /// An event was received.
    Received {
        /// The event.
        event: Event,
    },
    /// An attempt was settled.
    Settled {
        /// The event that was delivered.
        event: String,
        /// To which plugin.
        plugin: String,
        /// The attempt.
        attempt: Attempt,
        /// What it published.
        published: Vec<Event>,
    },
    /// A dead letter was sent again.
    Redriven {
        /// The event that it delivers.
        event: String,
    },
    /// A message of a queue was received, given back or ended.
    Moved(serde::de::IgnoredAny),
    /// A dead letter was let go of.
    Discarded(serde::de::IgnoredAny),
    /// A dead letter got another event.
    Edited(serde::de::IgnoredAny),
}

/// An attempt that was settled.
#[derive(Debug, Deserialize)]
pub struct Attempt {
    /// Its number, from 1.
    pub attempt: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// The release that it was made with; none if there was none.
    #[serde(default)]
    pub release: Option<String>,
    /// When it was settled, in RFC 3339.
    pub time: String,
    /// How long it ran.
    pub duration_us: u64,
}

/// How an attempt ended.
#[derive(Debug, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// Well.
    Ack,
    /// It is tried again.
    Retry,
    /// It was given up.
    DeadLetter,
}
