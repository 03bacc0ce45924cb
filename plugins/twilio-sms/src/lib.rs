//! Sends a text message by Twilio for each event, and publishes `sms.sent` with the id that Twilio gave it.
//!
//! Invariant: it never holds the account's token: the host puts it into `Authorization`, for Twilio only. A message that Twilio does not take for what
//! it is (a number that is none) is rejected; whatever may go away by itself is tried again.
//!
//! It does not wait until the message is on somebody's phone: Twilio tells that to a webhook of its own.
//!
//! Config: `account` (begins with `AC`), `from` (a number of that account), `api` (where Twilio is; `https://api.twilio.com` without it). The secret is
//! `ACCOUNT:TOKEN` in Base64:
//!
//! ```toml
//! grants = { publish = ["sms.sent"], http = ["POST https://api.twilio.com/2010-04-01/*"], secrets = ["https://api.twilio.com authorization: Basic {secret:twilio}"] }
//! ```

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wharf::{Context, Draft, Event, Failure, Outcome, Response};

/// Where Twilio is.
const API: &str = "https://api.twilio.com";

/// How long to leave it alone when it says that there were too many requests and not for how long.
const PAUSE: Duration = Duration::from_secs(10);

/// A message to be sent.
#[derive(Deserialize)]
struct Wanted {
    to: String,
    body: String,
}

/// What Twilio says of a message that it took.
#[derive(Deserialize)]
struct Taken {
    sid: String,
    status: String,
}

/// What it says of one that it did not take.
#[derive(Deserialize)]
struct Refused {
    code: Option<u32>,
    message: String,
}

#[derive(Serialize)]
struct Sent<'a> {
    to: &'a str,
    sid: String,
    status: String,
}

// Which requests is not said: where Twilio is may be configured.
wharf::needs! { publish = ["sms.sent"] }

#[wharf::handler]
fn twilio_sms(event: Event<Wanted>, cx: &Context) -> Outcome {
    let Wanted { to, body } = event.data;
    let set = |key: &str| cx.config(key).ok_or_else(|| Failure::reject(format_args!("config `{key}` is not set")));
    let (account, from) = (set("account")?, set("from")?);
    let api = cx.config("api").unwrap_or_else(|| API.to_owned());
    let request = cx.http().post(format!("{api}/2010-04-01/Accounts/{account}/Messages.json"));
    let answer = request.form(&[("To", &to), ("From", &from), ("Body", &body)]).send()?;
    let Taken { sid, status } = taken(&answer)?;
    // To whom is no matter of a log.
    cx.info(format_args!("{sid} is {status}"));
    cx.publish(Draft::new("sms.sent").subject(sid.clone()).json(&Sent { to: &to, sid, status })?)?;
    Ok(())
}

/// The message that Twilio took, or what its answer means for the event.
fn taken(answer: &Response) -> Result<Taken, Failure> {
    if answer.is_ok() {
        return Ok(answer.json()?);
    }
    let said = match answer.json::<Refused>() {
        Ok(Refused { code: Some(code), message }) => format!("Twilio says {}, {code}: {message}", answer.status),
        Ok(Refused { code: None, message }) => format!("Twilio says {}: {message}", answer.status),
        Err(_) => format!("Twilio says {}", answer.status),
    };
    match answer.status {
        429 => {
            let wait = answer.header("retry-after").and_then(|text| text.parse().ok());
            Err(Failure::retry_after(wait.map_or(PAUSE, Duration::from_secs), said))
        }
        // The account may be mended; the message will not be.
        401 | 403 | 404 | 408 | 500.. => Err(Failure::retry(said)),
        _ => Err(Failure::reject(said)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(status: u16, headers: &[(&str, &str)], body: &str) -> Result<String, Failure> {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        taken(&Response { status, headers, body: body.into() }).map(|taken| taken.sid)
    }

    #[test]
    fn an_answer_means_what_twilio_documents() {
        assert_eq!(met(201, &[], r#"{"sid": "SM1", "status": "queued", "more": 1}"#).unwrap(), "SM1");
        let wrong = r#"{"code": 21211, "message": "Invalid 'To' Phone Number", "status": 400}"#;
        let said = "Twilio says 400, 21211: Invalid 'To' Phone Number";
        assert_eq!(met(400, &[], wrong), Err(Failure::reject(said)));
        assert_eq!(met(503, &[], "sorry"), Err(Failure::retry("Twilio says 503")));
        let busy = met(429, &[("Retry-After", "7")], r#"{"code": 20429, "message": "Too Many Requests"}"#);
        assert_eq!(
            busy,
            Err(Failure::retry_after(Duration::from_secs(7), "Twilio says 429, 20429: Too Many Requests"))
        );
        assert_eq!(met(401, &[], "{}"), Err(Failure::retry("Twilio says 401")));
    }
}
