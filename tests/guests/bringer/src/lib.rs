//! Answers requests, and publishes and stores for them what their paths say, so that a test can see what is kept of it.
//!
//! Invariant: each path does something first (an event, a key) and then ends as its name says.

// The glue of the plugin that does this for a living.
#[allow(dead_code, reason = "a request has more than this guest looks at")]
#[path = "../../../../plugins/stripe-webhook/src/proxy.rs"]
mod proxy;

use wharf::{Context, Draft};

use proxy::{Request, Response};

fn answer(request: &Request) -> Response {
    let cx = Context::of_request();
    done(&cx, request).unwrap_or_else(|problem| Response::new(400, problem))
}

fn done(cx: &Context, request: &Request) -> Result<Response, String> {
    let (path, query) = request.path_with_query.split_once('?').unwrap_or((&request.path_with_query, ""));
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let way = path.rsplit('/').next().unwrap_or_default();
    match way {
        // Reads, lets others have their turn, and writes what follows.
        "next" => {
            let before = cx.kv().get_json::<u64>("next").map_err(|error| text(&error))?.unwrap_or_default();
            pause();
            cx.kv().set("next", (before + 1).to_string()).map_err(|error| text(&error))?;
            return Ok(Response::new(200, (before + 1).to_string()));
        }
        "look" => {
            let there = cx.kv().get("count").map_err(|error| text(&error))?;
            return Ok(Response::new(200, String::from_utf8_lossy(&there.unwrap_or_default())));
        }
        "receive" => {
            let draft = Draft::new("brought").source("outside").data("application/json", request.body.quoted());
            cx.receive(query, draft).map_err(|error| text(&error))?;
            cx.kv().add("received", 1).map_err(|error| text(&error))?;
            return Ok(Response::new(200, "received"));
        }
        "many" => {
            let many: usize = query.parse().map_err(|error| text(&error))?;
            for _ in 0..many {
                cx.publish(Draft::new("brought")).map_err(|error| text(&error))?;
            }
            return Ok(Response::new(200, "published"));
        }
        _ => {}
    }
    cx.publish(Draft::new("brought").subject(way).data("application/json", request.body.quoted()))
        .map_err(|error| text(&error))?;
    cx.kv().add("count", 1).map_err(|error| text(&error))?;
    match way {
        "done" => Ok(Response::new(200, "done")),
        "refuse" => Ok(Response::new(422, "refused, and kept")),
        "fail" => Ok(Response::new(500, "failed")),
        "large" => Ok(Response::new(200, "x".repeat(100_000))),
        "larger" => Ok(Response::new(200, "x".repeat((1 << 20) + 1))),
        "trap" => std::process::abort(),
        "number" => {
            cx.kv().set("count", "none").map_err(|error| text(&error))?;
            Ok(Response::new(200, "no number any more"))
        }
        _ => Err("no such way".to_owned()),
    }
}

/// Waits a while, in which others run.
fn pause() {
    wasip2::clocks::monotonic_clock::subscribe_duration(300_000_000).block();
}

/// A body as a text in JSON; those of the tests need no escape.
trait Quoted {
    fn quoted(&self) -> String;
}

impl Quoted for Vec<u8> {
    fn quoted(&self) -> String {
        format!("\"{}\"", String::from_utf8_lossy(self))
    }
}
