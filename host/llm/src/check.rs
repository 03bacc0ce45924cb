//! Whether a model can be asked this, by anybody.
//!
//! Invariant: what passes has bounds in all its counts, and its JSON is JSON. Whether a provider can do it, the provider says.

use serde_json::Value;

use crate::{
    ask::{Ask, Conversation, Embedding, Part, Role, ToolChoice},
    limits::{
        MESSAGES_MAX, NAME_BYTES_MAX, OPTION_BYTES_MAX, OPTIONS_MAX, PARTS_MAX, SCHEMA_BYTES_MAX, STOPS_MAX, TEXTS_MAX,
        TOOLS_MAX,
    },
};

/// Why a model cannot be asked this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Nothing is asked.
    #[error("there is no message, or one that says nothing")]
    Empty,
    /// It is not the model's turn.
    #[error("the last message has to be the user's")]
    Turn,
    /// More than may be.
    #[error("it has more than {1} {0}")]
    TooMany(&'static str, usize),
    /// A name that providers do not take.
    #[error("`{0}` is no name of a tool or a schema: it has letters, digits, `_` and `-`, at most {NAME_BYTES_MAX}")]
    Name(String),
    /// A name twice, or one that there is not.
    #[error("there has to be one tool `{0}`")]
    Tool(String),
    /// No JSON where JSON is meant.
    #[error("{0} is no JSON object")]
    Json(&'static str),
    /// A schema that is too long.
    #[error("a schema may have {SCHEMA_BYTES_MAX} bytes")]
    SchemaTooLong,
    /// A part that the speaker does not say.
    #[error("{0} is no part of a message of the {1}")]
    Part(&'static str, &'static str),
    /// A number that is none.
    #[error("`{0}` is out of range")]
    Range(&'static str),
    /// A setting that is none.
    #[error("`{0}` is no setting: it is a name in lower case and JSON of at most {OPTION_BYTES_MAX} bytes")]
    Option(String),
    /// A picture of another kind.
    #[error("a picture is of image/png, image/jpeg, image/gif or image/webp")]
    Image,
}

/// Pictures that models look at.
const IMAGES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

impl Ask {
    /// Looks at all of it.
    ///
    /// # Errors
    /// The first thing that cannot be.
    pub fn check(&self) -> Result<(), Invalid> {
        match self {
            Self::Converse(conversation) | Self::Count(conversation) => checked(conversation),
            Self::Embed(Embedding { texts, dimensions }) => {
                at_most("texts", texts.len(), TEXTS_MAX)?;
                if texts.is_empty() || texts.iter().any(String::is_empty) {
                    return Err(Invalid::Empty);
                }
                if dimensions.is_some_and(|number| number == 0 || number > 65_536) {
                    return Err(Invalid::Range("dimensions"));
                }
                Ok(())
            }
        }
    }
}

fn at_most(what: &'static str, there: usize, most: usize) -> Result<(), Invalid> {
    if there > most { Err(Invalid::TooMany(what, most)) } else { Ok(()) }
}

fn checked(conversation: &Conversation) -> Result<(), Invalid> {
    let Conversation { messages, tools, tool_choice, output, stop, max_tokens, temperature, options, .. } =
        conversation;
    at_most("messages", messages.len(), MESSAGES_MAX)?;
    at_most("parts", messages.iter().map(|message| message.content.len()).sum(), PARTS_MAX)?;
    at_most("tools", tools.len(), TOOLS_MAX)?;
    at_most("stop texts", stop.len(), STOPS_MAX)?;
    at_most("options", options.len(), OPTIONS_MAX)?;
    if messages.is_empty()
        || messages.iter().any(|message| message.content.is_empty())
        || stop.iter().any(String::is_empty)
    {
        return Err(Invalid::Empty);
    }
    if messages.last().is_none_or(|message| message.role != Role::User) {
        return Err(Invalid::Turn);
    }
    for message in messages {
        message.content.iter().try_for_each(|part| said_by(message.role, part))?;
    }
    for (at, tool) in tools.iter().enumerate() {
        named(&tool.name)?;
        schema("a tool's schema", &tool.input_schema)?;
        if tools.iter().take(at).any(|other| other.name == tool.name) {
            return Err(Invalid::Tool(tool.name.clone()));
        }
    }
    match tool_choice {
        Some(ToolChoice::Tool(name)) if !tools.iter().any(|tool| tool.name == *name) => {
            return Err(Invalid::Tool(name.chars().take(NAME_BYTES_MAX).collect()));
        }
        Some(ToolChoice::Any) if tools.is_empty() => return Err(Invalid::Tool(String::new())),
        _ => {}
    }
    if let Some(output) = output {
        named(&output.name)?;
        schema("the answer's schema", &output.schema)?;
    }
    if *max_tokens == Some(0) {
        return Err(Invalid::Range("max-tokens"));
    }
    if temperature.is_some_and(|temperature| !(0.0..=2.0).contains(&temperature)) {
        return Err(Invalid::Range("temperature"));
    }
    options.iter().try_for_each(|(name, value)| {
        let plain = !name.is_empty()
            && name.len() <= NAME_BYTES_MAX
            && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit());
        let fine = plain && value.len() <= OPTION_BYTES_MAX && serde_json::from_str::<Value>(value).is_ok();
        if fine { Ok(()) } else { Err(Invalid::Option(name.chars().take(NAME_BYTES_MAX).collect())) }
    })
}

fn said_by(role: Role, part: &Part) -> Result<(), Invalid> {
    let user = |what| if role == Role::User { Ok(()) } else { Err(Invalid::Part(what, "assistant")) };
    let assistant = |what| if role == Role::Assistant { Ok(()) } else { Err(Invalid::Part(what, "user")) };
    match part {
        Part::Text(_) => Ok(()),
        Part::Image(image) if !IMAGES.contains(&image.media_type.as_str()) => Err(Invalid::Image),
        Part::Image(_) => user("a picture"),
        Part::Document(_) => user("a document"),
        Part::ToolResult(_) => user("a tool's result"),
        Part::ToolUse(wanted) => {
            object("a tool's input", &wanted.input)?;
            assistant("a tool's use")
        }
        Part::Reasoning(_) => assistant("reasoning"),
    }
}

fn named(name: &str) -> Result<(), Invalid> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(letter) {
        return Err(Invalid::Name(name.chars().take(NAME_BYTES_MAX).collect()));
    }
    Ok(())
}

