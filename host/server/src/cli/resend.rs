//! `wharf webhook resend`: one event of the archive goes to one webhook once more.
//!
//! Invariant: it is a replay of that event to that target, which is waited for and then removed; so the event has its id, as receivers know it, and
//! the rules say whether the webhook is owed it.

use serde_json::json;
use wharf_event::WebhookName;
use wharf_gateway::view::{EventDetail, EventView, ReplayView};

use super::{
    attributes::Attributes,
    error::{CommandError, Exit},
    output::Output,
    replay::{looked, replays, told},
    session::Session,
};
use crate::client::Condition;

/// Sends it and says what came of it.
pub async fn run(
    session: &Session,
    webhook: &WebhookName,
    event: &str,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let found: EventDetail = session.client.get(&session.own().at("events").at(event)).await?;
    let EventView { position, time, bus, event, .. } = found.event;
    let Attributes { id, source, .. } = Attributes::of(&event);
    // Those of its moment, and of them the one.
    let end = time.parse::<jiff::Timestamp>().map(|time| time + jiff::SignedDuration::from_millis(1));
    let wish = json!({
        "bus": bus, "target": format!("webhook/{webhook}"), "start": time, "end": end.ok().map(|end| end.to_string()),
        "pattern": { "id": [id], "source": [source] },
    });
    let at = replays(session).at(format!("resend-{position}"));
    let view: ReplayView = session.client.put(&at, wish.to_string().into_bytes(), Condition::None).await?;
    // Nothing is before one that is over, whether that was counted or not.
    let view = ReplayView { left: None, ..looked(session, &at, view, true).await? };
    session.client.delete(&at).await?;
    told(&view, true, out)
}
