//! Prompts of a tenant, filled for its plugins: those of the operator's file, and those that are control objects.
//!
//! Invariant: which version a delivery gets follows from its name and from the prompt's channels, so its attempts get the same while nobody changes
//! those. A prompt is filled in the plugin's own turn, and with bounds (`host/llm/src/prompt.rs`).

use wharf_capability::{FilledPrompt, LlmFailed, PromptCall, no_prompt};
use wharf_catalog::{PromptDocument, PromptObject};
use wharf_delivery::{Object, ObjectKind, ObjectName};
use wharf_event::{Code, PromptName, TenantName};
use wharf_llm::{Failed, Prompt};

use crate::{
    calling::{Calls, unreadable},
    partition::chain,
    shared::Shared,
};

impl Calls {
    /// A prompt, filled.
    pub(crate) fn filled(&self, call: &PromptCall) -> Result<FilledPrompt, LlmFailed> {
        let (document, version) = match self.outgoing.prompt(&call.tenant, &call.prompt) {
            Some(document) => (document, 0),
            None => {
                let object = kept(&self.shared, &call.tenant, &call.prompt)?.ok_or_else(|| no_prompt(&call.prompt))?;
                let given = object.of_delivery(&call.tenant, &call.prompt, &call.delivery);
                let given = given.ok_or_else(|| no_prompt(&call.prompt))?;
                (given.prompt.clone(), given.version)
            }
        };
        let PromptDocument { route, system, user } = document;
        if route != call.route {
            let why = format!("the prompt `{}` is of route `{route}`, and not of `{}`", call.prompt, call.route);
            return Err(LlmFailed::of(Code::PromptUnknown, Failed::Denied(why)));
        }
        let failed = |error: &dyn std::fmt::Display| {
            LlmFailed::of(Code::PromptFailed, Failed::Invalid(format!("prompt `{}`: {error}", call.prompt)))
        };
        let prompt = Prompt::parse(system.as_deref(), &user).map_err(|error| failed(&error))?;
        let text = prompt.fill(&call.variables).map_err(|error| failed(&error))?;
        Ok(FilledPrompt { text, version })
    }
}

/// A prompt that is a control object.
fn kept(shared: &Shared, tenant: &TenantName, prompt: &PromptName) -> Result<Option<PromptObject>, LlmFailed> {
    let object = Object::get(&shared.read().state, tenant, ObjectKind::Prompt, &ObjectName::from(prompt));
    let object = object.map_err(|error| unreadable(format!("the prompt cannot be read: {}", chain(&error))))?;
    let read = |object: Object| serde_json::from_slice(&object.document);
    object.map(read).transpose().map_err(|error| unreadable(format!("the prompt cannot be read: {error}")))
}
