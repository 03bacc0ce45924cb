//! Gives the events of a queue to Mixpanel, as many in one request as the host hands over in one call.
//!
//! Invariant: an event counts once there however often it is sent: `$insert_id` is the host's id of its delivery, the same for every attempt, and Mixpanel
//! knows an event again by that, its time, its name and its user together. So an event without a time is rejected: any other one would be another with
//! each attempt. An event that Mixpanel does not take for what it is is rejected by itself, and those beside it are taken. It never holds the
//! service account's secret: the host puts it into `Authorization`, for Mixpanel only.
//!
//! An event's type is the name that Mixpanel knows it by, its subject the user (`distinct_id`), and what its payload has, which is an object, the
//! properties.
//!
//! Config: `project` (its number), `api` (where Mixpanel is; `https://api.mixpanel.com` without it, `https://api-eu.mixpanel.com` for a project in the EU). The secret
//! is `USERNAME:SECRET` of a service account in Base64:
//!
//! ```toml
//! [tenants.acme.plugins.mixpanel]
//! component = "mixpanel_track.wasm"
//! config = { project = "1234567" }
//! grants = { http = ["POST https://api.mixpanel.com/import"], secrets = ["https://api.mixpanel.com authorization: Basic {secret:mixpanel}"] }
//! [tenants.acme.queues.tracked]
//! consumer = { plugin = "mixpanel", batch = 1000, window = "1s" }
//! ```

use std::time::Duration;

use jiff::Timestamp;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wharf::{Context, Failure, Item, Outcome, Outcomes, Response};

/// Where Mixpanel is.
const API: &str = "https://api.mixpanel.com";

/// How long to leave it alone when it took too much: as long as it documents.
const PAUSE: Duration = Duration::from_secs(60);

/// One event, as Mixpanel wants it.
#[derive(Debug, PartialEq, Serialize)]
struct Tracked {
    event: String,
    properties: Map<String, Value>,
}

/// What Mixpanel says of a request of which it did not take all.
#[derive(Deserialize)]
struct Said {
    error: Option<String>,
    #[serde(default)]
    failed_records: Vec<Failed>,
}

#[derive(Deserialize)]
struct Failed {
    index: usize,
    field: Option<String>,
    message: String,
}

/// What an event's payload has.
type Properties = Map<String, Value>;

#[wharf::batch_handler]
fn track(batch: Vec<Item<Properties>>, cx: &Context) -> Outcomes {
    let project = cx.config("project").ok_or_else(|| Failure::reject("config `project` is not set"))?;
    let api = cx.config("api").unwrap_or_else(|| API.to_owned());
    let tracked: Vec<_> = batch.into_iter().map(tracked).collect();
    let sent: Vec<_> = tracked.iter().flatten().collect();
    if sent.is_empty() {
        return Ok(tracked.into_iter().map(|it| it.map(drop)).collect());
    }
    let answer = cx.http().post(format!("{api}/import?strict=1&project_id={project}")).json(&sent).send()?;
    let mut came = outcomes(&answer, sent.len())?.into_iter();
    Ok(tracked.into_iter().map(|it| it.and_then(|_| came.next().unwrap_or(Ok(())))).collect())
}

/// An event as Mixpanel wants it. What its payload says of the properties that Mixpanel reserves for itself does not count.
fn tracked(item: Item<Properties>) -> Result<Tracked, Failure> {
    let insert_id = insert_id(item.delivery_id());
    let event = item.event;
    let mut properties = event.data;
    properties.insert("time".to_owned(), at_ms(event.time.as_deref())?.into());
    // Mixpanel's word for nobody in particular.
    properties.insert("distinct_id".to_owned(), event.subject.unwrap_or_default().into());
    properties.insert("$insert_id".to_owned(), insert_id.into());
    Ok(Tracked { event: event.kind, properties })
}

