//! Calls of models, where the plugin is granted the route to them.
//!
//! Invariant: a plugin names a route, never a vendor, a model or a key. A call is over when it returns, and is no effect of the attempt: what was
//! asked is paid for, whatever becomes of the attempt.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};

use crate::llm_bindings::wharf::llm::models as contract;

pub use contract::{
    Document, Image, Message, Part, Reasoning, Role, StopReason, ToolChoice, ToolResult, ToolUse, Usage,
};

/// A route to a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Llm {
    route: String,
}

/// What a model is asked.
#[derive(Debug, Clone)]
#[must_use = "it is asked by `Llm::converse`"]
pub struct Conversation {
    asked: contract::Conversation,
    problem: Option<String>,
}

/// A model's answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// What it says.
    pub content: Vec<Part>,
    /// Why it ended.
    pub stop: StopReason,
    /// What was counted.
    pub usage: Usage,
    /// Whether the route had it, of somebody who asked the same: then nothing was counted, and nothing is paid.
    pub cached: bool,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LlmError {
    /// No grant of the plugin names the route, or there is none. The attempt's log has the line that would grant it.
    #[error("the route is not there for this plugin: {0}")]
    Denied(String),
    /// Too many calls at this time.
    #[error("the model takes no more calls at this time")]
    RateLimited(Option<Duration>),
    /// The model has too much to do, or cannot be reached.
    #[error("the model has too much to do: {0}")]
    Overloaded(String),
    /// It took too long.
    #[error("no answer in time")]
    Timeout,
    /// More than the model can read.
    #[error("it is more than the model can read: {0}")]
    ContextTooLong(String),
    /// The provider would not let it be answered.
    #[error("the provider does not let the model answer: {0}")]
    ContentFiltered(String),
    /// A guardrail stopped it.
    #[error("a guardrail stopped it: {0}")]
    GuardrailBlocked(String),
    /// Nothing is left to pay with.
    #[error("the budget is spent: {0}")]
    BudgetExceeded(String),
    /// The model has no price.
    #[error("the model has no price: {0}")]
    Unpriced(String),
    /// The attempt has asked as much as it may.
    #[error("the attempt may ask no more: {0}")]
    Limit(String),
    /// It cannot be asked like this.
    #[error("it cannot be asked like this: {0}")]
    Invalid(String),
    /// The provider cannot do it.
    #[error("the provider cannot do it: {0}")]
    Unsupported(String),
    /// Anything else that the provider said.
    #[error("the provider said: {0}")]
    Provider(String),
    /// The answer is not the JSON that it should be.
    #[error("the answer is not what it should be: {0}")]
    Answer(String),
}

impl LlmError {
    /// Whether another attempt may do better.
    pub fn may_pass(&self) -> bool {
        !matches!(
            self,
            Self::ContextTooLong(_)
                | Self::ContentFiltered(_)
                | Self::GuardrailBlocked(_)
                | Self::Invalid(_)
                | Self::Unsupported(_)
        )
    }
}

impl From<contract::LlmError> for LlmError {
    fn from(error: contract::LlmError) -> Self {
        match error {
            contract::LlmError::Denied(why) => Self::Denied(why),
            contract::LlmError::RateLimited(after) => Self::RateLimited(after.map(Duration::from_millis)),
            contract::LlmError::Overloaded(why) => Self::Overloaded(why),
            contract::LlmError::Timeout => Self::Timeout,
            contract::LlmError::ContextTooLong(why) => Self::ContextTooLong(why),
            contract::LlmError::ContentFiltered(why) => Self::ContentFiltered(why),
            contract::LlmError::GuardrailBlocked(why) => Self::GuardrailBlocked(why),
            contract::LlmError::BudgetExceeded(why) => Self::BudgetExceeded(why),
            contract::LlmError::Unpriced(why) => Self::Unpriced(why),
            contract::LlmError::Limit(why) => Self::Limit(why),
            contract::LlmError::Invalid(why) => Self::Invalid(why),
            contract::LlmError::Unsupported(why) => Self::Unsupported(why),
            contract::LlmError::Provider(why) => Self::Provider(why),
        }
    }
}

impl Llm {
    pub(crate) const fn new(route: String) -> Self {
        Self { route }
    }

