//! What a plugin asks of a model.
//!
//! Invariant: no vendor's word is in it. It is what `wharf:llm` has, as Rust. Its JSON is what the digest of a question is made of, and parts of an
//! answer are kept as such (kept.rs): so names of fields stay.

use serde::{Deserialize, Serialize};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Role {
    /// The plugin.
    User,
    /// The model.
    Assistant,
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    #[serde(with = "crate::kept::base64")]
    pub data: Vec<u8>,
}

/// A document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// What it is called.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    #[serde(with = "crate::kept::base64")]
    pub data: Vec<u8>,
}

/// A call that a model wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolUse {
    /// The model's name for it.
    pub id: String,
    /// Which tool.
    pub name: String,
    /// The arguments: JSON.
    pub input: String,
}

/// What a tool gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolResult {
    /// The call that it is for.
    pub id: String,
    /// The result.
    pub content: String,
    /// Whether it is an error.
    pub is_error: bool,
}

/// What a model thought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reasoning {
    /// In words.
    pub text: String,
    /// By what its vendor knows it again.
    pub signature: Option<String>,
}

/// A piece of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// Words.
    Text(String),
    /// A picture.
    Image(Image),
    /// A document.
    Document(Document),
    /// A call that the model wants.
    ToolUse(ToolUse),
    /// What came of it.
    ToolResult(ToolResult),
    /// Thoughts.
    Reasoning(Reasoning),
}

/// One turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Whose.
    pub role: Role,
    /// What it says.
    pub content: Vec<Part>,
}

/// A tool that the model may ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: String,
    /// The JSON Schema of its arguments.
    pub input_schema: String,
}

/// Whether a tool is to be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// One has to be.
    Any,
    /// This one has to be.
    Tool(String),
    /// None may be.
    None,
}

/// What an answer has to look like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutputSchema {
    /// Its name.
    pub name: String,
    /// Its JSON Schema.
    pub schema: String,
}

/// A conversation that a model is to go on with.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Conversation {
    /// What holds for all of it.
    pub system: Option<String>,
    /// Its turns.
    pub messages: Vec<Message>,
    /// Tools.
    pub tools: Vec<Tool>,
    /// Whether they are to be asked for.
    pub tool_choice: Option<ToolChoice>,
    /// What the answer has to look like.
    pub output: Option<OutputSchema>,
    /// Texts that end it.
    pub stop: Vec<String>,
    /// Its tokens at most.
    pub max_tokens: Option<u32>,
    /// How much is left to chance.
    pub temperature: Option<f32>,
    /// Further settings: names and JSON.
    pub options: Vec<(String, String)>,
}

/// Texts to be made vectors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Embedding {
    /// The texts.
    pub texts: Vec<String>,
    /// Numbers of each vector.
    pub dimensions: Option<u32>,
}

/// Whatever a model is asked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Ask {
    /// Going on with a conversation.
    Converse(Conversation),
    /// Making vectors.
    Embed(Embedding),
    /// Counting tokens.
    Count(Conversation),
}

impl Ask {
    /// What it is, as OpenTelemetry calls it (`gen_ai.operation.name`).
    #[must_use]
    pub const fn operation(&self) -> &'static str {
        match self {
            Self::Converse(_) => "chat",
            Self::Embed(_) => "embeddings",
            Self::Count(_) => "count_tokens",
        }
    }

    /// All of it as bytes, the same for the same question.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Of numbers and texts; there is nothing in it that JSON has no word for.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Its bytes, names of fields aside.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Converse(conversation) | Self::Count(conversation) => conversation.bytes(),
            Self::Embed(embedding) => embedding.texts.iter().map(String::len).sum(),
        }
    }
}

impl Conversation {
    fn bytes(&self) -> usize {
        let parts = self.messages.iter().flat_map(|message| &message.content).map(Part::bytes).sum::<usize>();
        let tools = |tool: &Tool| tool.name.len() + tool.description.len() + tool.input_schema.len();
        let output = self.output.as_ref().map_or(0, |output| output.name.len() + output.schema.len());
        let options = self.options.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        let system = self.system.as_ref().map_or(0, String::len);
        let stop = self.stop.iter().map(String::len).sum::<usize>();
        parts + self.tools.iter().map(tools).sum::<usize>() + output + options + system + stop
    }
}

impl Part {
    /// Its bytes, names of fields aside.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Image(Image { media_type, data }) => media_type.len() + data.len(),
            Self::Document(Document { name, media_type, data }) => name.len() + media_type.len() + data.len(),
            Self::ToolUse(ToolUse { id, name, input }) => id.len() + name.len() + input.len(),
            Self::ToolResult(ToolResult { id, content, .. }) => id.len() + content.len(),
            Self::Reasoning(Reasoning { text, signature }) => text.len() + signature.as_ref().map_or(0, String::len),
        }
    }
}
