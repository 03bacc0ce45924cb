//! What came, verified by programs of others: `tests/strangers/webhooks.py` and `webhooks.mjs`.
//!
//! Invariant: every request is verified by each program, and a forged one has to be refused by each of them, so that a program that takes
//! everything is no witness.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::receiver::Request;
use super::stories::STORIES;
use crate::guests::cargo;
use crate::host::Api;
use crate::strangers::tools::Tools;

/// What a webhook's requests are verified with: the secret of HMAC, and the public key.
#[derive(Serialize)]
pub struct Keys {
    secret: String,
    public: String,
}

/// Requests that were verified, by whom.
#[derive(Serialize)]
pub struct Verified {
    requests: usize,
    pypi_v1: usize,
    pypi_v1a: usize,
    npm_v1: usize,
    node_v1a: usize,
}

impl Verified {
    pub fn is_all(&self) -> bool {
        let counts = [self.pypi_v1, self.pypi_v1a, self.npm_v1, self.node_v1a];
        self.requests > 0 && counts.iter().all(|count| *count == self.requests)
    }

    pub fn line(&self) -> String {
        let Self { requests, pypi_v1, pypi_v1a, npm_v1, node_v1a } = self;
        format!(
            "of {requests} requests {pypi_v1} verified by standardwebhooks of PyPI and {npm_v1} by that of npm (v1), \
             {pypi_v1a} by cryptography and {node_v1a} by Node's crypto (v1a)"
        )
    }
}

/// Gives each webhook a secret of HMAC beside the key that it has: so each request carries a signature of either kind.
pub fn keys(api: &Api) -> Result<BTreeMap<&'static str, Keys>> {
    let mut keys = BTreeMap::new();
    for story in STORIES {
        let rotated: Value = api.act(&format!("/webhooks/{}/rotate", story.name), &json!({"overlap": "1d"}))?;
        let text = |pointer: &str| -> Result<String> {
            Ok(rotated.pointer(pointer).and_then(Value::as_str).with_context(|| format!("no {pointer}"))?.to_owned())
        };
        let (secret, public) = (text("/secret")?, text("/secrets/1/public")?);
        let shown: Value = api.read(&format!("/webhooks/{}", story.name))?;
        if shown.to_string().contains(&secret) {
            bail!("the secret is told again");
        }
        keys.insert(story.name, Keys { secret, public });
    }
    Ok(keys)
}

/// Has all of them verify what came.
pub fn verify(tools: &Tools, keys: &BTreeMap<&'static str, Keys>, requests: &[Request]) -> Result<Verified> {
    let scripts = cargo::repository().join("tests/strangers");
    let mut lines = String::new();
    for request in requests {
        let of =
            keys.get(request.path.trim_start_matches('/')).with_context(|| format!("a request to {}", request.path))?;
        let line = json!({"headers": request.headers, "body": request.body, "secret": of.secret, "public": of.public});
        lines += &(line.to_string() + "\n");
    }
    let python = said(Command::new(tools.webhooks_python()?.join("python")).arg(scripts.join("webhooks.py")), &lines)?;
    let package = tools.webhooks_npm()?;
    let node = said(Command::new("node").arg(scripts.join("webhooks.mjs")).arg(package), &lines)?;
    Ok(Verified {
        requests: requests.len(),
        pypi_v1: python.v1,
        pypi_v1a: python.v1a,
        npm_v1: node.v1,
        node_v1a: node.v1a,
    })
}

/// What a program says that it verified.
#[derive(Deserialize)]
struct Said {
    v1: usize,
    v1a: usize,
}

fn said(command: &mut Command, lines: &str) -> Result<Said> {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.with_context(|| format!("starting {command:?}"))?;
    child.stdin.take().context("its stdin")?.write_all(lines.as_bytes())?;
    let done = child.wait_with_output()?;
    if !done.status.success() {
        bail!("{command:?}: {}", done.status);
    }
    serde_json::from_slice(&done.stdout).with_context(|| format!("reading what {command:?} says"))
}
