//! Queues of a file beside those of a host. Invariant: only what is said of a queue is compared; its messages are in no file.

use serde::Serialize;
use wharf_delivery::QueueDocument;
use wharf_event::{Code, QueueName};
use wharf_gateway::view::{ConsumerView, MessageQueueView, RuleOrigin};

use super::{
    super::error::CommandError,
    compare::{Comparison, json},
    plan::{Action, Kind, Work},
};
use crate::config::duration_text;

/// A queue as it is put.
#[derive(Serialize)]
struct Body<'a> {
    visibility: String,
    delay: String,
    retention: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_receives: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backlog: Option<u32>,
    dead_letter: &'a QueueName,
    content_deduplication: bool,
    ordered: bool,
    paused: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumer: Option<ConsumerView>,
}

impl<'a> From<&'a QueueDocument> for Body<'a> {
    fn from(from: &'a QueueDocument) -> Self {
        Self {
            visibility: duration_text(from.visibility_ms),
            delay: duration_text(from.delay_ms),
            retention: duration_text(from.retention_ms),
            max_receives: from.max_receives,
            backlog: from.backlog,
            dead_letter: &from.dead_letter,
            content_deduplication: from.content_deduplication,
            ordered: from.ordered,
            paused: from.paused,
            consumer: from.consumer.as_ref().map(|of| ConsumerView {
                plugin: of.plugin.clone(),
                batch: of.batch,
                window: duration_text(of.window_ms),
                concurrency: of.concurrency,
            }),
        }
    }
}

impl Comparison<'_> {
    /// Compares one queue.
    pub(super) fn queue(&mut self, name: &QueueName, wanted: &QueueDocument) -> Result<(), CommandError> {
        let body = Body::from(wanted);
        let consumed = wanted.consumer.is_some();
        let Some(there) = self.there.queues.get(name) else {
            let most = wanted.max_receives.map(|most| format!(", received {most} times at most")).unwrap_or_default();
            let detail = format!("visibility {}{most}", body.visibility);
            let work = Work::Queue { queue: name.clone(), body: json(&body)?, seen: None, consumed };
            self.step(Kind::Queue, name, Action::Add, detail, work);
            return Ok(());
        };
        let parts = between(there, &body);
        if parts.is_empty() {
            self.plan.unchanged += 1;
        } else if there.origin == RuleOrigin::File {
            self.of_file(Kind::Queue, name, Code::QueueOfFile, &parts.join(", "));
        } else {
            let work = Work::Queue { queue: name.clone(), body: json(&body)?, seen: there.version, consumed };
            self.step(Kind::Queue, name, Action::Change, parts.join(", "), work);
        }
        Ok(())
    }
}

/// What becomes different.
fn between(there: &MessageQueueView, wanted: &Body<'_>) -> Vec<&'static str> {
    let parts = [
        ("visibility", there.visibility == wanted.visibility),
        ("delay", there.delay == wanted.delay),
        ("retention", there.retention == wanted.retention),
        ("max_receives", there.max_receives == wanted.max_receives),
        ("backlog", there.backlog == wanted.backlog),
        ("dead_letter", there.dead_letter == *wanted.dead_letter),
        ("content_deduplication", there.content_deduplication == wanted.content_deduplication),
        ("consumer", there.consumer == wanted.consumer),
        ("ordered", there.ordered == wanted.ordered),
        (if wanted.paused { "paused" } else { "resumed" }, there.paused == wanted.paused),
    ];
    parts.into_iter().filter(|(_, same)| !same).map(|(part, _)| part).collect()
}
