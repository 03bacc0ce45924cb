//! Prompts that are kept outside of a plugin, filled for it.
//!
//! Invariant: a prompt is filled for whoever may ask by its route, and for nobody else. So many are filled of an attempt as calls of models may be made.

use wharf_event::{Code, PromptName};
use wharf_llm::Failed;
use wharf_recording::Call;

use super::{FilledPrompt, LlmFailed, PromptCall, contract, recorded::Recorded};
use crate::{
    Attempt,
    bindings::{llm::wharf::llm::models, wasi::logging::logging::Level},
};

impl Attempt {
    /// A prompt that is filled, with its trace in the attempt.
    pub(super) async fn filled(
        &mut self,
        route: &str,
        prompt: &str,
        variables: String,
    ) -> Result<models::Rendered, models::LlmError> {
        let recorded = Recorded::of(&self.context.tape, || {
            let call = Call::of("wharf:llm/models.render").asked("route", route).asked("prompt", prompt);
            call.asked("variables", variables.as_str())
        });
        let filled = match self.prompt(route, prompt, variables) {
            Ok(call) => {
                let filling = self.context.llm.fill(call);
                filling.await
            }
            Err(failed) => Err(failed),
        };
        let FilledPrompt { text, version } = match filled {
            Ok(filled) => filled,
            Err(failed) => {
                let why = self.failed(route, OPERATION, failed);
                recorded.end_with(|call| super::recorded::failed(call, &why));
                return Err(contract::failed(why));
            }
        };
        recorded.end_with(|call| {
            let call = call.told("version", version.to_string());
            let call = text.system.iter().fold(call, |call, system| call.told("system", system.as_str()));
            call.told("user", text.user.as_str())
        });
        let (of, bytes) =
            (if version == 0 { "of the file".to_owned() } else { format!("version {version}") }, text.bytes());
        // A log that is full ends the attempt when the guest writes the next line.
        let _ = self.log.line(Level::Info, "llm", &format!("{route}, prompt {prompt}: {of}, {bytes} bytes"));
        Ok(models::Rendered { system: text.system, user: text.user, version })
    }

    fn prompt(&mut self, route: &str, prompt: &str, variables: String) -> Result<PromptCall, LlmFailed> {
        let route = self.granted(route)?;
        let prompt = prompt
            .parse::<PromptName>()
            .map_err(|error| LlmFailed::of(Code::PromptUnknown, Failed::Denied(error.to_string())))?;
        let most = self.limits.host.llm_calls;
        if self.llm.prompts >= most {
            return Err(Failed::Limit(format!("an attempt may have {most} prompts filled")).into());
        }
        self.llm.prompts += 1;
        let (tenant, delivery) = (self.context.tenant.clone(), self.context.occasion.to_string());
        Ok(PromptCall { tenant, delivery, route, prompt, variables })
    }
}

/// What lines of the log call it.
const OPERATION: &str = "prompt";