fn schema(what: &'static str, text: &str) -> Result<(), Invalid> {
    if text.len() > SCHEMA_BYTES_MAX {
        return Err(Invalid::SchemaTooLong);
    }
    object(what, text)
}

fn object(what: &'static str, text: &str) -> Result<(), Invalid> {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(_)) => Ok(()),
        _ => Err(Invalid::Json(what)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::{Image, Message, OutputSchema, Tool, ToolUse};

    fn said(role: Role, part: Part) -> Message {
        Message { role, content: vec![part] }
    }

    fn asked(change: impl FnOnce(&mut Conversation)) -> Result<(), Invalid> {
        let text = Part::Text("hello".into());
        let mut conversation = Conversation { messages: vec![said(Role::User, text)], ..Conversation::default() };
        change(&mut conversation);
        Ask::Converse(conversation).check()
    }

    fn tool(name: &str, input_schema: &str) -> Tool {
        Tool { name: name.into(), description: String::new(), input_schema: input_schema.into() }
    }

    #[test]
    fn what_no_provider_would_take_is_refused_before_one_is_asked() {
        assert_eq!(asked(|_| {}), Ok(()));
        assert_eq!(asked(|c| c.messages.clear()), Err(Invalid::Empty));
        assert_eq!(asked(|c| c.messages.push(said(Role::Assistant, Part::Text("x".into())))), Err(Invalid::Turn));
        assert_eq!(asked(|c| c.tools = vec![tool("a b", "{}")]), Err(Invalid::Name("a b".into())));
        assert_eq!(asked(|c| c.tools = vec![tool("a", "[]")]), Err(Invalid::Json("a tool's schema")));
        assert_eq!(asked(|c| c.tools = vec![tool("a", "{}"), tool("a", "{}")]), Err(Invalid::Tool("a".into())));
        assert_eq!(
            asked(|c| c.tools = vec![tool("a", "{}"); TOOLS_MAX + 1]),
            Err(Invalid::TooMany("tools", TOOLS_MAX))
        );
        assert_eq!(asked(|c| c.tool_choice = Some(ToolChoice::Tool("x".into()))), Err(Invalid::Tool("x".into())));
        assert_eq!(asked(|c| c.temperature = Some(f32::NAN)), Err(Invalid::Range("temperature")));
        assert_eq!(asked(|c| c.max_tokens = Some(0)), Err(Invalid::Range("max-tokens")));
        assert_eq!(asked(|c| c.options = vec![("top_p".into(), "x".into())]), Err(Invalid::Option("top_p".into())));
        assert_eq!(asked(|c| c.options = vec![("top_p".into(), "0.5".into())]), Ok(()));
        let long = format!("{{\"x\": \"{}\"}}", "x".repeat(SCHEMA_BYTES_MAX));
        let output = |schema: &str| Some(OutputSchema { name: "n".into(), schema: schema.into() });
        assert_eq!(asked(|c| c.output = output(&long)), Err(Invalid::SchemaTooLong));
        assert_eq!(asked(|c| c.output = output("{}")), Ok(()));
        let wanted = ToolUse { id: "1".into(), name: "a".into(), input: "{}".into() };
        let wrong = Err(Invalid::Part("a tool's use", "user"));
        assert_eq!(asked(|c| c.messages = vec![said(Role::User, Part::ToolUse(wanted))]), wrong);
        let image = Image { media_type: "image/bmp".into(), data: vec![] };
        assert_eq!(asked(|c| c.messages = vec![said(Role::User, Part::Image(image))]), Err(Invalid::Image));
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        assert_eq!(Ask::Embed(Embedding { texts: texts(&["a", ""]), dimensions: None }).check(), Err(Invalid::Empty));
        let embedding = Embedding { texts: texts(&["a"]), dimensions: Some(0) };
        assert_eq!(Ask::Embed(embedding).check(), Err(Invalid::Range("dimensions")));
    }
}
