//! Asks what an event has for it, and publishes what came of each question, so that a test can see what a model was asked and what of its answer
//! arrives.
//!
//! Invariant: it hides nothing and gives up nothing. An event of the type `fail` fails behind its questions, one of the type `again` is to be tried
//! again the first time, and one of the type `always` each time.

use serde::{Deserialize, Serialize};
use wharf::llm::{Document, Image, Llm, Part, Piece, Reply, ReplyStream, ToolUse, result};
use wharf::{Context, Conversation, Draft, Event, Failure, LlmError, Outcome};

/// A question.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    route: String,
    #[serde(default)]
    text: String,
    /// So many bytes of text more.
    #[serde(default)]
    bytes: usize,
    /// Texts that are to become vectors, in place of a conversation.
    embed: Option<Vec<String>>,
    /// Whether tokens are to be counted.
    #[serde(default)]
    count: bool,
    max_tokens: Option<u32>,
    /// A setting and its value.
    option: Option<(String, serde_json::Value)>,
    /// Whether the answer is to come in pieces; and after how many it is let go of.
    #[serde(default)]
    stream: bool,
    take: Option<usize>,
    /// A prompt of the route, in place of the text, and what it is filled with.
    prompt: Option<(String, serde_json::Value)>,
    /// The JSON Schema that the answer has to keep to.
    schema: Option<serde_json::Value>,
    /// The JSON Schema of what a tool is told, and what it gives.
    tool: Option<(serde_json::Value, serde_json::Value)>,
    /// Whether a picture and a document go along.
    #[serde(default)]
    parts: bool,
}

/// What came of it.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Came {
    Text(String, String, u64, u64, bool),
    /// The pieces, and the whole answer.
    Pieces(Vec<String>, Box<Came>),
    /// What the model told the tool, and what it said when it was given what that gave.
    Tool(Vec<String>, Box<Came>),
    /// It was let go of.
    LetGo,
    Vectors(Vec<Vec<f32>>),
    Count(u64),
    Refused(String),
}

#[wharf::handler]
fn asker(event: Event<Vec<Asked>>, cx: &Context) -> Outcome {
    let came: Vec<_> = event.data.into_iter().map(|asked| came(cx, asked)).collect();
    if event.kind == "fail" {
        return Err(Failure::reject("as asked"));
    }
    if event.kind == "always" || event.kind == "again" && cx.attempt() == 1 {
        return Err(Failure::retry("as asked"));
    }
    cx.publish(Draft::new("asked").json(&came)?)?;
    Ok(())
}

fn came(cx: &Context, asked: Asked) -> Came {
    told(cx, asked).unwrap_or_else(|error| Came::Refused(format!("{error:?}")))
}

fn told(cx: &Context, asked: Asked) -> Result<Came, LlmError> {
    let model = cx.llm(asked.route);
    if let Some(texts) = asked.embed {
        return Ok(Came::Vectors(model.embed(texts, None)?));
    }
    let mut conversation = match asked.prompt {
        Some((name, variables)) => model.prompt(&name, &variables)?.into(),
        None => Conversation::new(asked.text + &"x".repeat(asked.bytes)),
    };
    if let Some(tokens) = asked.max_tokens {
        conversation = conversation.max_tokens(tokens);
    }
    if let Some((name, value)) = asked.option {
        conversation = conversation.option(name, &value);
    }
    if let Some(schema) = asked.schema {
        conversation = conversation.output("answer", &schema);
    }
    if asked.parts {
        let image = Image { media_type: "image/png".to_owned(), data: vec![1, 2, 3] };
        let (name, media_type) = ("note".to_owned(), "text/plain".to_owned());
        let document = Document { name, media_type, data: b"words".to_vec() };
        conversation = conversation.part(Part::Image(image)).part(Part::Document(document));
    }
    if let Some((schema, gives)) = asked.tool {
        return used(&model, conversation.tool("find", "Finds what is asked for.", &schema), &gives);
    }
    if asked.count {
        return Ok(Came::Count(model.count_tokens(&conversation)?));
    }
    if asked.stream {
        return Ok(pieces(model.stream(&conversation)?, asked.take));
    }
    Ok(whole(&model.converse(&conversation)?))
}

/// Asks, and once more with what the tool gives.
fn used(model: &Llm, asked: Conversation, gives: &serde_json::Value) -> Result<Came, LlmError> {
    let reply = model.converse(&asked)?;
    let wanted: Vec<&ToolUse> = reply.tool_uses().collect();
    let inputs = wanted.iter().map(|wanted| wanted.input.clone()).collect();
    let results: Vec<Part> = wanted.iter().map(|wanted| result(wanted, gives)).collect();
    let last = model.converse(&asked.then(&reply, results));
    let last = last.map_or_else(|error| Came::Refused(format!("{error:?}")), |reply| whole(&reply));
    Ok(Came::Tool(inputs, Box::new(last)))
}

fn whole(reply: &Reply) -> Came {
    let usage = reply.usage;
    Came::Text(reply.text(), format!("{:?}", reply.stop), usage.input_tokens, usage.output_tokens, reply.cached)
}

fn pieces(stream: ReplyStream, take: Option<usize>) -> Came {
    let mut pieces = Vec::new();
    for piece in stream {
        if take.is_some_and(|most| pieces.len() >= most) {
            return Came::LetGo;
        }
        let end = match piece {
            Ok(Piece::Text(text)) => {
                pieces.push(text);
                continue;
            }
            Ok(Piece::Reasoning(_)) => continue,
            Ok(Piece::End(reply)) => whole(&reply),
            Err(error) => Came::Refused(format!("{error:?}")),
        };
        return Came::Pieces(pieces, Box::new(end));
    }
    Came::LetGo
}
