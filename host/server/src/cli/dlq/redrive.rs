//! Redrives at a rate: begun, looked at, and cancelled. The host sends the letters, also when no command runs.

use wharf_gateway::view::PacedRedriveView;

use super::Redrive;
use crate::{
    cli::{error::CommandError, events::fact, output::Output, words::counted},
    client::{Client, ClientError, Resource},
};

/// Begins to send letters of a queue again.
pub async fn begin(client: &Client, queue: Resource, which: &Redrive, out: &mut Output) -> Result<(), CommandError> {
    let body = serde_json::to_vec(which).map_err(ClientError::NotUnderstood)?;
    let begun: PacedRedriveView = client.post(&queue.at("redrive"), "application/json", body).await?;
    if out.is_json() {
        return out.document(&begun);
    }
    let PacedRedriveView { queue, letters, letters_per_s, .. } = begun;
    let letters = counted(usize::try_from(letters).unwrap_or(usize::MAX), "letter lies", "letters lie");
    out.line(&format!(
        "redriving at {letters_per_s}/s: {letters} in {queue}; wharf dlq progress {queue} shows how far it came"
    ))
}

/// Shows how far it came.
pub async fn progress(client: &Client, queue: Resource, out: &mut Output) -> Result<(), CommandError> {
    show(&client.get(&queue.at("redrive")).await?, out)
}

/// Ends it where it is.
pub async fn cancel(client: &Client, queue: Resource, out: &mut Output) -> Result<(), CommandError> {
    show(&client.post(&queue.at("redrive").at("cancel"), "application/json", Vec::new()).await?, out)
}

fn show(redrive: &PacedRedriveView, out: &mut Output) -> Result<(), CommandError> {
    if out.is_json() {
        return out.document(redrive);
    }
    let PacedRedriveView { queue, phase, reason, redriven, letters, begun, letters_per_s, filter } = redrive;
    let of = if filter.is_some() { "among" } else { "of" };
    let mut facts = vec![
        ("queue", queue.to_string()),
        ("phase", phase.clone()),
        ("redriven", format!("{redriven} {of} {letters} letters")),
        ("begun", begun.clone()),
        ("rate", format!("{letters_per_s}/s")),
    ];
    facts.extend(reason.iter().map(|reason| ("reason", reason.clone())));
    facts.iter().try_for_each(|(name, value)| out.line(&fact(name, value)))
}
