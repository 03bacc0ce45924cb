//! The event of a letter, changed before it is sent again.
//!
//! Invariant: what is not named stays as it is; the host says what may change. The payload is sent as it was written.

use clap::Args;
use serde_json::{Map, Value, value::RawValue};
use wharf_event::QueueName;
use wharf_gateway::view::DeadLetterView;

use crate::{
    cli::{args::pair, error::CommandError, input},
    client::{Client, Condition, Resource},
};

/// Which letter, and what of its event is another from now on.
#[derive(Debug, Args)]
pub struct EditArgs {
    /// The queue
    pub queue: QueueName,
    /// The letter's id
    pub id: String,
    /// The payload from now on, JSON; `@FILE` reads a file, `-` stdin
    #[arg(short, long, value_name = "JSON", required_unless_present_any = ["subject", "extensions"])]
    data: Option<String>,
    /// The subject from now on
    #[arg(long)]
    subject: Option<String>,
    /// An extension attribute; may be repeated
    #[arg(short = 's', long = "set", value_name = "NAME=VALUE", value_parser = pair)]
    extensions: Vec<(String, String)>,
}

impl EditArgs {
    fn body(&self) -> Result<Vec<u8>, CommandError> {
        let mut members: Map<String, Value> =
            self.extensions.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        members.extend(self.subject.as_deref().map(|subject| ("subject".to_owned(), subject.into())));
        let mut body = Value::Object(members).to_string();
        if let Some(data) = &self.data {
            let data = input::said(data)?;
            let data: Box<RawValue> = serde_json::from_slice(&data).map_err(CommandError::PayloadNotJson)?;
            body.truncate(body.len().saturating_sub(1));
            let comma = if body.len() > 1 { "," } else { "" };
            body.push_str(&format!("{comma}\"data\":{data}}}"));
        }
        Ok(body.into_bytes())
    }
}

/// Changes the event of a letter, and gives the letter as it is now.
pub async fn edit(client: &Client, dlq: Resource, args: &EditArgs) -> Result<DeadLetterView, CommandError> {
    let event = dlq.at(&args.queue).at(&args.id).at("event");
    Ok(client.put(&event, args.body()?, Condition::None).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_names_what_was_said_and_keeps_the_payload_as_it_was_written() {
        let args = |data: Option<&str>, subject: Option<&str>| EditArgs {
            queue: "dead".parse().unwrap(),
            id: "1-0.0".to_owned(),
            data: data.map(str::to_owned),
            subject: subject.map(str::to_owned),
            extensions: Vec::new(),
        };
        let said = |args: EditArgs| String::from_utf8(args.body().unwrap()).unwrap();
        assert_eq!(said(args(Some(r#"{"n":1.50}"#), None)), r#"{"data":{"n":1.50}}"#);
        assert_eq!(said(args(Some("null"), Some("s"))), r#"{"subject":"s","data":null}"#);
        assert_eq!(said(args(None, Some("s"))), r#"{"subject":"s"}"#);
        assert!(args(Some("{"), None).body().is_err());
    }
}
