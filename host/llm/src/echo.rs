//! A provider that answers by itself, for tests and while a plugin is written: it costs nothing, needs no network, and says the same to the same.
//!
//! Invariant: an answer keeps to what was asked for. With tools it asks for one (once), with a schema it gives the smallest JSON of it that is
//! easily found, and else it repeats what the user said last.

use serde_json::{Map, Value, json};

use crate::{
    ask::{Ask, Conversation, Embedding, Message, Part, Tool, ToolChoice, ToolUse},
    failed::Failed,
    provider::{Answered, Provider, Step, Unanswered},
    replay::last,
    reply::{Reply, StopReason, Told, Usage, Vectors},
};

/// How deep a schema is followed.
const DEPTH_MAX: usize = 16;

/// Numbers of a vector where nothing else is asked for.
const DIMENSIONS: u32 = 8;

/// Says what it was told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Echo;

impl Provider for Echo {
    fn write(&self, _: &str, ask: &Ask) -> Result<Step, Failed> {
        Ok(Step::Done(match ask {
            Ask::Converse(conversation) => Told::Reply(reply(conversation)),
            Ask::Embed(Embedding { texts, dimensions }) => {
                let dimensions = dimensions.unwrap_or(DIMENSIONS);
                let vectors = texts.iter().map(|text| vector(text, dimensions)).collect();
                let usage = Usage { input_tokens: texts.iter().map(|text| words(text)).sum(), output_tokens: 0 };
                Told::Vectors(Vectors { vectors, usage })
            }
            Ask::Count(conversation) => Told::Count(read(conversation)),
        }))
    }

    fn read(&self, _: &Ask, _: Answered<'_>) -> Result<Told, Unanswered> {
        Err(Unanswered::unpaid(Failed::Provider("echo sends nothing".to_owned())))
    }
}

/// A token is a word.
fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

fn read(conversation: &Conversation) -> u64 {
    let part = |part: &Part| match part {
        Part::Text(text) => words(text),
        Part::ToolResult(result) => words(&result.content),
        _ => 1,
    };
    let parts = conversation.messages.iter().flat_map(|message| &message.content);
    parts.map(part).sum::<u64>() + conversation.system.as_deref().map_or(0, words)
}

fn reply(conversation: &Conversation) -> Reply {
    let usage = |output_tokens| Usage { input_tokens: read(conversation), output_tokens };
    if let Some(tool) = wanted(conversation) {
        let input = sample_of(&tool.input_schema);
        let (id, name, output_tokens) = ("echo-1".to_owned(), tool.name.clone(), words(&input));
        let content = vec![Part::ToolUse(ToolUse { id, name, input })];
        return Reply { content, stop: StopReason::ToolUse, usage: usage(output_tokens) };
    }
    let said = match &conversation.output {
        Some(output) => sample_of(&output.schema),
        None => last(&conversation.messages),
    };
    let most = conversation.max_tokens.map_or(u64::MAX, u64::from);
    let (text, stop) = if words(&said) > most && conversation.output.is_none() {
        let kept = said.split_whitespace().take(usize::try_from(most).unwrap_or(usize::MAX));
        (kept.collect::<Vec<_>>().join(" "), StopReason::MaxTokens)
    } else {
        (said, StopReason::EndTurn)
    };
    let output_tokens = words(&text);
    Reply { content: vec![Part::Text(text)], stop, usage: usage(output_tokens) }
}

/// The tool that is asked for: none where one was, since somebody who repeats himself would do so for ever.
fn wanted(conversation: &Conversation) -> Option<&Tool> {
    let used = |message: &Message| message.content.iter().any(|part| matches!(part, Part::ToolResult(_)));
    let tools = &conversation.tools;
    match &conversation.tool_choice {
        Some(ToolChoice::None) => None,
        _ if conversation.messages.iter().any(used) => None,
        Some(ToolChoice::Tool(name)) => tools.iter().find(|tool| tool.name == *name),
        _ => tools.first(),
    }
}

fn sample_of(schema: &str) -> String {
    let schema = serde_json::from_str(schema).unwrap_or(Value::Null);
    sample(&schema, DEPTH_MAX).to_string()
}

