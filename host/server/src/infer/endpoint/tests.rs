//! Goal: a model that somebody else runs is asked as often as its errors allow, with nothing that may not leave yet, and each error means what it says.
//! Method: an endpoint that answers what it is told to.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Mutex,
};

use futures_util::{FutureExt as _, future::BoxFuture};
use http::StatusCode;
use serde_json::{Value, json};
use wharf_egress::Takes;
use wharf_event::TenantName;
use wharf_infer::Values;

use super::*;
use crate::{config, models::Auth};

const CONFIG: &str = r#"
[llm.providers.aws]
kind = "sagemaker"
region = "eu-central-1"
secret = "aws"
[tenants.acme.models.fraud]
provider = "aws"
endpoint = "fraud-7"
[tenants.acme.models.rows]
provider = "aws"
endpoint = "xgb"
payload = "csv"
"#;

/// A status, the name of its error, and a body; or none of it.
type Answer = Result<(u16, &'static str, String), HttpFailed>;

/// Answers one by one, and keeps what came.
struct Script {
    answers: Mutex<VecDeque<Answer>>,
    came: Mutex<Vec<HttpRequest>>,
}

impl Sends for Script {
    fn send(&self, request: HttpRequest, auth: Auth) -> BoxFuture<'_, Result<HttpAnswer, HttpFailed>> {
        assert!(matches!(auth, Auth::Sign { service: "sagemaker", .. }), "{auth:?}");
        self.came.lock().unwrap().push(request);
        let next = self.answers.lock().unwrap().pop_front().expect("it is asked too often");
        async move {
            let (status, error, body) = next?;
            let headers = HeaderMap::from_iter([("x-amzn-errortype".parse().unwrap(), error.parse().unwrap())]);
            let status = StatusCode::from_u16(status).unwrap();
            Ok(HttpAnswer { status, headers, body: body.into(), took: Duration::ZERO })
        }
        .boxed()
    }

    fn stream<'a>(
        &'a self,
        _: HttpRequest,
        _: Auth,
        _: &'a mut dyn Takes,
    ) -> BoxFuture<'a, Result<HttpAnswer, HttpFailed>> {
        unreachable!("tensors come whole")
    }
}

/// Lets everything leave, or nothing.
struct Gate(bool);

impl Leaves for Gate {
    fn leave(&self, _: &TenantName) -> BoxFuture<'static, Result<BTreeMap<SecretName, String>, HttpFailed>> {
        let sealed = BTreeMap::from([("aws".parse().unwrap(), "v1.sealed".to_owned())]);
        let left = if self.0 { Ok(sealed) } else { Err(HttpFailed::new(Code::HttpUnreachable, "it stops")) };
        async { left }.boxed()
    }
}

/// Asks a model of the configuration, and gives what came of it and what was sent.
async fn asked(model: &str, gate: Gate, answers: Vec<Answer>) -> (Result<Inferred, InferFailed>, Vec<HttpRequest>) {
    let (config, problems) = config::read(CONFIG);
    assert_eq!(problems, []);
    let (mut wrong, tenant) = (Vec::new(), "acme".parse::<TenantName>().unwrap());
    let (models, _) = super::super::read(std::path::Path::new("."), &config.tenants[&tenant].own_models, &mut wrong);
    assert_eq!(wrong, []);
    let asks = Asks::new();
    asks.set(Arc::new(BTreeMap::from([(tenant.clone(), models)])));
    let there = asks.outside(&tenant, &model.parse().unwrap()).unwrap();
    let call = InferCall {
        tenant,
        plugin: "p".parse().unwrap(),
        occasion: "1.0.t".to_owned(),
        model: model.parse().unwrap(),
        inputs: vec![Tensor { name: "x".into(), shape: vec![2, 1], values: Values::F32(vec![1.0, 2.5]) }],
        trace: Some("00-1-2-01".to_owned()),
        timeout: Duration::from_secs(5),
        is_first: true,
    };
    let script = Script { answers: Mutex::new(answers.into()), came: Mutex::default() };
    let inferred = asks.ask_outside(there, call, (&script, &gate)).await;
    let counted = asks.meters().read().iter().map(|(_, of)| of.waited_us.counts.iter().sum::<u64>()).sum::<u64>();
    assert_eq!(counted, 1, "each question is counted once");
    assert!(script.answers.into_inner().unwrap().is_empty(), "it is asked too seldom");
    (inferred, script.came.into_inner().unwrap())
}

