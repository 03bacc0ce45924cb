//! How the webhooks do: since when nothing but failures came, and how fast their attempts may begin.
//!
//! Invariant: a webhook is reported once for what is to be done about it; what was done shows in its control object, and is not asked for
//! again. All of it is in memory: since when one fails is written only where that is long already, so that a receiver that goes up and down
//! writes nothing, and a restart forgets little.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use wharf_event::{Code, Event, RuleName, TenantName, WebhookName};

use crate::{limits::WEBHOOK_FAILING_PARTS, webhooks::WebhookInForce};

/// Whose webhook it is, and which.
pub(crate) type WebhookKey = (TenantName, WebhookName);

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It was taken.
    Delivered,
    /// The receiver wants nothing any more.
    Gone { reason: String },
    /// It was not taken.
    Failed { code: Code, reason: String },
}

/// What is to be done about a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// It is to be disabled, and its tenant to be told.
    Disable { since_ms: u64, code: Code, reason: String },
    /// It is to be written since when it fails.
    Remember { since_ms: u64 },
    /// It is to be forgotten that it failed.
    Recover,
}

/// What has to be done about a webhook, with the event that showed it.
#[derive(Clone, Debug)]
pub(crate) struct News {
    pub(crate) webhook: WebhookKey,
    pub(crate) due: Due,
    /// The rule, or the subscription, that it was sent for.
    pub(crate) rule: RuleName,
    pub(crate) sample: Event,
}

#[derive(Debug, Default)]
struct One {
    failing_since_ms: Option<u64>,
    /// What was asked for last, until it shows.
    asked: Option<Asked>,
    /// Until when its receiver asks to be left alone, in milliseconds since 1970.
    alone_until_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Disable,
    Remember,
    Recover,
}

/// How all webhooks do.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<HashMap<WebhookKey, One>>);

impl Health {
    /// Takes in how an attempt ended, and says what is to be done about it.
    pub(crate) fn note(&self, key: &WebhookKey, webhook: &WebhookInForce, sent: Sent, now_ms: u64) -> Option<Due> {
        let object = &webhook.object;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sent == Sent::Delivered {
            let was_written = object.failing_since_ms.is_some();
            if !was_written && !all.contains_key(key) {
                return None;
            }
            let one = all.entry(key.clone()).or_default();
            let asked = std::mem::replace(&mut one.asked, was_written.then_some(Asked::Recover));
            one.failing_since_ms = None;
            return (was_written && asked != Some(Asked::Recover)).then_some(Due::Recover);
        }
        let one = all.entry(key.clone()).or_default();
        // What is written was before the success that is to take it away.
        let written = object.failing_since_ms.filter(|_| one.asked != Some(Asked::Recover));
        let since_ms = *one.failing_since_ms.get_or_insert(written.unwrap_or(now_ms).min(now_ms));
        let for_ms = now_ms.saturating_sub(since_ms);
        let after_ms = webhook.settings.disable_after_ms;
        let (asked, due) = match sent {
            Sent::Gone { reason } => (Asked::Disable, Due::Disable { since_ms, code: Code::WebhookGone, reason }),
            Sent::Failed { code, reason } if for_ms >= after_ms => {
                (Asked::Disable, Due::Disable { since_ms, code, reason })
            }
            _ if object.failing_since_ms.is_none() && for_ms >= after_ms / WEBHOOK_FAILING_PARTS => {
                (Asked::Remember, Due::Remember { since_ms })
            }
            _ => return None,
        };
        if one.asked == Some(asked) || object.disabled.is_some() {
            return None;
        }
        one.asked = Some(asked);
        Some(due)
    }

    /// What was asked for came about, and shows.
    pub(crate) fn done(&self, key: &WebhookKey) {
        if let Some(one) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(key) {
            one.asked = None;
        }
    }

    /// Its receiver asks to be left alone until a time: nothing else is sent to it before then either.
    pub(crate) fn leave_alone(&self, key: &WebhookKey, until_ms: u64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let one = all.entry(key.clone()).or_default();
        one.alone_until_ms = one.alone_until_ms.max(until_ms);
    }

