//! The host's API of plugins, as far as the benchmarks need it: releases are uploaded, promoted and tried out.

use std::time::Duration;

use anyhow::{Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Api;
use crate::interrupt::Interrupt;
use crate::poll;

/// How long a release may take until it is ready.
const READY_S_MAX: Duration = Duration::from_secs(120);

/// A plugin, as far as it is looked at.
#[derive(Debug, Deserialize)]
pub struct Plugin {
    /// The one on trial.
    pub canary: Option<Value>,
    /// What happened.
    pub history: Vec<Entry>,
}

/// One change of a plugin's channels.
#[derive(Debug, Deserialize)]
pub struct Entry {
    /// What was done.
    pub action: String,
    /// Whose word it was.
    pub cause: String,
}

impl Api {
    /// Uploads a component as a release of a plugin, waits until it is ready, and gives its digest.
    pub fn upload(&self, plugin: &str, wasm: &[u8], interrupt: &Interrupt) -> Result<String> {
        self.begin_upload(plugin, wasm)?;
        poll::until("a release to be ready", READY_S_MAX, interrupt, || {
            Ok(self.is_ready(plugin, wasm)?.then_some(()))
        })?;
        Ok(format!("sha256:{}", sha256(wasm)))
    }

    /// Uploads a component as a release of a plugin.
    pub fn begin_upload(&self, plugin: &str, wasm: &[u8]) -> Result<()> {
        self.put(&format!("/plugins/{plugin}/releases/{}", sha256(wasm)), "application/wasm", wasm)
    }

    /// Whether a component that was uploaded is ready to run. One that is unfit, or lacks a grant, is an error.
    pub fn is_ready(&self, plugin: &str, wasm: &[u8]) -> Result<bool> {
        let release: Value = self.get(&format!("/plugins/{plugin}/releases/{}", sha256(wasm)))?;
        match release.get("state").and_then(Value::as_str) {
            Some("ready") => Ok(true),
            Some("failed" | "needs-grant") => bail!("a release cannot be promoted: {release}"),
            _ => Ok(false),
        }
    }

    /// Puts the settings of a plugin.
    pub fn settings(&self, plugin: &str, settings: &Value) -> Result<()> {
        self.put(&format!("/plugins/{plugin}"), "application/json", settings.to_string().as_bytes())
    }

    /// Makes a rule for events of one type.
    pub fn rule(&self, name: &str, kind: &str, plugin: &str) -> Result<()> {
        let rule = json!({ "pattern": { "type": [kind] }, "targets": [{ "plugin": plugin }] });
        self.put(&format!("/buses/default/rules/{name}"), "application/json", rule.to_string().as_bytes())
    }

    /// Gives a release all traffic, or the share that `canary` says.
    pub fn promote(&self, plugin: &str, release: &str, canary: Option<Value>) -> Result<()> {
        let mut wish = json!({ "release": release });
        if let (Some(canary), Some(wish)) = (canary, wish.as_object_mut()) {
            wish.insert("canary".to_owned(), canary);
        }
        self.post_json(&format!("/plugins/{plugin}/promote"), &wish)
    }

    /// A plugin.
    pub fn plugin(&self, plugin: &str) -> Result<Plugin> {
        self.get(&format!("/plugins/{plugin}"))
    }
}

/// The SHA-256 of some bytes, in hex.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
