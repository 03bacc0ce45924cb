//! Asking once more where an answer breaks the schema that was asked for.
//!
//! Invariant: what is said to the model is what it said itself, and what is wrong with that. Whether an answer keeps to a schema is not known here.

use crate::{
    ask::{Ask, Conversation, Message, Part, Role},
    limits::REPAIR_BYTES_MAX,
    reply::{Reply, StopReason, Told},
};

/// An answer that has to keep to a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair<'a> {
    /// The schema.
    pub schema: &'a str,
    /// The answer's words.
    pub text: String,
}

impl<'a> Repair<'a> {
    /// What has to keep to a schema: an answer that is whole, and asks for no tool.
    #[must_use]
    pub fn of(ask: &'a Ask, told: &Told) -> Option<Self> {
        let (Ask::Converse(Conversation { output: Some(output), .. }), Told::Reply(reply)) = (ask, told) else {
            return None;
        };
        let is_tool = |part: &Part| matches!(part, Part::ToolUse(_));
        if !matches!(reply.stop, StopReason::EndTurn) || reply.content.iter().any(is_tool) {
            return None;
        }
        Some(Self { schema: &output.schema, text: words(reply) })
    }
}

impl Ask {
    /// The same conversation, gone on with: the answer, and what is wrong with it. None where the model said nothing.
    #[must_use]
    pub fn repaired(&self, told: &Told, wrong: &str) -> Option<Self> {
        let (Self::Converse(conversation), Told::Reply(reply)) = (self, told) else { return None };
        if words(reply).trim().is_empty() {
            return None;
        }
        let mut end = wrong.len().min(REPAIR_BYTES_MAX);
        while !wrong.is_char_boundary(end) {
            end -= 1;
        }
        let wrong = wrong.get(..end).unwrap_or_default();
        let text = format!(
            "That answer does not keep to the JSON Schema that was asked for: {wrong}. Give the whole answer again as JSON that keeps to it, and nothing else."
        );
        let mut conversation = conversation.clone();
        conversation.messages.push(Message { role: Role::Assistant, content: reply.content.clone() });
        conversation.messages.push(Message { role: Role::User, content: vec![Part::Text(text)] });
        Some(Self::Converse(conversation))
    }
}

/// What an answer says, its parts one behind the other.
pub(crate) fn words(reply: &Reply) -> String {
    let texts = reply.content.iter().filter_map(|part| match part {
        Part::Text(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ask::{OutputSchema, ToolUse},
        reply::Usage,
    };

    fn told(content: Vec<Part>, stop: StopReason) -> Told {
        Told::Reply(Reply { content, stop, usage: Usage::default() })
    }

    #[test]
    fn a_model_is_told_what_it_said_and_what_is_wrong_with_it() {
        let first = Message { role: Role::User, content: vec![Part::Text("sort".into())] };
        let output = Some(OutputSchema { name: "o".into(), schema: "{}".into() });
        let ask = Ask::Converse(Conversation { messages: vec![first], output, ..Conversation::default() });
        let said = told(vec![Part::Text("a".into()), Part::Text("b".into())], StopReason::EndTurn);
        assert_eq!(Repair::of(&ask, &said), Some(Repair { schema: "{}", text: "ab".into() }));
        let Some(Ask::Converse(more)) = ask.repaired(&said, &"é".repeat(REPAIR_BYTES_MAX)) else { panic!() };
        assert_eq!((more.messages.len(), &more.messages[1].role), (3, &Role::Assistant));
        assert!(matches!(&more.messages[2].content[..], [Part::Text(text)] if text.len() < REPAIR_BYTES_MAX + 200));
        // What was cut, waits for a tool or was asked for otherwise is as it is.
        assert_eq!(Repair::of(&ask, &told(vec![], StopReason::MaxTokens)), None);
        let wanted = Part::ToolUse(ToolUse { id: "1".into(), name: "t".into(), input: "{}".into() });
        assert_eq!(Repair::of(&ask, &told(vec![wanted], StopReason::EndTurn)), None);
        assert_eq!(Repair::of(&Ask::Converse(Conversation::default()), &said), None);
        assert_eq!(ask.repaired(&told(vec![], StopReason::EndTurn), "x"), None);
    }
}
