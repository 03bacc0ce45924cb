//! A tenant's dead-letter queues: read, edited, sent again, and let go of.
//!
//! Invariant: who sends again or lets go says exactly what is meant, one of `{"all": true}`, `{"ids": […]}`, `{"since": "…"}` and `{"where": {…}}`;
//! anything else moves nothing.
//! With `letters_per_s` the letters are sent at a rate, behind the answer.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use wharf_event::limits::EVENT_BYTES_MAX;
use wharf_event::{Code, QueueName, RuleName};

use crate::answer;
use crate::bodies::Sent;
use crate::body::{self, Bound};
use crate::gateway::Gateway;
use crate::limits::{ENVELOPE_BYTES_MAX, PAGE_ROWS_MAX, REDRIVE_BYTES_MAX, REDRIVE_IDS_MAX, REDRIVE_PER_S_MAX};
use crate::params::{Asked, PageQuery, Params, rows};
use crate::port::{Host, WhichLetters};
use crate::problem::{Failure, Problem};
use crate::view::LetterFilter;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RedriveBody {
    all: Option<bool>,
    ids: Option<Vec<String>>,
    since: Option<String>,
    #[serde(rename = "where")]
    filter: Option<LetterFilter>,
    #[serde(default)]
    dry_run: bool,
    letters_per_s: Option<u32>,
}

/// The query of a page of letters, or of their groups.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LettersQuery {
    limit: Option<u32>,
    after: Option<String>,
    rule: Option<RuleName>,
    target: Option<String>,
    code: Option<Code>,
    since: Option<String>,
    until: Option<String>,
    type_prefix: Option<String>,
    pattern: Option<String>,
}

impl LettersQuery {
    /// The page that is asked for, and the filter.
    fn parted(self) -> (Option<u32>, Option<String>, LetterFilter) {
        let Self { limit, after, rule, target, code, since, until, type_prefix, pattern } = self;
        (limit, after, LetterFilter { rule, target, code, since, until, type_prefix, pattern })
    }
}

/// `GET /v1/tenants/{tenant}/dlq`
pub(crate) async fn queues<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<PageQuery<QueueName>>,
) -> Result<Response, Failure> {
    let (tenant, limit) = (params.tenant()?, rows(query.limit)?);
    Ok(answer::json(&gateway.host.queues(&tenant, query.after, limit).await?))
}

/// `GET /v1/tenants/{tenant}/dlq/{queue}`
pub(crate) async fn list<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<LettersQuery>,
) -> Result<Response, Failure> {
    let (limit, after, filter) = query.parted();
    let (tenant, queue, limit) = (params.tenant()?, params.queue()?, rows(limit)?);
    Ok(answer::json(&gateway.host.letters(&tenant, &queue, filter, after, limit).await?))
}

/// `GET /v1/tenants/{tenant}/dlq/{queue}/groups`
pub(crate) async fn groups<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<LettersQuery>,
) -> Result<Response, Failure> {
    let (limit, after, filter) = query.parted();
    // Those of most letters come first, which is of use where most pages have all.
    let limit = rows(limit.or(Some(PAGE_ROWS_MAX)))?;
    Ok(answer::json(&gateway.host.groups(&params.tenant()?, &params.queue()?, filter, after, limit).await?))
}

/// `GET /v1/tenants/{tenant}/dlq/{queue}/{id}`
pub(crate) async fn show<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    let (tenant, queue) = (params.tenant()?, params.queue()?);
    Ok(answer::json(&gateway.host.letter(&tenant, &queue, params.text("id")).await?))
}

/// `PUT /v1/tenants/{tenant}/dlq/{queue}/{id}/event`
pub(crate) async fn edit<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let (tenant, queue) = (params.tenant()?, params.queue()?);
    body::must_be_json(&headers)?;
    let bytes = EVENT_BYTES_MAX + ENVELOPE_BYTES_MAX;
    let bound = Bound { bytes, code: Code::EventTooLarge, within: gateway.body_timeout };
    let changes = body::read(&headers, body, bound).await?;
    Ok(answer::json(&gateway.host.edit(&tenant, &queue, params.text("id"), changes).await?))
}

/// `POST /v1/tenants/{tenant}/dlq/{queue}/redrive`
pub(crate) async fn redrive<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let (tenant, queue) = (params.tenant()?, params.queue()?);
    body::must_be_json(&headers)?;
    let bound = Bound { bytes: REDRIVE_BYTES_MAX, code: Code::BatchTooLarge, within: gateway.body_timeout };
    match asked(&body::read(&headers, body, bound).await?)? {
        Wish::Now(which, dry_run) => Ok(answer::json(&gateway.host.redrive(&tenant, &queue, which, dry_run).await?)),
        Wish::Paced(filter, per_s) => {
            let begun = gateway.host.begin_redrive(&tenant, &queue, filter, per_s).await?;
            Ok(answer::json_as(StatusCode::ACCEPTED, "application/json", &begun))
        }
    }
}

