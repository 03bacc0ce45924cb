//! Amazon SageMaker's runtime, as its service model has it: InvokeEndpoint and InvokeEndpointWithResponseStream, of endpoints whose container takes
//! OpenAI's chat completions and embeddings at `/invocations`, as those for language models do.
//!
//! The endpoint `gone` is none, `busy` takes nothing more, and all others are there.

use serde_json::{Value, json};

use crate::{
    http::{Answer, Heard},
    openai, sigv4, streams,
};

/// Bytes of a request's body.
const BODY_BYTES: usize = 6 << 20;

/// Whether a request is for it.
pub(crate) fn is_for(heard: &Heard) -> bool {
    heard.target.starts_with("/endpoints/")
}

fn error(status: u16, kind: &str, body: Value) -> Answer {
    let mut answer = Answer::new(status, body);
    answer.headers.push(("x-amzn-errortype", kind.to_owned()));
    answer
}

pub(crate) fn answer(heard: &Heard, number: u64) -> Answer {
    if let Some((kind, why)) = sigv4::wrong(heard, "sagemaker") {
        return error(403, kind, json!({"message": why}));
    }
    let mut parts = heard.target.trim_start_matches("/endpoints/").splitn(2, '/');
    let (endpoint, operation) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    match endpoint {
        "gone" => {
            let why = "Endpoint gone of account 123456789012 not found.";
            return error(400, "ValidationError", json!({"Message": why}));
        }
        "busy" => return error(400, "ThrottlingException", json!({"message": "Rate exceeded"})),
        _ => {}
    }
    if heard.body.len() > BODY_BYTES {
        let why = "1 validation error detected: Value at 'body' failed to satisfy constraint: Member must have length less than or equal to 6291456";
        return error(400, "ValidationError", json!({"Message": why}));
    }
    let body = heard.json();
    let said = contained(heard, &body, number);
    match operation {
        _ if said.status != 200 => failed(&said),
        "invocations" => said,
        "invocations-response-stream" => streams::sagemaker(&body, said),
        _ => error(404, "UnknownOperationException", json!({})),
    }
}

/// What the container answers.
fn contained(heard: &Heard, body: &Value, number: u64) -> Answer {
    let kind = heard.header("content-type").unwrap_or_default();
    if kind != "application/json" {
        return Answer::new(415, json!({"error": {"message": format!("Unsupported media type: {kind}"), "type": "invalid_request_error", "code": 415}}));
    }
    if body["messages"].is_array() { openai::chat(body, number) } else { openai::embeddings(body) }
}

/// What a container answered that was no success, as the endpoint tells it.
fn failed(said: &Answer) -> Answer {
    let (status, words) = (said.status, said.body.to_string());
    let whose = if status < 500 { "client" } else { "server" };
    let account = "https://eu-central-1.console.aws.amazon.com/cloudwatch/home";
    let message = format!(
        "Received {whose} error ({status}) from primary with message \"{words}\". See {account} in account 123456789012 for more information."
    );
    let body = json!({
        "ErrorCode": format!("{}_ERROR_FROM_MODEL", whose.to_uppercase()),
        "LogStreamArn": "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/sagemaker/Endpoints/llama",
        "Message": message,
        "OriginalMessage": words,
        "OriginalStatusCode": status,
    });
    error(424, "ModelError", body)
}