    /// Until when it is to be left alone, if that is later than now.
    pub(crate) fn alone_until_ms(&self, key: &WebhookKey, now_ms: u64) -> Option<u64> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(key).map(|one| one.alone_until_ms).filter(|until_ms| *until_ms > now_ms)
    }

    /// Whether it is about to be disabled.
    pub(crate) fn is_ending(&self, key: &WebhookKey) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(key).is_some_and(|one| one.asked == Some(Asked::Disable))
    }

    /// It is on again, or what was asked for did not come about: everything begins anew.
    pub(crate) fn forget(&self, key: &WebhookKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

#[cfg(test)]
mod tests {
    use wharf_delivery::{WebhookDisabled, WebhookDocument, WebhookObject};
    use wharf_event::WebhookMode;

    use super::*;

    fn key() -> WebhookKey {
        ("acme".parse().unwrap(), "orders".parse().unwrap())
    }

    fn webhook(failing_since_ms: Option<u64>, is_off: bool) -> WebhookInForce {
        let settings = WebhookDocument {
            url: "https://example.com".to_owned(),
            mode: WebhookMode::default(),
            headers: Default::default(),
            timeout_ms: 1,
            concurrency: 1,
            per_s: None,
            backlog: None,
            breaker: None,
            networks: Vec::new(),
            disable_after_ms: 1_000,
        };
        let disabled = is_off.then(|| WebhookDisabled { at_ms: 0, code: None, reason: String::new() });
        let object = WebhookObject { failing_since_ms, disabled, ..WebhookObject::default() };
        WebhookInForce { object: object.into(), ..WebhookInForce::of_file(&settings) }
    }

    fn failed() -> Sent {
        Sent::Failed { code: Code::WebhookStatus, reason: "500".to_owned() }
    }

    #[test]
    fn one_that_does_nothing_but_fail_is_disabled_in_the_end_and_asked_for_once() {
        let (health, on) = (Health::default(), webhook(None, false));
        assert_eq!(health.note(&key(), &on, failed(), 5_000), None);
        assert_eq!(health.note(&key(), &on, failed(), 5_099), None);
        assert_eq!(health.note(&key(), &on, failed(), 5_100), Some(Due::Remember { since_ms: 5_000 }));
        assert_eq!(health.note(&key(), &on, failed(), 5_200), None, "it is being written");
        let written = webhook(Some(5_000), false);
        assert_eq!(health.note(&key(), &written, failed(), 5_999), None);
        let disable = Due::Disable { since_ms: 5_000, code: Code::WebhookStatus, reason: "500".to_owned() };
        assert_eq!(health.note(&key(), &written, failed(), 6_000), Some(disable.clone()));
        assert_eq!(health.note(&key(), &written, failed(), 6_001), None);
        assert_eq!(health.note(&key(), &webhook(Some(5_000), true), failed(), 6_002), None);
        // A restart forgets what was in memory.
        assert_eq!(Health::default().note(&key(), &written, failed(), 6_000), Some(disable));
    }

    #[test]
    fn one_success_is_enough_to_begin_anew() {
        let (health, on) = (Health::default(), webhook(None, false));
        health.note(&key(), &on, failed(), 5_000);
        assert_eq!(health.note(&key(), &on, Sent::Delivered, 5_050), None, "nothing was written");
        assert_eq!(health.note(&key(), &on, failed(), 5_140), None);
        let written = webhook(Some(5_000), false);
        assert_eq!(health.note(&key(), &written, Sent::Delivered, 5_900), Some(Due::Recover));
        assert_eq!(health.note(&key(), &written, Sent::Delivered, 5_901), None);
        assert_eq!(health.note(&key(), &written, failed(), 9_000), None, "it fails since now");
        assert_eq!(Health::default().note(&key(), &written, Sent::Delivered, 9_000), Some(Due::Recover));
    }

    #[test]
    fn one_that_is_gone_is_disabled_at_once() {
        let gone = Sent::Gone { reason: "410".to_owned() };
        let due = Health::default().note(&key(), &webhook(None, false), gone, 7);
        assert_eq!(due, Some(Due::Disable { since_ms: 7, code: Code::WebhookGone, reason: "410".to_owned() }));
    }

    #[test]
    fn one_that_asks_to_be_left_alone_is_until_the_latest_time_that_it_named() {
        let health = Health::default();
        health.leave_alone(&key(), 5_000);
        health.leave_alone(&key(), 4_000);
        assert_eq!(
            [4_500, 4_999, 5_000].map(|now_ms| health.alone_until_ms(&key(), now_ms)),
            [Some(5_000), Some(5_000), None]
        );
        health.forget(&key());
        assert_eq!(health.alone_until_ms(&key(), 0), None, "whoever enables it wants it to be tried");
    }

    #[test]
    fn what_came_about_holds_nothing_back_any_more() {
        let (health, gone) = (Health::default(), Sent::Gone { reason: "410".to_owned() });
        health.note(&key(), &webhook(None, false), gone, 7);
        assert!(health.is_ending(&key()));
        health.done(&key());
        assert!(!health.is_ending(&key()));
        assert_eq!(health.note(&key(), &webhook(Some(7), true), failed(), 9_000), None, "it is off");
    }
}
