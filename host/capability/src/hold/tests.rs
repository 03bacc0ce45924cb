//! Goal: what a plugin holds is in no text that is kept of its call. Method: an attempt without a guest, which was given a value; the ways that lead
//! past here have their tests beside them.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use wharf_delivery::{LimitsDocument, ReadKey};
use wharf_event::{BucketName, EventBuilder, Position};

use super::*;
use crate::{
    AttemptContext, CommittedValues, KeyPage, NoHttp, NoLlm, NoModels, Occasion, ReadFailed, Tape,
    limits::HELD_VALUES_MAX,
};

/// A value that is held.
pub(crate) const VALUE: &str = "whsec_0123456789abcdef";

struct NoValues;

impl CommittedValues for NoValues {
    fn value(&self, _: &TenantName, _: &BucketName, _: &str) -> Result<Option<(Position, Bytes)>, ReadFailed> {
        Ok(None)
    }

    fn keys(&self, _: &TenantName, _: &BucketName, _: Option<&str>, _: usize) -> Result<KeyPage, ReadFailed> {
        Ok(KeyPage::default())
    }

    fn is_taken(&self, _: &TenantName, _: &ReadKey) -> bool {
        false
    }
}

/// An attempt that was given this value, as `signing`.
pub(crate) fn holding(value: &str) -> Attempt {
    let event = EventBuilder::new("1", "/test", "test").build().unwrap();
    let context = AttemptContext {
        tenant: "acme".parse().unwrap(),
        plugin: "holder".parse().unwrap(),
        occasion: Occasion::Request("r1".into()),
        event: event.clone(),
        received: event,
        config: Arc::new(BTreeMap::new()),
        grants: Arc::new(Grants::default()),
        values: Arc::new(NoValues),
        http: Arc::new(NoHttp),
        llm: Arc::new(NoLlm),
        infer: Arc::new(NoModels),
        secrets: Arc::new(NoSecrets),
        time: "1970-01-01T00:00:00Z".to_owned(),
        clock_ms: None,
        tape: Tape::default(),
    };
    let attempt = Attempt::new(context, LimitsDocument::default());
    let value = Secret::new(value.as_bytes().to_vec());
    attempt.log.hide(|given| given.add(&"signing".parse().unwrap(), &value));
    attempt
}

#[test]
fn a_secret_that_was_given_is_in_no_text_whatever_else_was_given() {
    let name = |text: &str| text.parse::<SecretName>().unwrap();
    let mut given = Given::default();
    for (of, value) in [("old", "whsec_old_value"), ("new", "whsec_new_value"), ("new", "whsec_new_value")] {
        given.add(&name(of), &Secret::new(value.as_bytes().to_vec()));
    }
    assert_eq!(given.len(), 2);
    let told = |given: &Given, text: &str| given.redact(text, 1_000).into_owned();
    assert_eq!(told(&given, "of whsec_old_value and whsec_new_value"), "of [secret:old] and [secret:new]");
    assert_eq!(told(&given, "nothing of them"), "nothing of them");
    assert_eq!(format!("{given:?}"), r#"["old", "new"]"#);
    // One that has another in it is taken out whole.
    given.add(&name("longer"), &Secret::new(b"whsec_old_value.and.more".to_vec()));
    assert_eq!(told(&given, "whsec_old_value.and.more"), "[secret:longer]");
    assert_eq!(told(&given, "whsec_old_value.and"), "[secret:old].and");
}

#[test]
fn a_line_grows_by_no_more_than_its_names_however_the_values_are_made() {
    let attempt = holding(VALUE);
    for n in 0..12 {
        // Each is found in the name of every other one.
        let (name, value) =
            (format!("{}{n:02}", "a".repeat(61)).parse().unwrap(), Secret::new("a".repeat(8 + n).into()));
        attempt.log.hide(|given| given.add(&name, &value));
    }
    assert_eq!(attempt.log.redact("aaaaaaaa", 100), format!("[secret:{}00]", "a".repeat(61)));
    assert!(attempt.log.redact(&"a".repeat(1 << 20), 100).len() <= 9 * (100 + SECRET_BYTES_MAX));
}

#[test]
fn a_reason_is_cut_behind_a_secret_and_the_next_call_of_the_instance_does_not_show_it_either() {
    let mut attempt = holding(VALUE);
    let reason = format!("{}{VALUE}", "-".repeat(wharf_delivery::limits::ERROR_TEXT_BYTES_MAX - 4));
    let told = |attempt: &Attempt| attempt.redacted(Failure::new(Code::HandlerRetry, reason.clone())).reason;
    assert!(told(&attempt).ends_with("--[sec…"), "{}", told(&attempt));
    attempt.renew(attempt.context.clone());
    assert!(told(&attempt).ends_with("--[sec…"), "{}", told(&attempt));
    attempt.log.line(Level::Info, VALUE, VALUE).unwrap();
    let lines = attempt.log.take_tail();
    let told: Vec<_> = lines.lines().map(|line| (line.context.as_str(), line.message.as_str())).collect();
    assert_eq!(told, [("[secret:signing]", "[secret:signing]")]);
}

#[test]
fn an_instance_that_was_given_very_many_values_goes_on_to_no_other_call() {
    let attempt = holding(VALUE);
    let name: SecretName = "signing".parse().unwrap();
    let gives =
        |n: usize| attempt.log.hide(|given| given.add(&name, &Secret::new(format!("value of {n}").into_bytes())));
    (1..HELD_VALUES_MAX).for_each(gives);
    assert!(attempt.may_go_on());
    gives(HELD_VALUES_MAX);
    assert!(!attempt.may_go_on());
}

#[test]
fn what_is_recorded_has_no_value_in_it_however_json_spells_it_and_no_event_that_has_it() {
    let value = "whsec_\"quoted\"_0123";
    for (subject, held) in [("a subject".to_owned(), Holds::Elsewhere), (format!("of {value}"), Holds::InEvent)] {
        let mut attempt = holding(value);
        let tape = Tape::blank();
        attempt.context.tape = tape.clone();
        attempt.context.event = EventBuilder::new("1", "/test", "test").subject(subject).build().unwrap();
        let note = |part: String| tape.note(tape.begin(), || Call::of("f").asked("it", part));
        note(format!("it is {value}."));
        note(serde_json::json!({"it": value}).to_string());
        let _ = attempt.end();
        let taped = tape.take().unwrap();
        let parts = taped.calls.iter().map(|call| call.asked[0].part.clone()).collect::<Vec<_>>();
        assert_eq!(parts, ["it is [secret:signing].".into(), "{\"it\":\"[secret:signing]\"}".into()]);
        assert_eq!(taped.held, held);
    }
}
