//! The port behind calls of models: what is asked by a route that was granted goes in, an answer or the lack of one comes back.
//!
//! Invariant: whoever stands behind it knows which model of whom a route leads to, has the keys, and keeps to the time and the bytes that the
//! call says, retries and fallbacks included. What was paid for once is not asked again for the same delivery, as far as it can be kept.

use std::{pin::Pin, sync::Arc, time::Duration};

use wharf_event::{Code, ModelName, PluginName, PromptName, RouteName, TenantName};
use wharf_llm::{Ask, Failed, Likeness, PromptText, Told, Usage};

use super::stream::Pieces;

/// A call of a guest.
#[derive(Clone, Debug, PartialEq)]
pub struct LlmCall {
    /// Whose it is.
    pub tenant: TenantName,
    /// Which plugin's.
    pub plugin: PluginName,
    /// The delivery that it is made for.
    pub delivery: String,
    /// Which of the attempt's calls it is, from 1.
    pub number: u32,
    /// The way to a model.
    pub route: RouteName,
    /// What is asked.
    pub ask: Ask,
    /// The trace that it belongs to.
    pub trace: Option<String>,
    /// How long all of it may take.
    pub timeout: Duration,
    /// Bytes of an answer at most.
    pub answer_bytes_max: usize,
    /// Where its pieces go while it comes.
    pub pieces: Pieces,
}

/// A guest's wish for a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptCall {
    /// Whose it is.
    pub tenant: TenantName,
    /// The delivery that it is wanted for, by which a version is drawn.
    pub delivery: String,
    /// The route that it is of.
    pub route: RouteName,
    /// Which one.
    pub prompt: PromptName,
    /// A JSON object with what stands in it.
    pub variables: String,
}

/// A prompt that was filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilledPrompt {
    /// What it says.
    pub text: PromptText,
    /// Which version it is; 0 for one of the operator's file.
    pub version: u32,
}

/// What it came to, whether there was an answer or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// The model that was asked last.
    pub model: Option<ModelName>,
    /// How often models were asked.
    pub tries: u32,
    /// What they counted, over all of them.
    pub usage: Usage,
    /// What that costs, in 10⁻⁹ of the unit.
    pub cost: u64,
    /// What it is in.
    pub currency: Option<Arc<str>>,
    /// How long it took.
    pub took: Duration,
    /// Whether anybody outside of the host was asked.
    pub outside: bool,
    /// Whether another attempt gets the same.
    pub keeping: Keeping,
    /// Whether the route had the answer, of somebody who asked the same, or what means the same: then no model was asked for another.
    pub cached: bool,
    /// What came of looking for the answer to what means the same.
    pub similar: Similar,
    /// How often something was masked, in what was sent and in the answer.
    pub masked: u32,
    /// Whether the answer keeps to the schema that was asked for.
    pub fit: Fit,
    /// Whether an answer broke off that nobody had counted: then tokens and cost are what it may be at most, by what came.
    pub guessed: bool,
}

/// What came of looking for the answer to a question that means the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Similar {
    /// Nobody looked.
    #[default]
    No,
    /// None was near enough; how near the nearest was, if there was any.
    Nothing(Option<Likeness>),
    /// It was given.
    Given(Likeness),
    /// It would have been given; and whether the models said the same, if they said anything.
    Shadow(Likeness, Option<bool>),
    /// It could not be told; why.
    Failed(String),
}

/// Whether an answer keeps to the schema that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fit {
    /// It does, or nobody looked.
    #[default]
    Fine,
    /// It does since the model was asked once more.
    Repaired,
    /// It does not; why.
    Broken(String),
}

/// Whether an answer outlives its attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keeping {
    /// It is of the attempt only.
    #[default]
    No,
    /// Another attempt of its delivery that asks the same gets the same.
    Kept,
    /// It was kept by an attempt before: nobody was asked.
    Before,
    /// There is no room for it.
    NoRoom,
}

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub struct LlmAnswer {
    /// The answer.
    pub told: Told,
    /// What it came to.
    pub spent: Spent,
}

impl LlmAnswer {
    /// The same, if it has no more bytes than that.
    ///
    /// # Errors
    /// When it has.
    pub fn within(self, bytes_max: usize) -> Result<Self, LlmFailed> {
        let bytes = self.told.bytes();
        if bytes <= bytes_max {
            return Ok(self);
        }
        let why = Failed::Limit(format!("the answer has {bytes} bytes, and the attempt may get {bytes_max}"));
        Err(LlmFailed { why, code: None, spent: Box::new(self.spent) })
    }
}

/// Why nothing came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LlmFailed {
    /// Why.
    pub why: Failed,
    /// The stable code, where it is another than that of the reason.
    pub code: Option<Code>,
    /// What it came to.
    pub spent: Box<Spent>,
}

impl LlmFailed {
    /// Nobody was asked.
    #[must_use]
    pub fn new(why: Failed) -> Self {
        Self { why, code: None, spent: Box::default() }
    }

    /// The same, with a code of its own.
    #[must_use]
    pub fn of(code: Code, why: Failed) -> Self {
        Self { code: Some(code), ..Self::new(why) }
    }
}

impl From<Failed> for LlmFailed {
    fn from(why: Failed) -> Self {
        Self::new(why)
    }
}

/// What comes of a call.
pub type Asking = Pin<Box<dyn Future<Output = Result<LlmAnswer, LlmFailed>> + Send>>;

/// What comes of a wish for a prompt.
pub type Filling = Pin<Box<dyn Future<Output = Result<FilledPrompt, LlmFailed>> + Send>>;

/// Asks models.
pub trait LlmOut: Send + Sync {
    /// Asks, and waits for the answer. It is given up where nobody waits any more.
    fn ask(&self, call: LlmCall) -> Asking;

    /// Fills a prompt.
    fn fill(&self, call: PromptCall) -> Filling {
        Box::pin(async move { Err(no_prompt(&call.prompt)) })
    }
}

/// There is no such prompt.
#[must_use]
pub fn no_prompt(prompt: &PromptName) -> LlmFailed {
    let why = format!("there is no prompt `{prompt}`: `wharf prompt put {prompt}` makes one");
    LlmFailed::of(Code::PromptUnknown, Failed::Denied(why))
}

/// Where there are no models: every call fails.
#[derive(Clone, Copy, Debug)]
pub struct NoLlm;

impl LlmOut for NoLlm {
    fn ask(&self, call: LlmCall) -> Asking {
        let why = Failed::Denied(format!("there is no route `{}`: this host asks no models", call.route));
        Box::pin(async { Err(LlmFailed::of(Code::LlmRouteUnknown, why)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_too_large_is_paid_for_all_the_same() {
        let spent = Spent { cost: 7, ..Spent::default() };
        let answer = LlmAnswer { told: Told::Count(1), spent: spent.clone() };
        assert_eq!(answer.clone().within(8), Ok(answer.clone()));
        let failed = answer.within(7).unwrap_err();
        assert!(matches!(failed.why, Failed::Limit(_)) && *failed.spent == spent, "{failed:?}");
    }
}
