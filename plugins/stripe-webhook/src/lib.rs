//! Takes in what Stripe sends to a webhook endpoint: each of its events becomes one of the bus, of the type `stripe.` and Stripe's own, such as
//! `stripe.payment_intent.succeeded`, with Stripe's event as it came for its payload.
//!
//! Invariant: nothing is taken in that is not signed by the endpoint's secret, over the bytes that came, within five minutes. Stripe is answered 200
//! when the event is durable, and sends it again otherwise; its id is that of Stripe's, so that what comes twice is there once, for as long as the host
//! knows duplicates. Stripe sends again for three days what it got no answer to: `wharf serve --dedup-window 73h` covers that, or whoever handles the
//! events looks at their ids, as Stripe advises.
//!
//! It does not look at what an event says, and no schema is held against what plugins bring: who handles it has its type.
//!
//! Config: `secret` (the secret's name; `stripe-signing` without it), `source` (the events' source; `stripe` without it: another one for each account,
//! where there are several). The secret is what Stripe shows as "Signing secret", `whsec_…`, as it is:
//!
//! ```toml
//! [tenants.acme.plugins.stripe-webhook]
//! component = "stripe_webhook.wasm"
//! grants = { publish = ["stripe.*"], hold = ["stripe-signing"] }
//!
//! [tenants.acme.routes."/hooks/stripe"]
//! plugin = "stripe-webhook"
//! methods = ["POST"]
//! ```

#[allow(dead_code, reason = "a request has more than this plugin looks at")]
mod proxy;
mod signature;

use std::time::UNIX_EPOCH;

use serde::Deserialize;
use wharf::{Context, Draft, PublishError};

use proxy::{Request, Response};

/// What the secret is called.
const SECRET: &str = "stripe-signing";

/// The source of the events.
const SOURCE: &str = "stripe";

/// What has to be known of one of Stripe's events, be it with what it is about (`data`) or thin, with a name of that (`related_object`).
#[derive(Deserialize)]
struct Sent {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    data: Option<Data>,
    related_object: Option<Object>,
}

impl Sent {
    /// The id of what it is about.
    fn subject(&mut self) -> Option<String> {
        let object = self.data.take().and_then(|data| data.object);
        object.or(self.related_object.take())?.id
    }
}

#[derive(Deserialize)]
struct Data {
    object: Option<Object>,
}

/// What the event is about. Some have no id, as a balance.
#[derive(Deserialize)]
struct Object {
    id: Option<String>,
}

// Which secret is not said: it may be configured.
wharf::needs! { publish = ["stripe.*"] }

/// Answers one request.
fn answer(request: &Request) -> Response {
    received(request, &Context::of_request()).unwrap_or_else(|refused| refused)
}

fn received(request: &Request, cx: &Context) -> Result<Response, Response> {
    if request.method != "POST" {
        return Err(Response::new(405, "events are sent by POST"));
    }
    let field = request.header("stripe-signature");
    let field = field.ok_or_else(|| Response::new(400, "there is no field stripe-signature, or more than one"))?;
    let name = cx.config("secret").unwrap_or_else(|| SECRET.to_owned());
    let secret = cx.secret(&name).map_err(|error| {
        cx.error(error);
        // Stripe sends it again for three days: time to keep the secret.
        Response::new(500, "the endpoint's secret cannot be had; the log says why")
    })?;
    let now = cx.now().duration_since(UNIX_EPOCH).unwrap_or_default();
    signature::verify(field, &request.body, secret.as_bytes(), now).map_err(|wrong| {
        cx.warn(format_args!("a request was refused: {}", wrong.told()));
        Response::new(400, wrong.told())
    })?;
    let mut sent: Sent = serde_json::from_slice(&request.body)
        .map_err(|error| Response::new(400, format!("this is none of Stripe's events: {error}")))?;
    let source = cx.config("source").unwrap_or_else(|| SOURCE.to_owned());
    let draft = Draft::new(format!("stripe.{}", sent.kind)).source(source);
    let draft = draft.data("application/json", request.body.clone());
    let draft = sent.subject().into_iter().fold(draft, Draft::subject);
    cx.receive(&sent.id, draft).map_err(|error| {
        cx.error(&error);
        // What is not granted may be; what is no event never will be.
        let status = if matches!(error, PublishError::Denied(_)) { 500 } else { 400 };
        Response::new(status, "the event cannot be taken in; the log says why")
    })?;
    Ok(Response::new(200, "received"))
}
