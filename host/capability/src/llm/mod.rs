//! Capability: `wharf:llm/models`. Which calls are made is decided here; which model answers is not known here.
//!
//! Invariant: a model is asked only by a route that a grant names, and never more often or with more bytes than the attempt may. What is refused
//! is an error of the guest's, a code in the attempt, and a line of its log. Each call has one line of that log, whatever came of it.

mod contract;
mod port;
mod prompt;
mod recorded;
mod stream;

use std::{collections::BTreeMap, time::Duration};

use wasmtime::component::{HasSelf, Linker, Resource};
use wharf_delivery::{Details, LogLevel};
use wharf_event::{Code, Grants, RouteName};
use wharf_llm::{Ask, Failed, Told, Usage};

pub use port::{
    Asking, FilledPrompt, Filling, Fit, Keeping, LlmAnswer, LlmCall, LlmFailed, LlmOut, NoLlm, PromptCall, Similar,
    Spent, no_prompt,
};
pub use stream::{Pieces, ReplyStream};

use recorded::Recorded;

use crate::{
    Attempt,
    bindings::{llm::wharf::llm::models, wasi::logging::logging::Level},
    effects::bytes,
};

/// Adds it to `linker`.
pub(crate) fn link(linker: &mut Linker<Attempt>) -> wasmtime::Result<()> {
    models::add_to_linker::<_, HasSelf<Attempt>>(linker, |attempt| attempt)
}

/// What the calls of an attempt come to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    calls: u32,
    /// Prompts that were filled.
    prompts: u32,
    bytes_out: u64,
    bytes_in: u64,
    /// What calls were refused for, each once.
    met: Vec<Code>,
    /// The calls that are under way, by their numbers.
    open: BTreeMap<u32, String>,
}

impl Tally {
    /// Whether no call is under way.
    pub(crate) fn is_done(&self) -> bool {
        self.open.is_empty()
    }

    /// Adds what the calls came to. (Each has a line of the log, which is counted as a call of the host.)
    pub(crate) fn tell(self, details: &mut Details) {
        self.met.iter().for_each(|code| details.met(*code));
        for shown in self.open.values() {
            let line = format!("{shown}: the attempt ended before its answer; it may be paid for all the same");
            details.log.push(LogLevel::Warn, "llm", &line);
        }
        let used = details.used.get_or_insert_default();
        used.bytes_out += self.bytes_out;
        used.bytes_in += self.bytes_in;
    }
}

impl models::Host for Attempt {
    async fn converse(
        &mut self,
        route: String,
        conversation: models::Conversation,
    ) -> wasmtime::Result<Result<models::Reply, models::LlmError>> {
        let told = self.asked(&route, Ask::Converse(contract::conversation(conversation))).await;
        Ok(told.and_then(|(told, cached)| match told {
            Told::Reply(reply) => Ok(contract::reply(reply, cached)),
            _ => Err(another()),
        }))
    }

    async fn converse_stream(
        &mut self,
        route: String,
        conversation: models::Conversation,
    ) -> wasmtime::Result<Result<Resource<ReplyStream>, models::LlmError>> {
        match self.streamed(route, Ask::Converse(contract::conversation(conversation))) {
            Ok(stream) => Ok(Ok(self.table.push(stream)?)),
            Err(why) => Ok(Err(why)),
        }
    }

    async fn render(
        &mut self,
        route: String,
        prompt: String,
        variables: String,
    ) -> wasmtime::Result<Result<models::Rendered, models::LlmError>> {
        Ok(self.filled(&route, &prompt, variables).await)
    }

    async fn embed(
        &mut self,
        route: String,
        texts: models::Embedding,
    ) -> wasmtime::Result<Result<models::Vectors, models::LlmError>> {
        let told = self.asked(&route, Ask::Embed(contract::embedding(texts))).await;
        Ok(told.and_then(|(told, cached)| match told {
            Told::Vectors(vectors) => Ok(contract::vectors(vectors, cached)),
            _ => Err(another()),
        }))
    }

    async fn count_tokens(
        &mut self,
        route: String,
        conversation: models::Conversation,
    ) -> wasmtime::Result<Result<u64, models::LlmError>> {
        let told = self.asked(&route, Ask::Count(contract::conversation(conversation))).await;
        Ok(told.and_then(|(told, _)| match told {
            Told::Count(tokens) => Ok(tokens),
            _ => Err(another()),
        }))
    }
}