/// JSON that a schema allows, as far as it says so plainly.
fn sample(schema: &Value, depth: usize) -> Value {
    let of = |key: &str| schema.get(key);
    let first = |key: &str| of(key).and_then(Value::as_array).and_then(|all| all.first());
    if let Some(given) = of("const").or_else(|| of("default")).or_else(|| first("enum")).or_else(|| first("examples")) {
        return given.clone();
    }
    let Some(depth) = depth.checked_sub(1) else { return Value::Null };
    if let Some(other) = first("anyOf").or_else(|| first("oneOf")).or_else(|| first("allOf")) {
        return sample(other, depth);
    }
    let kind = of("type").and_then(Value::as_str).or_else(|| first("type").and_then(Value::as_str));
    match kind {
        Some("string") => {
            let least = of("minLength").and_then(Value::as_u64).unwrap_or(0);
            let least = usize::try_from(least.min(1_000)).unwrap_or(0);
            json!(format!("echo{}", "o".repeat(least.saturating_sub(4))))
        }
        Some("integer" | "number") => of("minimum").or_else(|| of("maximum")).cloned().unwrap_or(json!(0)),
        Some("boolean") => json!(false),
        Some("null") => Value::Null,
        Some("array") => {
            let least = of("minItems").and_then(Value::as_u64).unwrap_or(0).min(100);
            (0..least).map(|_| of("items").map_or(Value::Null, |items| sample(items, depth))).collect()
        }
        _ => {
            let required = of("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            let properties = of("properties");
            let member = |name: &str| {
                let schema = properties.and_then(|all| all.get(name));
                (name.to_owned(), schema.map_or(Value::Null, |schema| sample(schema, depth)))
            };
            Value::Object(required.map(member).collect::<Map<_, _>>())
        }
    }
}

/// A vector of length 1 that follows from the text.
#[allow(clippy::cast_precision_loss, reason = "a few bits are enough")]
fn vector(text: &str, dimensions: u32) -> Vec<f32> {
    let number = |dimension: u32| {
        let mixed = text
            .bytes()
            .chain(dimension.to_le_bytes())
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        ((mixed >> 40) as f32 / 8_388_608.0) - 1.0
    };
    let numbers: Vec<f32> = (0..dimensions).map(number).collect();
    let length = numbers.iter().map(|number| number * number).sum::<f32>().sqrt();
    numbers.into_iter().map(|number| if length > 0.0 { number / length } else { 0.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::{OutputSchema, Role, ToolResult};

    fn told(conversation: &Conversation) -> Reply {
        match Echo.write("echo", &Ask::Converse(conversation.clone())) {
            Ok(Step::Done(Told::Reply(reply))) => reply,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn it_repeats_the_user_and_keeps_to_schemas_and_tools() {
        let text = Part::Text("one two three".into());
        let user = |part| Message { role: Role::User, content: vec![part] };
        let mut conversation = Conversation { messages: vec![user(text)], ..Conversation::default() };
        let plain = told(&conversation);
        assert_eq!(plain.content, [Part::Text("one two three".into())]);
        assert_eq!(plain.usage, Usage { input_tokens: 3, output_tokens: 3 });
        conversation.max_tokens = Some(2);
        let cut = told(&conversation);
        assert_eq!((cut.content, cut.stop), (vec![Part::Text("one two".into())], StopReason::MaxTokens));
        let schema = r#"{"type": "object", "required": ["kind", "score", "tags", "who"], "properties": {
            "kind": {"enum": ["bug", "question"]}, "score": {"type": "integer", "minimum": 3},
            "tags": {"type": "array", "minItems": 1, "items": {"type": "string"}},
            "who": {"anyOf": [{"type": "object", "required": ["is"], "properties": {"is": {"type": "boolean"}}}]},
            "more": {"type": "string"}}}"#;
        conversation.output = Some(OutputSchema { name: "triage".into(), schema: schema.into() });
        let sampled = r#"{"kind":"bug","score":3,"tags":["echo"],"who":{"is":false}}"#;
        assert_eq!(told(&conversation).content, [Part::Text(sampled.into())]);
        conversation.tools =
            vec![Tool { name: "find".into(), description: String::new(), input_schema: schema.into() }];
        let asked = told(&conversation);
        let Some(Part::ToolUse(wanted)) = asked.content.first() else { panic!("{asked:?}") };
        assert_eq!((wanted.name.as_str(), wanted.input.as_str(), asked.stop), ("find", sampled, StopReason::ToolUse));
        let result = ToolResult { id: wanted.id.clone(), content: "found".into(), is_error: false };
        conversation.messages.push(user(Part::ToolResult(result)));
        assert_eq!(told(&conversation).content, [Part::Text(sampled.into())], "it asks once");
    }

    #[test]
    fn vectors_follow_from_their_texts() {
        let (one, other) = (vector("a", 8), vector("b", 8));
        assert_eq!(one, vector("a", 8));
        assert_ne!(one, other);
        let length = one.iter().map(|number| number * number).sum::<f32>();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
    }

    #[test]
    fn a_schema_without_an_end_has_one_here() {
        let mut deep = json!({"type": "string"});
        for _ in 0..40 {
            deep = json!({"anyOf": [deep]});
        }
        assert_eq!(sample_of(&deep.to_string()), "null");
    }
}