/// `DELETE /v1/tenants/{tenant}/dlq/{queue}/{id}`
pub(crate) async fn remove<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    let (tenant, queue) = (params.tenant()?, params.queue()?);
    let which = WhichLetters::Ids(vec![params.text("id").to_owned()]);
    gateway.host.discard(&tenant, &queue, which, false).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /v1/tenants/{tenant}/dlq/{queue}/discard`
pub(crate) async fn discard<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let (tenant, queue) = (params.tenant()?, params.queue()?);
    body::must_be_json(&headers)?;
    let bound = Bound { bytes: REDRIVE_BYTES_MAX, code: Code::BatchTooLarge, within: gateway.body_timeout };
    let (which, dry_run, per_s) = which(&body::read(&headers, body, bound).await?)?;
    if per_s.is_some() {
        return Err(
            Problem::new(Code::QueryInvalid, "letters that are let go of have no `letters_per_s`".to_owned()).into()
        );
    }
    Ok(answer::json(&gateway.host.discard(&tenant, &queue, which, dry_run).await?))
}

/// `GET /v1/tenants/{tenant}/dlq/{queue}/redrive`
pub(crate) async fn redriving<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    Ok(answer::json(&gateway.host.paced_redrive(&params.tenant()?, &params.queue()?).await?))
}

/// `POST /v1/tenants/{tenant}/dlq/{queue}/redrive/cancel`
pub(crate) async fn cancel<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    Ok(answer::json(&gateway.host.cancel_redrive(&params.tenant()?, &params.queue()?).await?))
}

/// What is asked of a redrive.
enum Wish {
    /// These letters go before the answer; or are only counted.
    Now(WhichLetters, bool),
    /// These go so many a second, behind the answer.
    Paced(LetterFilter, u32),
}

fn asked(body: &[u8]) -> Result<Wish, Problem> {
    let invalid = |detail: &str| Problem::new(Code::QueryInvalid, detail.to_owned());
    let (which, dry_run, per_s) = which(body)?;
    let Some(per_s) = per_s else { return Ok(Wish::Now(which, dry_run)) };
    if dry_run {
        return Err(invalid("a dry run sends nothing, so it has no `letters_per_s`"));
    }
    if !(1..=REDRIVE_PER_S_MAX).contains(&per_s) {
        return Err(invalid(&format!("`letters_per_s`: from 1 to {REDRIVE_PER_S_MAX}")));
    }
    match which {
        WhichLetters::All => Ok(Wish::Paced(LetterFilter::default(), per_s)),
        WhichLetters::Where(filter) => Ok(Wish::Paced(filter, per_s)),
        WhichLetters::Ids(_) => Err(invalid("`letters_per_s` goes with `all`, `since` or `where`: ids go all at once")),
    }
}

fn which(body: &[u8]) -> Result<(WhichLetters, bool, Option<u32>), Problem> {
    let invalid = |detail: String| Problem::new(Code::QueryInvalid, detail);
    let asked: RedriveBody = serde_json::from_slice(body).map_err(|error| invalid(error.to_string()))?;
    let (dry_run, per_s) = (asked.dry_run, asked.letters_per_s);
    let which = match asked {
        RedriveBody { all: Some(true), ids: None, since: None, filter: None, .. } => WhichLetters::All,
        RedriveBody { all: None, ids: None, since: Some(since), filter: None, .. } => {
            WhichLetters::Where(LetterFilter { since: Some(since), ..LetterFilter::default() })
        }
        RedriveBody { all: None, ids: None, since: None, filter: Some(filter), .. } if !filter.is_empty() => {
            WhichLetters::Where(filter)
        }
        RedriveBody { all: None, ids: Some(ids), since: None, filter: None, .. } => match ids.len() {
            1..=REDRIVE_IDS_MAX => WhichLetters::Ids(ids),
            count => return Err(invalid(format!("there are {count} ids; name between 1 and {REDRIVE_IDS_MAX}"))),
        },
        RedriveBody { .. } => {
            let ways = r#"{"all": true}, {"ids": ["…"]}, {"since": "…"} or {"where": {…}} with a condition"#;
            return Err(invalid(format!("say either {ways}")));
        }
    };
    Ok((which, dry_run, per_s))
}