/// An answer to something else.
fn another() -> models::LlmError {
    models::LlmError::Provider("the answer is of another kind".to_owned())
}

impl Attempt {
    /// Asks, and leaves its trace in the attempt. Gives the answer, and whether the route had it.
    async fn asked(&mut self, route: &str, ask: Ask) -> Result<(Told, bool), models::LlmError> {
        let operation = ask.operation();
        let recorded = Recorded::begin(&self.context.tape, route, &ask);
        let called = match self.call(route, ask) {
            Ok(call) => {
                let number = call.number;
                self.llm.open.insert(number, format!("{route}, {operation}"));
                let asking = self.context.llm.ask(call);
                let called = asking.await;
                self.llm.open.remove(&number);
                called
            }
            Err(failed) => Err(failed),
        };
        let answered = self.answered(route, operation, called);
        recorded.end(&answered);
        answered.map_err(contract::failed)
    }

    /// Leaves the trace of a call that has ended in the attempt. Gives the answer, and whether the route had it.
    fn answered(
        &mut self,
        route: &str,
        operation: &str,
        called: Result<LlmAnswer, LlmFailed>,
    ) -> Result<(Told, bool), Failed> {
        let LlmAnswer { told, spent } = called.map_err(|failed| self.failed(route, operation, failed))?;
        self.llm.bytes_in += told.bytes() as u64;
        let line = format!("{route}, {operation}: {}", shown(&spent));
        // A log that is full ends the attempt when the guest writes the next line.
        let _ = self.log.line(Level::Info, "llm", &line);
        Ok((told, spent.cached))
    }

    fn failed(&mut self, route: &str, operation: &str, failed: LlmFailed) -> Failed {
        let LlmFailed { why, code, spent } = failed;
        let code = code.unwrap_or(of(&why));
        if !self.llm.met.contains(&code) {
            self.llm.met.push(code);
        }
        let behind = if spent.tries > 0 || spent.outside || spent.keeping == Keeping::Before {
            format!(" ({})", shown(&spent))
        } else {
            String::new()
        };
        let short = route.chars().take(64).collect::<String>();
        let _ = self.log.line(Level::Warn, "llm", &format!("{code}: {short}, {operation}: {why}{behind}"));
        why
    }

    /// Notes that a guest waits no more for a call that was under way.
    fn given_up(&mut self, number: u32) {
        if let Some(shown) = self.llm.open.remove(&number) {
            let line = format!("{shown}: the plugin let go of it before its end; it may be paid for all the same");
            let _ = self.log.line(Level::Warn, "llm", &line);
        }
    }

    /// The route, if the plugin may ask by it.
    fn granted(&self, route: &str) -> Result<RouteName, LlmFailed> {
        let context = &self.context;
        if !context.grants.may_ask(route) {
            let line = route.parse::<RouteName>().ok().map(|route| {
                let more = Grants { llm: vec![route], ..Grants::default() };
                format!("; {}", context.grants_line(&more))
            });
            let named: String = route.chars().take(64).collect();
            let why = format!("the route `{named}` is not granted{}", line.unwrap_or_default());
            return Err(LlmFailed::of(Code::LlmDenied, Failed::Denied(why)));
        }
        Ok(route.parse::<RouteName>().map_err(|error| Failed::Denied(format!("{error}")))?)
    }

    /// The call, if it may be made.
    fn call(&mut self, route: &str, ask: Ask) -> Result<LlmCall, LlmFailed> {
        let (limits, context) = (self.limits.host, &self.context);
        let name = self.granted(route)?;
        if self.llm.calls >= limits.llm_calls {
            return Err(Failed::Limit(format!("an attempt may make {} calls of models", limits.llm_calls)).into());
        }
        self.llm.calls += 1;
        ask.check().map_err(|invalid| Failed::Invalid(invalid.to_string()))?;
        let left = (bytes(limits.llm_kib) as u64).saturating_sub(self.llm.bytes_out + self.llm.bytes_in);
        let size = ask.bytes() as u64;
        if size >= left {
            let why = format!("an attempt may send to models and get of them {} KiB", limits.llm_kib);
            return Err(Failed::Limit(why).into());
        }
        self.llm.bytes_out += size;
        Ok(LlmCall {
            tenant: context.tenant.clone(),
            plugin: context.plugin.clone(),
            delivery: context.occasion.to_string(),
            number: self.llm.calls,
            route: name,
            ask,
            trace: context.received.extension("traceparent").map(ToString::to_string),
            timeout: Duration::from_millis(limits.llm_ms.min(self.limits.wall_ms).into()),
            answer_bytes_max: usize::try_from(left - size).unwrap_or(usize::MAX),
            pieces: Pieces::default(),
        })
    }
}

