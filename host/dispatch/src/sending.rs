//! One attempt of a webhook: the event made a request and sent, and the delivery settled by what the receiver says.
//!
//! Invariant: nothing is sent before the frames that it follows from are durable, of a delivery that another attempt settled, or while the
//! webhook is off. What was sent may have arrived though the
//! attempt failed, so the receiver is told the delivery's id, which stays the same.

use std::{sync::Arc, time::Duration};

use wharf_delivery::{Details, Failure, LogLevel, Verdict, clipped};
use wharf_event::{Code, Event, RuleName, WebhookName};
use wharf_webhook::{Meaning, Message, meaning};

use crate::{
    attempt::{Attempts, SoFar, Stuck, stuck},
    health::{News, Sent, WebhookKey},
    limits::{WEBHOOK_ANSWER_FIELDS, WEBHOOK_BODY_BYTES_KEPT},
    outgoing::{NoAnswer, OutgoingAnswer, OutgoingRequest},
    partition::AskError,
    rules::RuleSet,
    schedule::Waiting,
    settling::{Settlement, settle},
    slot::Slot,
    transform::{self, Passed},
    webhooks::WebhookInForce,
};

/// Tries a delivery of a webhook once and settles it.
pub(crate) async fn send(
    attempts: &Attempts,
    waiting: &Waiting,
    slot: &Arc<Slot>,
    (rules, name, webhook): (&RuleSet, &WebhookName, &WebhookInForce),
    received: Event,
    spent: &mut SoFar,
) -> Result<(), Stuck> {
    is_on(attempts, waiting, rules)?;
    let Passed { event, took: transforming, mut details } = transform::pass(attempts, waiting, rules, &received).await;
    let event = match event {
        Ok(event) => event,
        Err(verdict) => {
            let settlement = Settlement::sent(attempts, waiting, &verdict, (transforming, Arc::new(details)));
            return settle(attempts, waiting, &settlement, slot).await.map_err(stuck);
        }
    };
    *spent = details.used.is_some().then(|| Arc::new(details.clone()));
    let key = (waiting.row.tenant.clone(), name.clone());
    // What leaves the host follows from frames: all of them that were sequenced so far have to be durable.
    if !attempts.shared.may_leave().await {
        return Err(Stuck::Log(AskError::Stopping));
    }
    let begun = attempts.surroundings.clock.monotonic();
    let answer = attempts.surroundings.outgoing.send(request(attempts, waiting, (name, webhook), &event)).await;
    let took = attempts.surroundings.clock.monotonic().saturating_sub(begun);
    let (sent, verdict) = judged(&answer, attempts.clock.now_ms());
    tell(&mut details, &answer);
    // Before it settles: no other attempt begins once the webhook is to be disabled, or left alone.
    noted(attempts, (key, &waiting.row.target.rule), (sent, &verdict), event);
    let settlement = Settlement::sent(attempts, waiting, &verdict, (transforming + took, Arc::new(details)));
    settle(attempts, waiting, &settlement, slot).await.map_err(stuck)
}

/// Takes in how an attempt went, by what the webhook is now: it may have been changed since the attempt began.
fn noted(attempts: &Attempts, (key, rule): (WebhookKey, &RuleName), (sent, verdict): (Sent, &Verdict), sample: Event) {
    let now_ms = attempts.clock.now_ms();
    if let Verdict::Failed(Failure { retry_after_ms: Some(wait_ms), .. }) = verdict {
        attempts.health.leave_alone(&key, now_ms.saturating_add(*wait_ms));
    }
    let rules = Arc::clone(&attempts.rules.borrow());
    let Some(webhook) = rules.webhook(&key.0, &key.1) else { return };
    if let Some(due) = attempts.health.note(&key, webhook, sent, now_ms) {
        // A host that stops does nothing about it any more.
        let _ = attempts.news.send(News { webhook: key, due, rule: rule.clone(), sample });
    }
}

/// Whether the webhook takes attempts. While it is off a delivery waits, until it is too old.
fn is_on(attempts: &Attempts, waiting: &Waiting, rules: &RuleSet) -> Result<(), Stuck> {
    let row = &waiting.row;
    if !attempts.is_off(rules, &(row.tenant.clone(), row.target.to.clone())) {
        return Ok(());
    }
    if !is_too_old(rules, waiting, attempts.clock.now_ms()) {
        return Err(Stuck::Held);
    }
    // No later attempt could be early enough, so it is given up.
    let webhook = row.target.to.webhook().and_then(|name| rules.webhook(&row.tenant, name));
    let why = match webhook.map(|webhook| (webhook.object.disabled.as_ref(), webhook.object.secrets.is_empty())) {
        Some((Some(off), _)) => off.reason.as_str(),
        Some((None, true)) => "it has no secret to sign with",
        _ => "it is about to be",
    };
    let reason = format!("the webhook is disabled: {why}");
    let failure = Failure { retry_after_ms: Some(u64::MAX), ..Failure::new(Code::WebhookDisabled, reason) };
    Err(Stuck::Failed(failure))
}

/// Whether a delivery is too old to be tried, by its target's policy.
pub(crate) fn is_too_old(rules: &RuleSet, waiting: &Waiting, now_ms: u64) -> bool {
    old_at(rules, waiting).is_none_or(|old_ms| now_ms > old_ms)
}

/// When a delivery is too old to be tried, in milliseconds since 1970; absent where its target is gone.
pub(crate) fn old_at(rules: &RuleSet, waiting: &Waiting) -> Option<u64> {
    let row = &waiting.row;
    let since_ms = row.since_ms.max(rules.resumed_ms(&row.tenant));
    Some(since_ms.saturating_add(rules.resolve(&row.tenant, &row.target)?.retry.age_ms))
}

