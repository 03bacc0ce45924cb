//! What the runtimes of AWS have in common: paths, errors by their names, and messages of its event stream, each checked by its sums.

use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};
use aws_smithy_types::event_stream::Message;
use bytes::BytesMut;
use serde_json::{Value, json};

use crate::{
    failed::Failed,
    limits::EVENT_BYTES_MAX,
    provider::{Answered, not_understood, said},
};

/// A name in a path: all but letters, digits and `-._~` is encoded.
pub(crate) fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// An error, as its answer has it.
pub(crate) struct Error {
    /// Its name; empty where none is said.
    pub(crate) name: String,
    /// What it says.
    pub(crate) text: String,
    /// Both, for people.
    pub(crate) words: String,
    /// The rest of it.
    pub(crate) body: Value,
}

impl Error {
    /// Reads an answer whose status is no success: the error's name stands in the head, or else in the body.
    pub(crate) fn read(answered: Answered<'_>) -> Self {
        let body: Value = serde_json::from_slice(answered.body).unwrap_or_default();
        let said_by = |name: &str| body.get(name).and_then(Value::as_str);
        let named = answered.error.or_else(|| said_by("__type")).unwrap_or_default();
        let name = named.split(':').next().unwrap_or_default();
        let name = name.rsplit('#').next().unwrap_or_default().to_owned();
        let text = said_by("message").or_else(|| said_by("Message")).unwrap_or("without a word").to_owned();
        let shown = if name.is_empty() { answered.status.to_string() } else { name.clone() };
        let words = said(&format!("{shown}: {text}"));
        Self { name, text, words, body }
    }
}

/// Messages of an event stream, as their bytes come.
#[derive(Default)]
pub(crate) struct Frames {
    decoder: MessageFrameDecoder,
    bytes: BytesMut,
}

impl Frames {
    /// Adds what came.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message, if it is whole.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn message(&mut self) -> Result<Option<Message>, Failed> {
        match self.decoder.decode_frame(&mut self.bytes) {
            Ok(DecodedFrame::Complete(message)) => Ok(Some(message)),
            Ok(DecodedFrame::Incomplete) if self.bytes.len() > EVENT_BYTES_MAX => {
                Err(not_understood("a part of it is too long"))
            }
            Ok(DecodedFrame::Incomplete) => Ok(None),
            Err(error) => Err(not_understood(&error.to_string())),
        }
    }
}

/// A header of a message.
pub(crate) fn header<'a>(message: &'a Message, name: &str) -> &'a str {
    let found = message.headers().iter().find(|header| header.name().as_str() == name);
    found.and_then(|header| header.value().as_string().ok()).map_or("", |text| text.as_str())
}

/// The name of what says that there will be no more, and its body: the name stands in the head.
pub(crate) fn exception(message: &Message) -> (&str, Vec<u8>) {
    let name = match header(message, ":exception-type") {
        "" => header(message, ":error-code"),
        name => name,
    };
    let body = match header(message, ":error-message") {
        "" => message.payload().to_vec(),
        said => json!({ "message": said }).to_string().into_bytes(),
    };
    (name, body)
}