/// What a call came to, in words.
fn shown(spent: &Spent) -> String {
    let Spent { model, tries, usage: Usage { input_tokens, output_tokens }, cost, currency, took, .. } = spent;
    let model = model.as_ref().map_or("no model", |model| model.as_str());
    let masked = if spent.masked > 0 { format!("; {} masked", spent.masked) } else { String::new() };
    let kept = match &spent.keeping {
        Keeping::Before => {
            return format!("{model}, kept from an attempt before: nobody was asked, and nothing is paid");
        }
        Keeping::NoRoom => "; there is no room to keep it, so another attempt asks again",
        Keeping::No | Keeping::Kept => "",
    };
    let unit = currency.as_deref().map_or_else(String::new, |currency| format!(" {currency}"));
    let (whole, part, ms) = (cost / 1_000_000_000, cost % 1_000_000_000, took.as_millis());
    let paid = format!("{ms} ms, {input_tokens} tokens in, {output_tokens} out, {whole}.{part:09}{unit}");
    if let (true, Similar::Given(likeness)) = (spent.cached, &spent.similar) {
        return format!(
            "{model}, from the route's cache (similar {likeness}): only a vector was asked for, {paid}{masked}{kept}"
        );
    }
    if spent.cached {
        return format!("{model}, from the route's cache: nobody was asked, and nothing is paid{masked}");
    }
    let fit = match &spent.fit {
        Fit::Fine => String::new(),
        Fit::Repaired => "; the first answer broke its schema".to_owned(),
        Fit::Broken(why) => format!("; it breaks its schema: {why}"),
    };
    let again = if *tries > 1 { format!(" at try {tries}") } else { String::new() };
    let guessed = if spent.guessed { " at most, since it broke off before that was counted" } else { "" };
    let similar = similar(&spent.similar);
    format!("{model}{again}, {paid}{guessed}{masked}{fit}{similar}{kept}")
}

/// What came of looking for what means the same, in words.
fn similar(similar: &Similar) -> String {
    match similar {
        Similar::No | Similar::Given(_) => String::new(),
        Similar::Nothing(None) => "; nothing similar was asked before".to_owned(),
        Similar::Nothing(Some(nearest)) => format!("; nothing similar enough was asked before ({nearest})"),
        Similar::Shadow(likeness, same) => {
            let same = match same {
                Some(true) => ", and is the same",
                Some(false) => ", and is another",
                None => "",
            };
            format!("; similar {likeness}: that answer would have been given{same}")
        }
        Similar::Failed(why) => format!("; nothing similar was looked for: {why}"),
    }
}

/// The code of a reason.
fn of(why: &Failed) -> Code {
    match why {
        Failed::Denied(_) => Code::LlmDenied,
        Failed::RateLimited(_) => Code::LlmRateLimited,
        Failed::Overloaded(_) => Code::LlmOverloaded,
        Failed::Timeout => Code::LlmTimeout,
        Failed::ContextTooLong(_) => Code::LlmContext,
        Failed::ContentFiltered(_) => Code::LlmFiltered,
        Failed::GuardrailBlocked(_) => Code::LlmGuardrail,
        Failed::Unpriced(_) => Code::LlmUnpriced,
        Failed::Limit(_) => Code::LimitLlm,
        Failed::BudgetExceeded(_) => Code::BudgetExceeded,
        Failed::Invalid(_) => Code::LlmInvalid,
        Failed::Unsupported(_) => Code::LlmUnsupported,
        Failed::Provider(_) => Code::LlmProvider,
    }
}
