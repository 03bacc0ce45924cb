//! One call of a plugin, and what its route has around the models: guardrails, the cache, one more question where an answer breaks its schema.
//!
//! Invariant: what goes to a model went by the guardrails, and so did what comes back from one, from the cache too: it holds what was looked at. Whoever
//! gets an answer of the cache asks nobody and pays nothing. All calls of models end in the time that the plugin's call has.

use std::{
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::mpsc::Sender;
use wharf_dispatch::{Books, LlmAnswer, LlmCall, LlmFailed, LlmFit, LlmSpent};
use wharf_egress::Guard;
use wharf_event::{Code, Digest, ModelName};
use wharf_llm::{Ask, Failed, Piece, Repair, Reply, Told, Usage, Vectors};
use wharf_schema::Schema;

use super::{
    answers::{Answers, Found},
    catalog::Catalog,
    metering::{ModelMeters, RouteStep},
    order::order,
    round::{Patience, Round, Sealed, Sends, Unable},
    similar::{Looked, look},
};
use crate::{beside::beside, config::RouteConfig};

/// What models are asked by.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// What the operator says of models.
    pub catalog: &'a Catalog,
    /// Who sends.
    pub sends: &'a dyn Sends,
    /// Where it is written down what they cost.
    pub books: &'a dyn Books,
    /// Where they are counted.
    pub meters: &'a ModelMeters,
    /// What they answered, where it may be given again.
    pub answers: &'a Answers,
    /// Which of them rest.
    pub rests: &'a Guard,
}

/// What a route has of answers, and where it is counted what it does.
pub type Has<'a> = (&'a Catalog, &'a Answers, &'a ModelMeters);

/// A call that goes on.
pub enum Begun {
    /// The route has no answer to its question.
    Asks(Box<Question>),
    /// It has guardrails, by which the question has yet to go.
    Guarded(Box<LlmCall>),
}

/// A question that somebody is to be asked, as it may be.
pub struct Question {
    call: LlmCall,
    /// How often something was masked in it.
    masked: u32,
    /// By what its answer is found again, where the route keeps answers.
    key: Option<Digest>,
    began: Instant,
}

/// Begins a call by a route: gives the answer at once that the route has, where no guardrails are before it. That takes moments and waits for nothing,
/// so it is done wherever the call is made.
///
/// # Errors
/// When there is no such route.
pub fn begin(of: Has<'_>, call: LlmCall) -> Result<ControlFlow<LlmAnswer, Begun>, LlmFailed> {
    if route(of.0, &call)?.guard.is_some() {
        return Ok(ControlFlow::Continue(Begun::Guarded(Box::new(call))));
    }
    Ok(match question(of, call)? {
        ControlFlow::Continue(question) => ControlFlow::Continue(Begun::Asks(Box::new(question))),
        ControlFlow::Break(answer) => ControlFlow::Break(answer),
    })
}

/// The question of a call as it may be asked, or the answer that the route has.
fn question(
    (catalog, answers, meters): Has<'_>,
    mut call: LlmCall,
) -> Result<ControlFlow<LlmAnswer, Question>, LlmFailed> {
    let (began, route) = (Instant::now(), route(catalog, &call)?);
    if let Ask::Converse(conversation) = &mut call.ask {
        let most = conversation.max_tokens.map_or(route.max_tokens, |wished| wished.min(route.max_tokens));
        conversation.max_tokens = Some(most);
    }
    let first = order(&call, route).first().copied();
    let masked = match &route.guard {
        Some(guard) => {
            let masked = beside(call.ask.bytes(), || guard.ask(&mut call.ask));
            masked.inspect_err(|_| meters.step((&call, first), RouteStep::Blocked))?
        }
        None => 0,
    };
    let key = key((catalog, &call), route, first);
    if let Some(key) = &key {
        let hit = answers.get(&call.tenant, key, began);
        meters.step((&call, first), if hit.is_some() { RouteStep::CacheHit } else { RouteStep::CacheMiss });
        if let Some(found) = hit {
            let spent =
                LlmSpent { model: found.model, cached: true, masked, took: began.elapsed(), ..LlmSpent::default() };
            return Ok(ControlFlow::Break(LlmAnswer { told: free(&found.told), spent }));
        }
    }
    Ok(ControlFlow::Continue(Question { call, masked, key, began }))
}