/// When an event was, in milliseconds since 1970.
fn at_ms(time: Option<&str>) -> Result<i64, Failure> {
    let time = time.and_then(|time| time.parse::<Timestamp>().ok()).map(Timestamp::as_millisecond);
    time.ok_or_else(|| Failure::reject("an event without a time cannot be known again by Mixpanel"))
}

/// An id as Mixpanel takes it: letters, digits and `-`.
fn insert_id(delivery: &str) -> String {
    delivery.chars().map(|char| if char.is_ascii_alphanumeric() { char } else { '-' }).collect()
}

/// What an answer means for so many events.
fn outcomes(answer: &Response, count: usize) -> Outcomes {
    let said = answer.json::<Said>().ok();
    match answer.status {
        200..300 => return Ok(vec![Ok(()); count]),
        400 if let Some(Said { failed_records, .. }) = &said
            && !failed_records.is_empty() =>
        {
            let outcome = |index| failed_records.iter().find(|failed| failed.index == index).map_or(Ok(()), refused);
            return Ok((0..count).map(outcome).collect());
        }
        _ => {}
    }
    let why = said.and_then(|said| said.error).map(|error| format!(": {error}")).unwrap_or_default();
    let said = format!("Mixpanel says {}{why}", answer.status);
    match answer.status {
        429 => Err(Failure::retry_after(PAUSE, said)),
        // What is too large is sent again in smaller parts: the host hands over fewer at a time. What is wrong with one alone is wrong with it for good.
        400 | 413 if count > 1 => Err(Failure::retry(said)),
        // The project or its account may be mended.
        401 | 403 | 404 | 408 | 500.. => Err(Failure::retry(said)),
        _ => Err(Failure::reject(said)),
    }
}

/// What one event is refused for.
fn refused(Failed { field, message, .. }: &Failed) -> Outcome {
    let field = field.as_ref().map(|field| format!(" ({field})")).unwrap_or_default();
    Err(Failure::reject(format_args!("Mixpanel does not take it: {message}{field}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(status: u16, body: &str) -> Outcomes {
        outcomes(&Response { status, headers: vec![], body: body.into() }, 3)
    }

    #[test]
    fn an_answer_means_what_mixpanel_documents() {
        assert_eq!(met(200, r#"{"code": 200, "num_records_imported": 3, "status": "OK"}"#), Ok(vec![Ok(()); 3]));
        let part = r#"{"code": 400, "error": "some data points in the request failed validation", "num_records_imported": 2,
            "failed_records": [{"index": 1, "insert_id": "1-0-0", "field": "properties.time", "message": "is too old"}]}"#;
        let said = "Mixpanel does not take it: is too old (properties.time)";
        assert_eq!(met(400, part), Ok(vec![Ok(()), Err(Failure::reject(said)), Ok(())]));
        let large = r#"{"code": 413, "error": "request exceeds max limit of 10485760 bytes", "status": "Request Entity Too Large"}"#;
        let said = "Mixpanel says 413: request exceeds max limit of 10485760 bytes";
        assert_eq!(met(413, large), Err(Failure::retry(said)));
        let alone = Response { status: 413, headers: vec![], body: large.into() };
        assert_eq!(outcomes(&alone, 1), Err(Failure::reject(said)));
        let busy = r#"{"code": 429, "error": "Project exceeded rate limits", "status": "Too Many Requests"}"#;
        let said = "Mixpanel says 429: Project exceeded rate limits";
        assert_eq!(met(429, busy), Err(Failure::retry_after(PAUSE, said)));
        assert_eq!(met(502, "sorry"), Err(Failure::retry("Mixpanel says 502")));
        assert_eq!(met(401, "{}"), Err(Failure::retry("Mixpanel says 401")));
    }

    #[test]
    fn an_event_was_when_it_says_and_is_none_without() {
        assert_eq!(at_ms(Some("2026-11-28T12:00:00.25+02:00")), Ok(1_795_860_000_250));
        assert!(at_ms(Some("yesterday")).is_err() && at_ms(None).is_err());
        assert_eq!(insert_id("12.3-4"), "12-3-4");
    }
}
