//! Answers to questions that only mean the same: where all else is the same to the byte, and so are the numbers, ids and negations of the last words.
//!
//! Invariant: a vector is asked for like any answer: it has its price, is taken out of the budgets, and is counted. Whatever comes of it, the call goes
//! on, with the better part of its time.

use std::time::Instant;

use wharf_dispatch::{LlmCall, LlmSimilar, LlmSpent, Pieces};
use wharf_event::{Digest, ModelName, TenantName};
use wharf_llm::{Ask, Direction, Embedding, Likeness, Told, marks};

use super::{
    answers::{Found, Near},
    asking::Means,
    metering::RouteStep,
    round::{Patience, Round, Sealed},
};
use crate::config::RouteConfig;

/// The part of a call's time that a vector may take.
const TIME_PART: u32 = 4;

/// What came of looking.
#[derive(Default)]
pub(super) struct Looked {
    /// Where the answer that is to come is found by what means the same.
    near: Option<Near>,
    found: Option<(Found, Likeness)>,
    is_shadow: bool,
    /// What the vector came to.
    spent: LlmSpent,
}

/// Looks for the answer to what means the same.
pub(super) async fn look(
    (means, sealed): (Means<'_>, &Sealed),
    (call, began): (&LlmCall, Instant),
    (route, first): (&RouteConfig, Option<&ModelName>),
) -> Looked {
    let Some(config) = &route.similar else { return Looked::default() };
    let Some((frame, text)) = call.ask.parted() else { return Looked::default() };
    let frame = digest(means, (call, first), &frame, &text);
    let asks = vector_call(call, text);
    let mut round = Round::new(means, (&asks, began), sealed, None);
    let told = round.all(Patience { tries: 1, ..Patience::of(route) }, &[&config.model]).await;
    let mut looked = Looked { spent: round.spent(), is_shadow: config.shadow, ..Looked::default() };
    let direction = match told {
        Ok(Told::Vectors(vectors)) => vectors.vectors.first().and_then(|vector| Direction::of(vector)),
        Ok(_) => None,
        Err(unable) => {
            looked.failed(means, (call, first), unable.why.to_string());
            return looked;
        }
    };
    let Some(direction) = direction else {
        let why = format!("what `{}` made is no vector that can be compared", config.model);
        looked.failed(means, (call, first), why);
        return looked;
    };
    let nearest = nearest(means, &call.tenant, &frame, &direction).await;
    looked.near = Some(Near { frame, direction });
    let found = nearest.filter(|(_, likeness)| *likeness >= config.at_least);
    // It may have left meanwhile.
    let found = found.and_then(|(key, it)| Some((means.answers.get(&call.tenant, &key, Instant::now())?, it)));
    let (step, similar) = match &found {
        None => (RouteStep::SimilarMiss, LlmSimilar::Nothing(nearest.map(|(_, likeness)| likeness))),
        Some((_, likeness)) if config.shadow => (RouteStep::SimilarShadow, LlmSimilar::Shadow(*likeness, None)),
        Some((_, likeness)) => (RouteStep::SimilarHit, LlmSimilar::Given(*likeness)),
    };
    means.meters.step((call, first), step);
    looked.spent.similar = similar;
    looked.found = found;
    looked
}

impl Looked {
    fn failed(&mut self, means: Means<'_>, of: (&LlmCall, Option<&ModelName>), why: String) {
        means.meters.step(of, RouteStep::SimilarFailed);
        self.spent.similar = LlmSimilar::Failed(why);
    }

    /// The answer, if it is to be given, with what it came to.
    pub(super) fn given(&self) -> Option<(Found, LlmSpent)> {
        let (found, _) = self.found.as_ref().filter(|_| !self.is_shadow)?;
        let spent = LlmSpent { model: found.model.clone(), cached: true, tries: 0, ..self.spent.clone() };
        Some((found.clone(), spent))
    }

    /// Holds what the models said against what would have been given.
    pub(super) fn compared(&mut self, means: Means<'_>, (call, first): (&LlmCall, Option<&ModelName>), told: &Told) {
        let LlmSimilar::Shadow(_, same) = &mut self.spent.similar else { return };
        let (Some((found, _)), Told::Reply(said)) = (&self.found, told) else { return };
        let Told::Reply(would) = &*found.told else { return };
        let is_same = call.ask.same(would, said);
        *same = Some(is_same);
        means.meters.step((call, first), if is_same { RouteStep::SimilarSame } else { RouteStep::SimilarOther });
    }

    /// What the call came to, with the vector.
    pub(super) fn with(&self, mut spent: LlmSpent) -> LlmSpent {
        spent.usage.input_tokens += self.spent.usage.input_tokens;
        spent.usage.output_tokens += self.spent.usage.output_tokens;
        spent.cost = spent.cost.saturating_add(self.spent.cost);
        spent.outside |= self.spent.outside;
        spent.similar = self.spent.similar.clone();
        spent
    }

    /// Where an answer is found by what means the same. What asks for a tool tells it something of the words, so that is of these only.
    pub(super) fn near(self, told: &Told) -> Option<Near> {
        self.near.filter(|_| matches!(told, Told::Reply(reply) if !reply.wants_tools()))
    }
}

/// The call that asks for the vector of a text. Its time is its own, so a model is not blamed where that is over.
fn vector_call(call: &LlmCall, text: String) -> LlmCall {
    LlmCall {
        tenant: call.tenant.clone(),
        plugin: call.plugin.clone(),
        delivery: call.delivery.clone(),
        number: call.number,
        route: call.route.clone(),
        ask: Ask::Embed(Embedding { texts: vec![text], dimensions: None }),
        trace: call.trace.clone(),
        timeout: call.timeout / TIME_PART,
        answer_bytes_max: call.answer_bytes_max,
        pieces: Pieces::default(),
    }
}

/// All that has to be the same: the question but for its last words, the marks of these, and what the exact cache looks at besides.
fn digest(means: Means<'_>, (call, first): (&LlmCall, Option<&ModelName>), frame: &Ask, text: &str) -> Digest {
    let version = means.catalog.version(&call.tenant, &call.route);
    let first = first.map_or("", ModelName::as_str);
    // None of them has a line's end: JSON writes it otherwise, and a mark has no space in it.
    let marks = marks(text).join("\n");
    Digest::of(&[version.0.as_slice(), first.as_bytes(), b"\n", &frame.to_bytes(), b"\n", marks.as_bytes()].concat())
}

/// The answer whose question is the nearest.
async fn nearest(
    means: Means<'_>,
    tenant: &TenantName,
    frame: &Digest,
    direction: &Direction,
) -> Option<(Digest, Likeness)> {
    let others = means.answers.frame(tenant, frame, Instant::now());
    if others.is_empty() {
        return None;
    }
    let direction = direction.clone();
    // Some million numbers are multiplied.
    let looked =
        tokio::task::spawn_blocking(move || direction.nearest(&others).map(|(key, likeness)| (*key, likeness)));
    looked.await.ok().flatten()
}
