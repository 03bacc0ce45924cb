//! Batches: one bad event does not spoil the others, and the limits are the whole batch's.

use bytes::Bytes;
use expect_test::{Expect, expect};
use wharf_event::{
    batch_from_json,
    limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX},
};

use crate::told;

const GOOD: &str = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"a": 1}}"#;

fn refused(json: impl Into<Bytes>, wanted: Expect) {
    wanted.assert_eq(&told(&batch_from_json(&json.into()).unwrap_err()));
}

#[test]
fn each_event_of_a_batch_stands_for_itself() {
    let json = Bytes::from(format!(" [ {GOOD}, 7, {GOOD} ,{{\"id\":\"1\",\"id\":\"1\"}}, null ] "));
    let results: Vec<_> = batch_from_json(&json)
        .unwrap()
        .into_iter()
        .map(|result| result.map_or_else(|error| error.code().to_string(), |event| event.id().to_owned()))
        .collect();
    assert_eq!(results, ["1", "event-json", "1", "event-json", "event-json"]);
    assert_eq!(batch_from_json(&Bytes::from_static(b"[]")).unwrap().len(), 0);
}

#[test]
fn what_is_no_batch_is_refused_as_a_whole() {
    refused(
        "",
        expect!["batch-invalid: the batch is not a JSON array of events: EOF while parsing a value at line 1 column 0"],
    );
    refused(
        GOOD,
        expect![
            "batch-invalid: the batch is not a JSON array of events: invalid type: map, expected a JSON array at line 1 column 0"
        ],
    );
    refused(
        format!("[{GOOD},"),
        expect![
            "batch-invalid: the batch is not a JSON array of events: EOF while parsing a value at line 1 column 73"
        ],
    );
    refused(
        format!("[{GOOD}]]"),
        expect!["batch-invalid: the batch is not a JSON array of events: trailing characters at line 1 column 74"],
    );
    refused(
        &b"[\"\xff\"]"[..],
        expect![
            "batch-invalid: the batch is not a JSON array of events: invalid unicode code point at line 1 column 3"
        ],
    );
}

#[test]
fn a_batch_may_be_as_large_as_the_limits_and_no_larger() {
    let many = |count: usize| Bytes::from(format!("[{}]", vec![GOOD; count].join(",")));
    assert_eq!(batch_from_json(&many(BATCH_EVENTS_MAX)).unwrap().len(), BATCH_EVENTS_MAX);
    refused(
        many(BATCH_EVENTS_MAX + 1),
        expect!["batch-too-large: the batch has 1001 events, at most 1000 are allowed; send several batches"],
    );
    let padded = |bytes: usize| Bytes::from(format!("[{GOOD}{}]", " ".repeat(bytes - GOOD.len() - 2)));
    assert_eq!(batch_from_json(&padded(BATCH_BYTES_MAX)).unwrap().len(), 1);
    refused(
        padded(BATCH_BYTES_MAX + 1),
        expect!["batch-too-large: the batch has 8388609 bytes, at most 8388608 are allowed; send several batches"],
    );
}