fn request(
    attempts: &Attempts,
    waiting: &Waiting,
    (name, webhook): (&WebhookName, &WebhookInForce),
    event: &Event,
) -> OutgoingRequest {
    let (settings, now_ms) = (&webhook.settings, attempts.clock.now_ms());
    // Receivers hold it against their clocks, which know nothing of the log's time.
    let at_s = i64::try_from(attempts.surroundings.clock.wall_ms() / 1_000).unwrap_or(i64::MAX);
    let mut message = Message::of(event, settings.mode, waiting.id.to_string().replace('.', "-"), at_s);
    message.headers.extend(settings.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
    OutgoingRequest {
        tenant: waiting.row.tenant.clone(),
        webhook: name.clone(),
        url: settings.url.clone(),
        message,
        secrets: webhook.object.secrets_at(now_ms).map(|it| it.secret.clone()).collect(),
        networks: settings.networks.clone(),
        timeout: Duration::from_millis(settings.timeout_ms.into()),
        keep_bytes: WEBHOOK_BODY_BYTES_KEPT,
    }
}

/// What an answer means, for the webhook and for the delivery.
fn judged(answer: &Result<OutgoingAnswer, NoAnswer>, now_ms: u64) -> (Sent, Verdict) {
    let answer = match answer {
        Ok(answer) => answer,
        Err(NoAnswer { code, reason }) => {
            let (code, failure) = (*code, Failure::new(*code, reason.clone()));
            return (Sent::Failed { code, reason: reason.clone() }, Verdict::Failed(failure));
        }
    };
    let status = Some(answer.status);
    let failed = |code, reason: String, retry_after_ms| {
        let reason = clipped(reason);
        let failure = Failure { code, reason: reason.clone(), retry_after_ms, status };
        (Sent::Failed { code, reason }, Verdict::Failed(failure))
    };
    match meaning(answer.status, field(answer, "retry-after"), now_ms) {
        Meaning::Delivered => (Sent::Delivered, Verdict::Ok),
        Meaning::Gone => {
            let reason = "the receiver answered 410: it wants nothing more".to_owned();
            let failure = Failure { status, ..Failure::new(Code::WebhookGone, reason.clone()) };
            (Sent::Gone { reason }, Verdict::Failed(failure))
        }
        Meaning::Failed { code: code @ Code::WebhookRedirect, retry_after_ms } => {
            let to = field(answer, "location").unwrap_or("nowhere");
            failed(code, format!("the receiver answered {}, to {to}", answer.status), retry_after_ms)
        }
        Meaning::Failed { code, retry_after_ms } => {
            failed(code, format!("the receiver answered {}", answer.status), retry_after_ms)
        }
    }
}

fn field<'a>(answer: &'a OutgoingAnswer, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

/// Keeps what the receiver said with the attempt: its status, fields that tell something, the beginning of its body.
fn tell(details: &mut Details, answer: &Result<OutgoingAnswer, NoAnswer>) {
    let Ok(answer) = answer else { return };
    details.log.push(LogLevel::Info, "response", &answer.status.to_string());
    for name in WEBHOOK_ANSWER_FIELDS {
        if let Some(value) = field(answer, name) {
            details.log.push(LogLevel::Info, "response", &format!("{name}: {value}"));
        }
    }
    if !answer.body.is_empty() {
        let more = if answer.is_cut { "…" } else { "" };
        let body = format!("{}{more}", String::from_utf8_lossy(&answer.body));
        details.log.push(LogLevel::Info, "response.body", &body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], body: &'static str) -> Result<OutgoingAnswer, NoAnswer> {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Ok(OutgoingAnswer { status, headers, body: body.into(), is_cut: true })
    }

    #[test]
    fn what_the_receiver_says_is_what_the_delivery_meets() {
        let failed = |code, reason: &str, retry_after_ms, status| {
            let sent = Sent::Failed { code, reason: reason.to_owned() };
            (sent, Verdict::Failed(Failure { retry_after_ms, status, ..Failure::new(code, reason) }))
        };
        assert_eq!(judged(&answer(204, &[], ""), 0), (Sent::Delivered, Verdict::Ok));
        let wanted = failed(Code::WebhookStatus, "the receiver answered 503", Some(7_000), Some(503));
        assert_eq!(judged(&answer(503, &[("retry-after", "7")], ""), 0), wanted);
        let wanted = failed(Code::WebhookRedirect, "the receiver answered 302, to http://127.0.0.1/", None, Some(302));
        assert_eq!(judged(&answer(302, &[("location", "http://127.0.0.1/")], ""), 0), wanted);
        assert!(matches!(judged(&answer(410, &[], ""), 0).0, Sent::Gone { .. }));
        let none = NoAnswer { code: Code::AddressDenied, reason: "no".to_owned() };
        assert_eq!(judged(&Err(none), 0), failed(Code::AddressDenied, "no", None, None));
    }

    #[test]
    fn what_the_receiver_says_is_kept_with_the_attempt() {
        let mut details = Details::default();
        tell(&mut details, &answer(500, &[("retry-after", "7"), ("set-cookie", "x")], "broken"));
        let lines: Vec<_> = details.log.lines().map(|line| format!("{} {}", line.context, line.message)).collect();
        assert_eq!(lines, ["response 500", "response retry-after: 7", "response.body broken…"]);
    }
}
