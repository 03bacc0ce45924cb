//! Amazon SageMaker's runtime, as its service model has it: InvokeEndpoint and InvokeEndpointWithResponseStream. A container takes OpenAI's chat
//! completions and embeddings at `/invocations`, as those for language models do; tensors of the Open Inference Protocol, as Triton does; and rows of
//! numbers, as XGBoost's does. Of tensors and rows it gives the sum of each row.
//!
//! The endpoint `gone` is none, `busy` takes nothing more, of `fails-503` and the like the container answers that status, `slow` takes its time, and all
//! others are there.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    http::{Answer, Heard, Streamed},
    openai, sigv4, streams,
};

/// How long an endpoint takes that takes its time.
const SLOW: Duration = Duration::from_secs(5);

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
    if endpoint == "slow" {
        std::thread::park_timeout(SLOW);
    }
    let said = match endpoint.strip_prefix("fails-").and_then(|status| status.parse().ok()) {
        Some(status) => Answer::new(status, json!({"error": "as it was told"})),
        None => contained(heard, &body, number),
    };
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
    if kind == "text/csv" {
        return csv(&String::from_utf8_lossy(&heard.body));
    }
    if kind != "application/json" {
        return Answer::new(
            415,
            json!({"error": {"message": format!("Unsupported media type: {kind}"), "type": "invalid_request_error", "code": 415}}),
        );
    }
    match body {
        body if body["messages"].is_array() => openai::chat(body, number),
        body if body["inputs"].is_array() => tensors(body),
        body => openai::embeddings(body),
    }
}

/// The sum of each row of numbers, a line each.
fn csv(rows: &str) -> Answer {
    let number = |word: &str| word.trim().parse::<f64>().ok();
    let sum = |row: &str| row.split(',').map(number).sum::<Option<f64>>();
    let Some(sums) = rows.lines().map(sum).collect::<Option<Vec<_>>>() else {
        return Answer::new(415, json!("Loading csv data failed with Exception, please ensure data is in csv format"));
    };
    let mut answer = Answer::new(200, Value::Null);
    let lines: String = sums.iter().map(|sum| format!("{sum}\n")).collect();
    answer.streamed = Some(Streamed { kind: "text/csv", pieces: vec![lines.into_bytes()], breaks: false });
    answer
}

/// The sum of each row of the first tensor, of the same kind.
fn tensors(body: &Value) -> Answer {
    let invalid = |why: &str| Answer::new(400, json!({ "error": why }));
    let input = &body["inputs"][0];
    let shape: Vec<usize> = serde_json::from_value(input["shape"].clone()).unwrap_or_default();
    let data: Vec<f64> = serde_json::from_value(input["data"].clone()).unwrap_or_default();
    let [rows, columns] = *shape.as_slice() else {
        return invalid("unexpected shape for input 'x' for model 'sum'. Expected [-1,-1]");
    };
    if input["name"] != "x" || data.len() != rows * columns || columns == 0 {
        return invalid("unexpected inference input for model 'sum'");
    }
    let sums = data.chunks(columns).map(|row| row.iter().sum::<f64>());
    let sums: Vec<Value> = match input["datatype"].as_str() {
        Some("FP32" | "FP64") => sums.map(|sum| json!(sum)).collect(),
        #[allow(clippy::cast_possible_truncation, reason = "tests have small numbers")]
        Some("INT32" | "INT64") => sums.map(|sum| json!(sum as i64)).collect(),
        _ => return invalid("inference input 'x' has another data-type than model 'sum' expects"),
    };
    let output = json!({"name": "y", "datatype": input["datatype"], "shape": [rows, 1], "data": sums});
    Answer::new(200, json!({"model_name": "sum", "model_version": "1", "outputs": [output]}))
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
