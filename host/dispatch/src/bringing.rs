//! What a plugin did for a request that it answers: its events are matched, and all of it is sequenced before the answer leaves.
//!
//! Invariant: where this gives an error none of it is there, unless it says that the log failed: then the next start finds out. A conflict is
//! told to whoever asked; nothing is run again, since the body of a request is there once. No answer leaves before the frames are durable that it
//! follows from, be it one that says that its plugin failed.

use std::sync::Arc;

use futures_util::FutureExt as _;
use wharf_capability::Effects;
use wharf_delivery::{AcceptEvent, Answer, Failure, Read, Refused, Request, ServeRequest, WriteRequest};
use wharf_event::{Code, Event, PluginName, Target, TenantName};
use wharf_runtime::Keep;

use crate::{
    attempt::Attempts,
    fitting::must_fit,
    partition::{AskError, weigh},
    rules::RuleSet,
};

/// Milliseconds after which the same may go well where nobody knows better.
const AGAIN_MS: u64 = 1_000;

/// A request that is answered.
#[derive(Clone)]
pub(crate) struct Whose {
    pub(crate) tenant: TenantName,
    pub(crate) plugin: PluginName,
    pub(crate) request: Arc<str>,
}

/// What keeps what is done for a request.
pub(crate) fn keeps(attempts: &Arc<Attempts>, whose: Whose) -> Keep {
    let attempts = Arc::clone(attempts);
    Box::new(move |effects| async move { keep(&attempts, &whose, effects).await }.boxed())
}

async fn keep(attempts: &Attempts, whose: &Whose, effects: Option<Effects>) -> Result<(), Failure> {
    let Some(effects) = effects else {
        let ended = "nothing of it is kept, and nothing leaves: the host takes nothing any more";
        return attempts.shared.read_durable(|_| ()).await.ok_or_else(|| Failure::new(Code::RouteUnkept, ended));
    };
    let (events, writes, reads) = effects.into_parts();
    if events.is_empty() && writes.is_empty() && reads.is_empty() {
        return Ok(());
    }
    let mut turn = None;
    loop {
        let rules = Arc::clone(&attempts.rules.borrow());
        let request = wish(&rules, whose, (&events, &writes, &reads))?;
        match attempts.partition.ask(Request::Serve(Box::new(request))).await {
            Ok(Answer::Accepted(answers)) => {
                let duplicates = answers.iter().flatten().filter(|accepted| accepted.duplicate).count();
                attempts.meters.duplicates(&whose.tenant, duplicates as u64);
                return Ok(());
            }
            Ok(_) => return Err(unkept(&AskError::Stopping)),
            Err(AskError::Refused(Refused::StaleRules)) if turn.is_none() => {
                turn = Some(attempts.configuring.read().await);
            }
            Err(error) => {
                if matches!(error, AskError::Refused(Refused::Conflict { .. })) {
                    attempts.meters.conflict(&whose.tenant);
                }
                return Err(unkept(&error));
            }
        }
    }
}

/// What is to be sequenced, matched with these rules.
fn wish(
    rules: &RuleSet,
    Whose { tenant, plugin, request }: &Whose,
    (events, writes, reads): (&[Event], &[WriteRequest], &[Read]),
) -> Result<ServeRequest, Failure> {
    let gone = |why: &str| Failure::new(Code::RouteUnkept, format!("nothing of it is kept: {why}"));
    let bus = rules.main_bus(tenant).ok_or_else(|| gone("the tenant is not there any more"))?;
    let (mut matched, mut bytes) = (Vec::with_capacity(events.len()), 0);
    for event in events {
        let targets = rules.targets(tenant, &bus, event).map_err(|error| gone(&error.to_string()))?;
        weigh(&mut bytes, event, &targets).map_err(|error| unkept(&error))?;
        matched.push(AcceptEvent { event: event.clone(), targets });
    }
    let accept = rules.accepting(tenant, bus, matched);
    must_fit(&accept).map_err(|error| Failure::new(Code::LimitPublish, error.to_string()))?;
    let target = Target::Plugin(plugin.clone());
    Ok(ServeRequest {
        accept,
        plugin: plugin.clone(),
        request: request.to_string(),
        reads: reads.to_vec(),
        writes: writes.to_vec(),
        publish_per_s: rules.limits_of(tenant, &target).publish_per_s,
    })
}

/// What is said last where nobody knows: whoever asks again at once may do it twice.
pub(crate) const UNSURE: &str = "whether it is kept is found out at the next start";

/// Why nothing is kept.
fn unkept(error: &AskError) -> Failure {
    let failure = |code: Code, after_ms| Failure {
        retry_after_ms: Some(after_ms),
        ..Failure::new(code, format!("nothing of it is kept: {error}"))
    };
    match error {
        AskError::Refused(Refused::Conflict { .. }) => failure(Code::RouteConflict, AGAIN_MS),
        AskError::TooLarge { .. } | AskError::Refused(Refused::TooManyTargets { .. }) => {
            Failure::new(Code::LimitPublish, format!("what it published is too much: {error}"))
        }
        AskError::Refused(Refused::Quota(spent)) => failure(Code::RouteUnkept, spent.after_ms().unwrap_or(AGAIN_MS)),
        AskError::Failed(_) | AskError::Stopping => Failure::new(Code::RouteUnkept, format!("{error}; {UNSURE}")),
        AskError::Refused(_) => failure(Code::RouteUnkept, AGAIN_MS),
    }
}