/// Asks by a route what was begun.
///
/// # Errors
/// When there is no answer, whatever the reason.
pub async fn ask(means: Means<'_>, begun: Begun, sealed: Sealed) -> Result<LlmAnswer, LlmFailed> {
    let asks = match begun {
        Begun::Asks(question) => *question,
        Begun::Guarded(call) => match question((means.catalog, means.answers, means.meters), *call)? {
            ControlFlow::Continue(question) => question,
            ControlFlow::Break(answer) => return Ok(answer),
        },
    };
    let (catalog, Question { call, masked, key, began }) = (means.catalog, asks);
    let route = route(catalog, &call)?;
    let models = order(&call, route);
    let first = models.first().copied();
    let mut looked = Looked::default();
    if let Some(key) = &key {
        looked = look((means, &sealed), (&call, began), (route, first)).await;
        if let Some((found, spent)) = looked.given() {
            let whose = (&call.tenant, catalog.cache(&call.tenant));
            // It stays in the place that it was found in only, and as long as it would have: so nothing goes from one to the next.
            means.answers.put(whose, (*key, None), found.clone(), began);
            tell(&call, &spent, None);
            return Ok(LlmAnswer { told: free(&found.told), spent: LlmSpent { masked, ..spent } });
        }
    }
    let mut round = Round::new(means, (&call, began), &sealed, live(&call, route));
    let (asked, fit) = match round.all(Patience::of(route), &models).await {
        Ok(told) => fitting(&mut round, route, &call, told).await,
        Err(unable) => (Err(unable), LlmFit::Fine),
    };
    if fit != LlmFit::Fine {
        let step = if fit == LlmFit::Repaired { RouteStep::Repaired } else { RouteStep::Broken };
        means.meters.step((&call, first), step);
    }
    let (asked, also) = guarded(route, asked);
    if let Ok(told) = &asked {
        looked.compared(means, (&call, first), told);
    }
    let spent = looked.with(LlmSpent { masked: masked + also, fit, ..round.spent() });
    count(&means, (&call, first), &spent, asked.as_ref().err());
    tell(&call, &spent, asked.as_ref().err());
    match asked {
        Ok(told) => {
            if let (Some(key), LlmFit::Fine | LlmFit::Repaired) = (key, &spent.fit) {
                let now = Instant::now();
                let until = now + Duration::from_millis(route.cache_ms.unwrap_or(0));
                let whose = (&call.tenant, catalog.cache(&call.tenant));
                let found = Found { told: Arc::new(told.clone()), model: spent.model.clone(), until };
                means.answers.put(whose, (key, looked.near(&told)), found, now);
            }
            Ok(LlmAnswer { told, spent })
        }
        Err(Unable { code, why, .. }) => Err(LlmFailed { why, code, spent: Box::new(spent) }),
    }
}

fn route<'a>(catalog: &'a Catalog, call: &LlmCall) -> Result<&'a RouteConfig, LlmFailed> {
    catalog.route(&call.tenant, &call.route).ok_or_else(|| {
        let there = catalog.told(&call.tenant);
        let why = format!(
            "tenant `{}` has no route `{}` (`llm.routes` in its table); there are: {there}",
            call.tenant, call.route
        );
        LlmFailed::of(Code::LlmRouteUnknown, Failed::Denied(why))
    })
}

/// Tells of a call by the names of OpenTelemetry.
fn tell(call: &LlmCall, spent: &LlmSpent, unable: Option<&Unable>) {
    tracing::debug!(
        tenant = %call.tenant, plugin = %call.plugin, route = %call.route, gen_ai.operation.name = call.ask.operation(),
        gen_ai.request.model = spent.model.as_ref().map(|model| model.as_str()),
        gen_ai.usage.input_tokens = spent.usage.input_tokens, gen_ai.usage.output_tokens = spent.usage.output_tokens,
        gen_ai.client.operation.duration = spent.took.as_secs_f64(),
        error = unable.map(|unable| unable.why.to_string()), "a plugin's call of a model"
    );
}

/// Where pieces of the answer go as they come. What is to be looked at, or may be asked for once more, goes when it is whole.
fn live<'a>(call: &'a LlmCall, route: &RouteConfig) -> Option<&'a Sender<Piece>> {
    let has_schema = matches!(&call.ask, Ask::Converse(conversation) if conversation.output.is_some());
    let is_whole = route.guard.is_some() || (route.repair && has_schema);
    call.pieces.sender().filter(|_| !is_whole)
}