    /// Has the model go on with a conversation.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub fn converse(&self, conversation: &Conversation) -> Result<Reply, LlmError> {
        Ok(contract::converse(&self.route, conversation.checked()?)?.into())
    }

    /// The same, with the answer in pieces while the model makes them.
    ///
    /// # Errors
    ///
    /// When it cannot be asked. That there is no answer is told by the stream.
    pub fn stream(&self, conversation: &Conversation) -> Result<ReplyStream, LlmError> {
        let stream = contract::converse_stream(&self.route, conversation.checked()?)?;
        Ok(ReplyStream { stream: Some(stream) })
    }

    /// Fills a prompt of the route, a template that is kept outside of the plugin, with what serializes to a JSON object.
    ///
    /// # Errors
    ///
    /// When there is no such prompt, or it cannot be filled with that.
    pub fn prompt(&self, name: &str, variables: &impl Serialize) -> Result<Prompt, LlmError> {
        let variables = serde_json::to_string(variables).map_err(|error| LlmError::Invalid(error.to_string()))?;
        let contract::Rendered { system, user, version } = contract::render(&self.route, name, &variables)?;
        Ok(Prompt { system, user, version })
    }

    /// Makes each text a vector, of so many numbers if that is said.
    ///
    /// # Errors
    ///
    /// When there are none.
    pub fn embed<T: Into<String>>(
        &self,
        texts: impl IntoIterator<Item = T>,
        dimensions: Option<u32>,
    ) -> Result<Vec<Vec<f32>>, LlmError> {
        let texts = texts.into_iter().map(Into::into).collect();
        Ok(contract::embed(&self.route, &contract::Embedding { texts, dimensions })?.vectors)
    }

    /// How many tokens the model would read. Not every provider tells.
    ///
    /// # Errors
    ///
    /// When nobody tells.
    pub fn count_tokens(&self, conversation: &Conversation) -> Result<u64, LlmError> {
        Ok(contract::count_tokens(&self.route, conversation.checked()?)?)
    }
}

/// A prompt that was filled. A conversation is made of it: `Conversation::from(prompt)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// What holds for all of the conversation.
    pub system: Option<String>,
    /// What the user says.
    pub user: String,
    /// Which version of the prompt it is, from 1; 0 for one that stands in the operator's file.
    pub version: u32,
}

impl From<Prompt> for Conversation {
    fn from(Prompt { system, user, .. }: Prompt) -> Self {
        let mut conversation = Self::new(user);
        conversation.asked.system = system;
        conversation
    }
}

/// An answer that comes in pieces; the last of them is the whole answer. Whoever drops it before its end gives up the call, which may be paid for
/// all the same.
#[derive(Debug)]
#[must_use = "nothing comes of an answer that nobody reads"]
pub struct ReplyStream {
    stream: Option<contract::ReplyStream>,
}

/// A piece of an answer.
#[derive(Debug, Clone)]
pub enum Piece {
    /// More words.
    Text(String),
    /// More thoughts.
    Reasoning(String),
    /// All of the answer.
    End(Reply),
}

impl Iterator for ReplyStream {
    type Item = Result<Piece, LlmError>;

    fn next(&mut self) -> Option<Self::Item> {
        let came = self.stream.as_ref()?.next();
        let piece = match came {
            Ok(Some(contract::Piece::Text(text))) => return Some(Ok(Piece::Text(text))),
            Ok(Some(contract::Piece::Reasoning(text))) => return Some(Ok(Piece::Reasoning(text))),
            Ok(Some(contract::Piece::End(reply))) => Some(Ok(Piece::End(reply.into()))),
            Ok(None) => None,
            Err(error) => Some(Err(error.into())),
        };
        self.stream = None;
        piece
    }
}

impl From<contract::Reply> for Reply {
    fn from(contract::Reply { content, stop, usage, cached }: contract::Reply) -> Self {
        Self { content, stop, usage, cached }
    }
}

impl Conversation {
    /// One that begins with what the user says.
    pub fn new(text: impl Into<String>) -> Self {
        let message = Message { role: Role::User, content: vec![Part::Text(text.into())] };
        let asked = contract::Conversation {
            system: None,
            messages: vec![message],
            tools: Vec::new(),
            tool_choice: None,
            output: None,
            stop: Vec::new(),
            max_tokens: None,
            temperature: None,
            options: Vec::new(),
        };
        Self { asked, problem: None }
    }

    fn checked(&self) -> Result<&contract::Conversation, LlmError> {
        match &self.problem {
            Some(problem) => Err(LlmError::Invalid(problem.clone())),
            None => Ok(&self.asked),
        }
    }

    fn json(&mut self, value: &impl Serialize) -> String {
        serde_json::to_string(value).unwrap_or_else(|error| {
            self.problem = Some(error.to_string());
            String::new()
        })
    }

    /// Says what holds for all of it.
    pub fn system(mut self, text: impl Into<String>) -> Self {
        self.asked.system = Some(text.into());
        self
    }

