//! Answers requests: greets whoever says a name. `proxy.rs` has what is the same for every such plugin.

mod proxy;

use serde::{Deserialize, Serialize};

use proxy::{Request, Response};

#[derive(Deserialize)]
struct Caller {
    name: String,
}

#[derive(Serialize)]
struct Greeting {
    greeting: String,
}

/// Answers one request. Each has a fresh instance of its own: what is kept in memory is gone with it.
fn answer(request: Request) -> Response {
    match (request.method.as_str(), request.path()) {
        ("GET", "/") => Response::text(200, "POST a name to /greet"),
        ("POST", "/greet") => match serde_json::from_slice::<Caller>(&request.body) {
            Ok(Caller { name }) => Response::json(200, &Greeting { greeting: format!("Hello, {name}!") }),
            Err(error) => Response::text(400, &format!("that is no caller: {error}")),
        },
        _ => Response::text(404, "there is nothing here"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: &str, path: &str, body: &str) -> (u16, String) {
        let response = answer(Request { method: method.into(), path_with_query: path.into(), body: body.into() });
        (response.status, String::from_utf8(response.body).unwrap())
    }

    #[test]
    fn whoever_says_a_name_is_greeted() {
        assert_eq!(ask("POST", "/greet?loudly", r#"{"name": "Ada"}"#), (200, r#"{"greeting":"Hello, Ada!"}"#.into()));
        assert_eq!(ask("POST", "/greet", "Ada").0, 400);
        assert_eq!(ask("GET", "/elsewhere", "").0, 404);
    }
}