fn count(means: &Means<'_>, of: (&LlmCall, Option<&ModelName>), spent: &LlmSpent, unable: Option<&Unable>) {
    if spent.masked > 0 {
        means.meters.step(of, RouteStep::Masked);
    }
    if unable.is_some_and(|unable| matches!(unable.why, Failed::GuardrailBlocked(_))) {
        means.meters.step(of, RouteStep::Blocked);
    }
}

/// By what an answer is found again: the whole question, as the models of the route get it, which of them is the first, and all that the operator says of
/// them.
fn key((catalog, call): (&Catalog, &LlmCall), route: &RouteConfig, first: Option<&ModelName>) -> Option<Digest> {
    if route.cache_ms.is_none() || matches!(call.ask, Ask::Count(_)) {
        return None;
    }
    let version = catalog.version(&call.tenant, &call.route);
    let first = first.map_or("", ModelName::as_str);
    Some(Digest::of(&[version.0.as_slice(), first.as_bytes(), b"\n", &call.ask.to_bytes()].concat()))
}

/// An answer that nobody counts anything for.
fn free(told: &Told) -> Told {
    let usage = Usage::default();
    match told.clone() {
        Told::Reply(reply) => Told::Reply(Reply { usage, ..reply }),
        Told::Vectors(vectors) => Told::Vectors(Vectors { usage, ..vectors }),
        Told::Count(count) => Told::Count(count),
    }
}

/// The answer as it may be given, and how often something was masked in it.
fn guarded(route: &RouteConfig, asked: Result<Told, Unable>) -> (Result<Told, Unable>, u32) {
    let (mut told, guard) = match (asked, &route.guard) {
        (Ok(told), Some(guard)) => (told, guard),
        (asked, _) => return (asked, 0),
    };
    match beside(told.bytes(), || guard.told(&mut told)) {
        Ok(masked) => (Ok(told), masked),
        Err(why) => (Err(Unable { usage: told.usage(), ..Unable::from(why) }), 0),
    }
}

/// An answer that keeps to its schema, as far as asking once more gives one. Where it does not, the answer is given as it is.
async fn fitting(
    round: &mut Round<'_>,
    route: &RouteConfig,
    call: &LlmCall,
    told: Told,
) -> (Result<Told, Unable>, LlmFit) {
    if !route.repair {
        return (Ok(told), LlmFit::Fine);
    }
    let Some(wrong) = wrong(&call.ask, &told).await else { return (Ok(told), LlmFit::Fine) };
    let Some(more) = call.ask.repaired(&told, &wrong) else { return (Ok(told), LlmFit::Broken(wrong)) };
    let again = match round.again(Patience::of(route), &more).await {
        None => return (Ok(told), LlmFit::Broken(wrong)),
        Some(Ok(again)) => again,
        Some(Err(unable)) => {
            let wrong = format!("{wrong}; asked once more: {}", unable.why);
            return (Ok(summed(told, unable.usage)), LlmFit::Broken(wrong));
        }
    };
    let again = summed(again, told.usage());
    match self::wrong(&call.ask, &again).await {
        None => (Ok(again), LlmFit::Repaired),
        Some(wrong) => (Ok(again), LlmFit::Broken(wrong)),
    }
}

/// The same with what was counted besides.
fn summed(told: Told, more: Usage) -> Told {
    let Told::Reply(mut reply) = told else { return told };
    reply.usage.input_tokens += more.input_tokens;
    reply.usage.output_tokens += more.output_tokens;
    Told::Reply(reply)
}

/// How an answer breaks the schema that was asked for; nothing where it does not, or where that schema is none that the host can use.
async fn wrong(ask: &Ask, told: &Told) -> Option<String> {
    let Repair { schema, text } = Repair::of(ask, told)?;
    let schema = schema.to_owned();
    // Both are a plugin's and a model's to make, within bounds: they may take a while.
    let looked = tokio::task::spawn_blocking(move || {
        let schema = Schema::parse(&schema).ok()?;
        schema
            .validate(text.as_bytes())
            .err()
            .map(|violations| violations.to_string().replace("the payload", "the answer"))
    });
    looked.await.ok().flatten()
}
