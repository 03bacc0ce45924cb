//! Models for `wharf invoke` and `wharf test`: every route that a plugin may use leads to `echo`, so that nobody is asked and nothing is paid.

use wharf_llm::{Echo, Failed, Provider as _, Step};
use wharf_runtime::{Asking, LlmAnswer, LlmCall, LlmFailed, LlmOut, LlmSpent};

/// What the model is called in the lines of the log.
const NAME: &str = "echo";

/// Answers by itself.
#[derive(Clone, Copy, Debug)]
pub struct Echoes;

impl LlmOut for Echoes {
    fn ask(&self, call: LlmCall) -> Asking {
        let answer = match Echo.write(NAME, &call.ask) {
            Ok(Step::Done(told)) => {
                let spent = LlmSpent { model: NAME.parse().ok(), tries: 1, usage: told.usage(), ..LlmSpent::default() };
                Ok(LlmAnswer { told, spent })
            }
            Ok(Step::Send(_)) => Err(LlmFailed::new(Failed::Provider("nobody is asked here".to_owned()))),
            Err(why) => Err(LlmFailed::new(why)),
        };
        Box::pin(async move { answer })
    }
}