    /// Adds a piece to the user's turn, such as an image.
    pub fn part(mut self, part: Part) -> Self {
        match self.asked.messages.last_mut().filter(|message| message.role == Role::User) {
            Some(message) => message.content.push(part),
            None => self.asked.messages.push(Message { role: Role::User, content: vec![part] }),
        }
        self
    }

    /// Adds what the model said, and then what the user says to it: the results of tools, or words.
    pub fn then(mut self, reply: &Reply, answers: impl IntoIterator<Item = Part>) -> Self {
        self.asked.messages.push(Message { role: Role::Assistant, content: reply.content.clone() });
        self.asked.messages.push(Message { role: Role::User, content: answers.into_iter().collect() });
        self
    }

    /// Lets the model ask for a tool, whose arguments have this JSON Schema.
    pub fn tool(mut self, name: impl Into<String>, description: impl Into<String>, schema: &impl Serialize) -> Self {
        let input_schema = self.json(schema);
        self.asked.tools.push(contract::Tool { name: name.into(), description: description.into(), input_schema });
        self
    }

    /// Says whether the model may, must or must not ask for a tool.
    pub fn tool_choice(mut self, choice: ToolChoice) -> Self {
        self.asked.tool_choice = Some(choice);
        self
    }

    /// Has the answer be JSON of this JSON Schema.
    pub fn output(mut self, name: impl Into<String>, schema: &impl Serialize) -> Self {
        let schema = self.json(schema);
        self.asked.output = Some(contract::OutputSchema { name: name.into(), schema });
        self
    }

    /// Ends the answer where this text would come.
    pub fn stop(mut self, text: impl Into<String>) -> Self {
        self.asked.stop.push(text.into());
        self
    }

    /// Bounds the tokens of the answer.
    pub fn max_tokens(mut self, tokens: u32) -> Self {
        self.asked.max_tokens = Some(tokens);
        self
    }

    /// Says how much is left to chance.
    pub fn temperature(mut self, temperature: f32) -> Self {
        self.asked.temperature = Some(temperature);
        self
    }

    /// A further setting that the route's provider knows.
    pub fn option(mut self, name: impl Into<String>, value: &impl Serialize) -> Self {
        let value = self.json(value);
        self.asked.options.push((name.into(), value));
        self
    }
}

impl Reply {
    /// Its words.
    pub fn text(&self) -> String {
        let texts = self.content.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// Its words read as JSON.
    ///
    /// # Errors
    ///
    /// When they are not the JSON that they should be.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, LlmError> {
        serde_json::from_str(&self.text()).map_err(|error| LlmError::Answer(error.to_string()))
    }

    /// The tools that the model asks for.
    pub fn tool_uses(&self) -> impl Iterator<Item = &ToolUse> {
        self.content.iter().filter_map(|part| match part {
            Part::ToolUse(wanted) => Some(wanted),
            _ => None,
        })
    }
}

/// The arguments of a tool, read as JSON.
///
/// # Errors
///
/// When they are not the JSON that they should be: the model did not keep to the schema.
pub fn arguments<T: DeserializeOwned>(wanted: &ToolUse) -> Result<T, LlmError> {
    serde_json::from_str(&wanted.input).map_err(|error| LlmError::Answer(error.to_string()))
}

/// What a tool gave, as JSON.
pub fn result(wanted: &ToolUse, value: &impl Serialize) -> Part {
    let (content, is_error) = match serde_json::to_string(value) {
        Ok(content) => (content, false),
        Err(error) => (error.to_string(), true),
    };
    Part::ToolResult(ToolResult { id: wanted.id.clone(), content, is_error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_goes_on_with_what_tools_gave() {
        let wanted = ToolUse { id: "1".to_owned(), name: "find".to_owned(), input: "{\"n\": 7}".to_owned() };
        let usage = Usage { input_tokens: 1, output_tokens: 1 };
        let content = vec![Part::Text("a".to_owned()), Part::ToolUse(wanted.clone())];
        let reply = Reply { content, stop: StopReason::ToolUse, usage, cached: false };
        assert_eq!((reply.text().as_str(), reply.tool_uses().count()), ("a", 1));
        let conversation = Conversation::new("hello").tool("find", "finds", &serde_json::json!({"type": "object"}));
        let conversation = conversation.then(&reply, [result(&wanted, &7)]);
        assert_eq!(conversation.asked.messages.len(), 3);
        assert_eq!(
            conversation.asked.tools.first().map(|tool| tool.input_schema.as_str()),
            Some("{\"type\":\"object\"}")
        );
        let n = |value: serde_json::Value| value.get("n").and_then(serde_json::Value::as_u64);
        assert_eq!(n(arguments(&wanted).unwrap_or_default()), Some(7));
        assert!(reply.json::<u8>().is_err());
    }
}
