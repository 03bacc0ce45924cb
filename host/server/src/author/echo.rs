//! Models for `wharf invoke` and `wharf test`: every route that a plugin may use leads to `echo`, or to a script, so that nobody is asked and nothing is
//! paid.

use wharf_llm::{Echo, Failed, Provider, Step};
use wharf_runtime::{Asking, LlmAnswer, LlmCall, LlmFailed, LlmOut, LlmSpent};

/// What the model is called in the lines of the log.
const NAME: &str = "echo";

/// Answers by itself.
#[derive(Clone, Copy, Debug)]
pub struct Echoes;

impl LlmOut for Echoes {
    fn ask(&self, call: LlmCall) -> Asking {
        told(&Echo, NAME, call)
    }
}

/// What a provider says that asks nobody, in pieces where they are wished for.
pub(super) fn told(provider: &dyn Provider, name: &'static str, call: LlmCall) -> Asking {
    let step = match call.pieces.sender() {
        Some(_) => provider.stream(name, &call.ask).map(|(step, _)| step),
        None => provider.write(name, &call.ask),
    };
    let (pieces, ended) = match step {
        Ok(Step::Done(told)) => (Vec::new(), Ok(told)),
        Ok(Step::Said(pieces, ended)) => (pieces, ended),
        Ok(Step::Send(_)) => (Vec::new(), Err(Failed::Provider("nobody is asked here".to_owned()))),
        Err(why) => (Vec::new(), Err(why)),
    };
    Box::pin(async move {
        for piece in pieces {
            // Whoever let go of the answer takes no more of it.
            if let Some(sender) = call.pieces.sender()
                && sender.send(piece).await.is_err()
            {
                break;
            }
        }
        let told = ended.map_err(LlmFailed::new)?;
        let spent = LlmSpent { model: name.parse().ok(), tries: 1, usage: told.usage(), ..LlmSpent::default() };
        Ok(LlmAnswer { told, spent })
    })
}
