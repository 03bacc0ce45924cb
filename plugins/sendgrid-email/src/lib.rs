//! Sends a mail by SendGrid for each event, and publishes `email.sent` with the id that SendGrid gave it.
//!
//! Invariant: it never holds the account's key: the host puts it into `Authorization`, for SendGrid only. A mail that SendGrid does not take for what it is
//! (an address that is none) is rejected; whatever may go away by itself is tried again.
//!
//! SendGrid knows no idempotency keys: a mail goes twice where it took one and its answer was lost. It does not wait until the mail is
//! delivered: SendGrid tells that to a webhook of its own, where the custom argument `delivery` is the host's id of this delivery.
//!
//! Config: `from` (an address that SendGrid knows as a sender), `from_name`, `api` (where SendGrid is; `https://api.sendgrid.com` without it). The secret
//! is an API key that may send mail:
//!
//! ```toml
//! grants = { publish = ["email.sent"], http = ["POST https://api.sendgrid.com/v3/mail/send"], secrets = ["https://api.sendgrid.com authorization: Bearer {secret:sendgrid}"] }
//! ```

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use wharf::{Context, Draft, Event, Failure, Outcome, Response};

/// Where SendGrid is.
const API: &str = "https://api.sendgrid.com";

/// How long to leave it alone when it says that there were too many requests and not until when.
const PAUSE: Duration = Duration::from_secs(10);

/// A mail to be sent, as text, HTML, or both.
#[derive(Deserialize)]
struct Wanted {
    to: String,
    subject: String,
    text: Option<String>,
    html: Option<String>,
    reply_to: Option<String>,
}

/// Somebody's address, as SendGrid wants it.
#[derive(Serialize)]
struct Address<'a> {
    email: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

#[derive(Serialize)]
struct Personalization<'a> {
    to: [Address<'a>; 1],
    custom_args: Custom<'a>,
}

#[derive(Serialize)]
struct Custom<'a> {
    delivery: &'a str,
}

#[derive(Serialize)]
struct Content<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    value: &'a str,
}

/// The body of `POST /v3/mail/send`.
#[derive(Serialize)]
struct Mail<'a> {
    personalizations: [Personalization<'a>; 1],
    from: Address<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<Address<'a>>,
    subject: &'a str,
    content: Vec<Content<'a>>,
}

/// What SendGrid says of a mail that it did not take.
#[derive(Deserialize)]
struct Refused {
    errors: Vec<Mistake>,
}

#[derive(Deserialize)]
struct Mistake {
    message: String,
    field: Option<String>,
}

#[derive(Serialize)]
struct Sent<'a> {
    to: &'a str,
    id: &'a str,
}

// Which requests is not said: where SendGrid is may be configured.
wharf::needs! { publish = ["email.sent"] }

#[wharf::handler]
fn sendgrid_email(event: Event<Wanted>, cx: &Context) -> Outcome {
    let wanted = event.data;
    let from = cx.config("from").ok_or_else(|| Failure::reject("config `from` is not set"))?;
    let name = cx.config("from_name");
    let mail = mail(&wanted, Address { email: &from, name: name.as_deref() }, cx.delivery_id())?;
    let api = cx.config("api").unwrap_or_else(|| API.to_owned());
    let answer = cx.http().post(format!("{api}/v3/mail/send")).json(&mail).send()?;
    let id = taken(&answer, cx.now())?;
    // To whom is no matter of a log.
    cx.info(format_args!("{id} is taken"));
    cx.publish(Draft::new("email.sent").subject(id.clone()).json(&Sent { to: &wanted.to, id: &id })?)?;
    Ok(())
}

/// The mail as SendGrid wants it: text before HTML.
fn mail<'a>(wanted: &'a Wanted, from: Address<'a>, delivery: &'a str) -> Result<Mail<'a>, Failure> {
    let part = |kind, value: &'a Option<String>| value.as_deref().map(|value| Content { kind, value });
    let content: Vec<_> =
        [part("text/plain", &wanted.text), part("text/html", &wanted.html)].into_iter().flatten().collect();
    if content.is_empty() {
        return Err(Failure::reject("a mail needs `text`, `html` or both"));
    }
    let to = [Address { email: &wanted.to, name: None }];
    Ok(Mail {
        personalizations: [Personalization { to, custom_args: Custom { delivery } }],
        from,
        reply_to: wanted.reply_to.as_deref().map(|email| Address { email, name: None }),
        subject: &wanted.subject,
        content,
    })
}

