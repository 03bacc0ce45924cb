//! Between the contract's words for models and the host's: the same things, under two sets of types.

use wharf_llm as llm;

use crate::bindings::llm::wharf::llm::models;

pub(super) fn conversation(of: models::Conversation) -> llm::Conversation {
    llm::Conversation {
        system: of.system,
        messages: of.messages.into_iter().map(message).collect(),
        tools: of.tools.into_iter().map(tool).collect(),
        tool_choice: of.tool_choice.map(choice),
        output: of.output.map(|models::OutputSchema { name, schema }| llm::OutputSchema { name, schema }),
        stop: of.stop,
        max_tokens: of.max_tokens,
        temperature: of.temperature,
        options: of.options,
    }
}

fn message(of: models::Message) -> llm::Message {
    let role = match of.role {
        models::Role::User => llm::Role::User,
        models::Role::Assistant => llm::Role::Assistant,
    };
    llm::Message { role, content: of.content.into_iter().map(part).collect() }
}

fn part(of: models::Part) -> llm::Part {
    match of {
        models::Part::Text(text) => llm::Part::Text(text),
        models::Part::Image(models::Image { media_type, data }) => llm::Part::Image(llm::Image { media_type, data }),
        models::Part::Document(models::Document { name, media_type, data }) => {
            llm::Part::Document(llm::Document { name, media_type, data })
        }
        models::Part::ToolUse(models::ToolUse { id, name, input }) => {
            llm::Part::ToolUse(llm::ToolUse { id, name, input })
        }
        models::Part::ToolResult(models::ToolResult { id, content, is_error }) => {
            llm::Part::ToolResult(llm::ToolResult { id, content, is_error })
        }
        models::Part::Reasoning(models::Reasoning { text, signature }) => {
            llm::Part::Reasoning(llm::Reasoning { text, signature })
        }
    }
}

fn tool(models::Tool { name, description, input_schema }: models::Tool) -> llm::Tool {
    llm::Tool { name, description, input_schema }
}

fn choice(of: models::ToolChoice) -> llm::ToolChoice {
    match of {
        models::ToolChoice::Auto => llm::ToolChoice::Auto,
        models::ToolChoice::Any => llm::ToolChoice::Any,
        models::ToolChoice::Tool(name) => llm::ToolChoice::Tool(name),
        models::ToolChoice::None => llm::ToolChoice::None,
    }
}

pub(super) fn embedding(models::Embedding { texts, dimensions }: models::Embedding) -> llm::Embedding {
    llm::Embedding { texts, dimensions }
}

fn usage(llm::Usage { input_tokens, output_tokens }: llm::Usage) -> models::Usage {
    models::Usage { input_tokens, output_tokens }
}

pub(super) fn reply(of: llm::Reply, cached: bool) -> models::Reply {
    let stop = match of.stop {
        llm::StopReason::EndTurn => models::StopReason::EndTurn,
        llm::StopReason::ToolUse => models::StopReason::ToolUse,
        llm::StopReason::MaxTokens => models::StopReason::MaxTokens,
        llm::StopReason::StopSequence => models::StopReason::StopSequence,
    };
    models::Reply { content: of.content.into_iter().map(said).collect(), stop, usage: usage(of.usage), cached }
}

fn said(of: llm::Part) -> models::Part {
    match of {
        llm::Part::Text(text) => models::Part::Text(text),
        llm::Part::Image(llm::Image { media_type, data }) => models::Part::Image(models::Image { media_type, data }),
        llm::Part::Document(llm::Document { name, media_type, data }) => {
            models::Part::Document(models::Document { name, media_type, data })
        }
        llm::Part::ToolUse(llm::ToolUse { id, name, input }) => {
            models::Part::ToolUse(models::ToolUse { id, name, input })
        }
        llm::Part::ToolResult(llm::ToolResult { id, content, is_error }) => {
            models::Part::ToolResult(models::ToolResult { id, content, is_error })
        }
        llm::Part::Reasoning(llm::Reasoning { text, signature }) => {
            models::Part::Reasoning(models::Reasoning { text, signature })
        }
    }
}

pub(super) fn vectors(of: llm::Vectors, cached: bool) -> models::Vectors {
    models::Vectors { vectors: of.vectors, usage: usage(of.usage), cached }
}

pub(super) fn failed(why: llm::Failed) -> models::LlmError {
    use llm::Failed;
    match why {
        Failed::Denied(why) => models::LlmError::Denied(why),
        Failed::RateLimited(after) => {
            models::LlmError::RateLimited(after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)))
        }
        Failed::Overloaded(why) => models::LlmError::Overloaded(why),
        Failed::Timeout => models::LlmError::Timeout,
        Failed::ContextTooLong(why) => models::LlmError::ContextTooLong(why),
        Failed::ContentFiltered(why) => models::LlmError::ContentFiltered(why),
        Failed::GuardrailBlocked(why) => models::LlmError::GuardrailBlocked(why),
        Failed::BudgetExceeded(why) => models::LlmError::BudgetExceeded(why),
        Failed::Unpriced(why) => models::LlmError::Unpriced(why),
        Failed::Limit(why) => models::LlmError::Limit(why),
        Failed::Invalid(why) => models::LlmError::Invalid(why),
        Failed::Unsupported(why) => models::LlmError::Unsupported(why),
        Failed::Provider(why) => models::LlmError::Provider(why),
    }
}