fn fine() -> Answer {
    let output = json!({"name": "y", "shape": [2], "datatype": "FP32", "data": [0.5, 0.75]});
    Ok((200, "", json!({ "outputs": [output] }).to_string()))
}

fn refusal(status: u16, name: &'static str) -> Answer {
    Ok((status, name, json!({"Message": "so it is"}).to_string()))
}

fn of_container(status: u16) -> Answer {
    let body = json!({"Message": "failed", "OriginalStatusCode": status, "OriginalMessage": "so it is"});
    Ok((424, "ModelError", body.to_string()))
}

#[tokio::test]
async fn an_endpoint_is_asked_with_tensors_and_gives_tensors() {
    let (inferred, came) = asked("fraud", Gate(true), vec![fine()]).await;
    let Inferred { outputs, version, spent } = inferred.unwrap();
    assert_eq!(outputs, [Tensor { name: "y".into(), shape: vec![2], values: Values::F32(vec![0.5, 0.75]) }]);
    assert_eq!((spent.version, spent.outside), (Some(version), true));
    let sent = &came[0];
    assert_eq!(sent.url, "https://runtime.sagemaker.eu-central-1.amazonaws.com/endpoints/fraud-7/invocations");
    assert_eq!(
        (&sent.headers["content-type"], &sent.headers["traceparent"]),
        (&"application/json".parse().unwrap(), &"00-1-2-01".parse().unwrap())
    );
    let tensor = json!({"name": "x", "shape": [2, 1], "datatype": "FP32", "data": [1.0, 2.5]});
    assert_eq!(serde_json::from_slice::<Value>(&sent.body).unwrap(), json!({ "inputs": [tensor] }));
    let (inferred, came) = asked("rows", Gate(true), vec![Ok((200, "", "0.5\n0.75\n".to_owned()))]).await;
    let outputs = inferred.unwrap().outputs;
    assert_eq!(
        outputs,
        [Tensor { name: "predictions".into(), shape: vec![2, 1], values: Values::F64(vec![0.5, 0.75]) }]
    );
    assert_eq!((&came[0].body[..], &came[0].headers["content-type"]), (&b"1.0\n2.5"[..], &"text/csv".parse().unwrap()));
}

#[tokio::test]
async fn what_has_too_much_to_do_is_asked_once_more_and_nothing_else_is() {
    let twice = [
        (refusal(400, "ThrottlingException"), Code::InferBusy),
        (refusal(503, "ServiceUnavailable"), Code::InferFailed),
        (of_container(500), Code::InferFailed),
        (Err(HttpFailed::new(Code::HttpUnreachable, "nobody is there")), Code::HttpUnreachable),
    ];
    for (answer, code) in twice {
        let (inferred, came) = asked("fraud", Gate(true), vec![answer.clone(), fine()]).await;
        assert!(inferred.is_ok() && came.len() == 2, "{answer:?}");
        let (inferred, _) = asked("fraud", Gate(true), vec![answer.clone(), answer.clone()]).await;
        assert_eq!(inferred.unwrap_err().code(), code, "{answer:?}");
    }
    let once = [
        (refusal(400, "ValidationError"), Code::InferFailed),
        (refusal(403, "AccessDeniedException"), Code::InferFailed),
        (of_container(400), Code::InferInvalid),
        (Ok((200, "", "no tensors".to_owned())), Code::InferFailed),
        (Err(HttpFailed::new(Code::HttpTimeout, "late")), Code::InferTimeout),
        (Err(HttpFailed::new(Code::SecretClosed, "no key")), Code::SecretClosed),
    ];
    for (answer, code) in once {
        let (inferred, _) = asked("fraud", Gate(true), vec![answer.clone()]).await;
        assert_eq!(inferred.unwrap_err().code(), code, "{answer:?}");
    }
}

#[tokio::test]
async fn nothing_is_sent_while_nothing_may_leave() {
    let (inferred, came) = asked("fraud", Gate(false), Vec::new()).await;
    assert_eq!((inferred.unwrap_err().code(), came.len()), (Code::HttpUnreachable, 0));
}