/// The id of the mail that SendGrid took, or what its answer means for the event.
fn taken(answer: &Response, now: SystemTime) -> Result<String, Failure> {
    if answer.is_ok() {
        return Ok(answer.header("x-message-id").unwrap_or("unnamed").to_owned());
    }
    let mistakes = answer.json::<Refused>().map(|refused| refused.errors).unwrap_or_default();
    let said = mistakes.iter().fold(format!("SendGrid says {}", answer.status), |said, Mistake { message, field }| {
        let field = field.as_ref().map(|field| format!(" ({field})")).unwrap_or_default();
        format!("{said}: {message}{field}")
    });
    match answer.status {
        429 => Err(Failure::retry_after(until(answer, now).unwrap_or(PAUSE), said)),
        // The account may be mended; the mail will not be.
        401 | 403 | 404 | 405 | 408 | 500.. => Err(Failure::retry(said)),
        _ => Err(Failure::reject(said)),
    }
}

/// How long it is until the second in which SendGrid takes more.
fn until(answer: &Response, now: SystemTime) -> Option<Duration> {
    let reset = answer.header("x-ratelimit-reset")?.parse().ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(reset))?.duration_since(now).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(status: u16, headers: &[(&str, &str)], body: &str) -> Result<String, Failure> {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        taken(&Response { status, headers, body: body.into() }, UNIX_EPOCH + Duration::from_secs(1_000))
    }

    #[test]
    fn an_answer_means_what_sendgrid_documents() {
        assert_eq!(met(202, &[("X-Message-Id", "m1")], ""), Ok("m1".to_owned()));
        let wrong =
            r#"{"errors": [{"message": "Does not contain a valid address.", "field": "from.email", "help": null}]}"#;
        let said = "SendGrid says 400: Does not contain a valid address. (from.email)";
        assert_eq!(met(400, &[], wrong), Err(Failure::reject(said)));
        let unknown = r#"{"errors": [{"message": "authorization required", "field": null}]}"#;
        assert_eq!(met(401, &[], unknown), Err(Failure::retry("SendGrid says 401: authorization required")));
        assert_eq!(met(500, &[], "sorry"), Err(Failure::retry("SendGrid says 500")));
        let busy = met(429, &[("X-RateLimit-Reset", "1007")], "{}");
        assert_eq!(busy, Err(Failure::retry_after(Duration::from_secs(7), "SendGrid says 429")));
        for header in ["999", "soon"] {
            let busy = met(429, &[("X-RateLimit-Reset", header)], "{}");
            assert_eq!(busy, Err(Failure::retry_after(PAUSE, "SendGrid says 429")), "{header}");
        }
    }

    #[test]
    fn a_mail_is_text_before_html_and_never_nothing() {
        let wanted = |text: Option<&str>, html: Option<&str>| Wanted {
            to: "ada@example.com".to_owned(),
            subject: "Hello".to_owned(),
            text: text.map(str::to_owned),
            html: html.map(str::to_owned),
            reply_to: None,
        };
        let from = || Address { email: "shop@example.com", name: Some("Shop") };
        let both = wanted(Some("hi"), Some("<p>hi</p>"));
        let made = serde_json::to_value(mail(&both, from(), "1.0-0").unwrap()).unwrap();
        let expected = serde_json::json!({
            "personalizations": [{"to": [{"email": "ada@example.com"}], "custom_args": {"delivery": "1.0-0"}}],
            "from": {"email": "shop@example.com", "name": "Shop"}, "subject": "Hello",
            "content": [{"type": "text/plain", "value": "hi"}, {"type": "text/html", "value": "<p>hi</p>"}],
        });
        assert_eq!(made, expected);
        assert!(mail(&wanted(None, None), from(), "1.0-0").is_err());
    }
}
