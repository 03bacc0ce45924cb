//! A fixture: an event with all that a plugin meets when it gets it, and what is expected of it then. A file of TOML or JSON.
//!
//! Invariant: a key that is not known is a mistake, and so is an event that a host would refuse: a fixture tests what can be.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use wharf_delivery::LimitsDocument;
use wharf_event::{Event, EventError, Grants, PluginName};

use super::{
    form::{self, Form},
    secrets::{Secrets, SecretsError},
    seed::{Seed, SeedError},
    stage::Call,
    stub::{StubError, Stubs},
};
use crate::models::{ScriptError, read_script};

/// Bytes of a fixture.
const FIXTURE_BYTES_MAX: u64 = 8 << 20;

/// The time of a fixture that says none: what is published has the same time every day.
const NOW: &str = "2026-01-01T00:00:00Z";

/// A fixture that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FixtureError {
    /// It cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is no TOML.
    #[error("{}", .0.to_string().trim_end())]
    Toml(#[from] toml::de::Error),
    /// It is not JSON, or not of the form of a fixture.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// Its event is none.
    #[error("its event: {0}")]
    Event(#[from] EventError),
    /// Its state is none.
    #[error("its `seed`: {0}")]
    Seed(#[from] SeedError),
    /// Its secrets are none.
    #[error("its `secrets`: {0}")]
    Secrets(#[from] SecretsError),
    /// Its stubs are none.
    #[error("its `stubs`: {0}")]
    Stubs(#[from] StubError),
    /// Its file of answers is none.
    #[error("its `answers`: {0}")]
    Answers(#[from] ScriptError),
    /// Its time is none.
    #[error("its `now`: {0}")]
    Now(#[from] jiff::Error),
    /// There is no event.
    #[error("it has neither `event` nor `events`")]
    NoEvent,
    /// Something stands behind what is expected.
    #[error("`expect` is written anew at the end of the file, and `{0}` stands behind it: move that before it")]
    Behind(String),
}

/// What is in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    event: Option<Map<String, Value>>,
    events: Option<Vec<Map<String, Value>>>,
    seed: Option<Value>,
    stubs: Option<Value>,
    answers: Option<String>,
    #[serde(default)]
    secrets: BTreeMap<String, String>,
    #[serde(default)]
    config: BTreeMap<String, String>,
    grants: Option<Grants>,
    #[serde(default)]
    limits: Limits,
    now: Option<String>,
    attempt: Option<u32>,
    attempts: Option<u32>,
    expect: Option<Value>,
}

/// Limits that are other than the plugin's.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    wall_ms: Option<u32>,
    cpu_ms: Option<u32>,
    memory_mib: Option<u32>,
}

/// What holds for a plugin where its fixture says nothing else.
#[derive(Clone, Debug, Default)]
pub struct Usual {
    /// Its config table.
    pub config: BTreeMap<String, String>,
    /// What it may use.
    pub grants: Grants,
    /// What it may consume.
    pub limits: LimitsDocument,
}

/// A fixture.
pub struct Fixture {
    /// What the file is written in.
    pub form: Form,
    /// What is expected; none = nothing is said.
    pub expect: Option<Value>,
    /// The call.
    pub call: Call,
}

impl Fixture {
    /// Reads a fixture.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn read(file: &Path, plugin: &PluginName, usual: &Usual) -> Result<Self, FixtureError> {
        let form = Form::of(file);
        let written: Written = serde_json::from_value(form.read(&text(file)?)?)?;
        let Written { seed, stubs, answers, secrets, config, grants, limits, now, attempt, attempts, expect, .. } =
            written;
        let events = match (written.event, written.events) {
            (Some(event), None) => vec![event],
            (None, Some(events)) => events,
            _ => return Err(FixtureError::NoEvent),
        };
        let now: jiff::Timestamp = now.as_deref().unwrap_or(NOW).parse()?;
        let mut all = usual.config.clone();
        all.extend(config);
        let stubs: Stubs = stubs.map(|list| Stubs::of(form::plain(list)?)).transpose()?.unwrap_or_default();
        let folder = file.parent().unwrap_or(Path::new(""));
        let script = answers.map(|answers| read_script(&folder.join(&answers), &answers)).transpose()?;
        let limits = LimitsDocument {
            wall_ms: limits.wall_ms.unwrap_or(usual.limits.wall_ms),
            cpu_ms: limits.cpu_ms.unwrap_or(usual.limits.cpu_ms),
            memory_mib: limits.memory_mib.unwrap_or(usual.limits.memory_mib),
            ..usual.limits
        };
        let call = Call {
            events: events.into_iter().enumerate().map(self::event).collect::<Result<_, _>>()?,
            seed: Arc::new(seed.map(|seed| Seed::of(seed, plugin)).transpose()?.unwrap_or_default()),
            stubs: Arc::new(stubs.with(script)),
            secrets: Secrets::of(secrets)?,
            config: all,
            grants: grants.unwrap_or_else(|| usual.grants.clone()),
            limits,
            attempt: attempt.unwrap_or(1),
            max_attempts: attempts.unwrap_or(185),
            now_ms: u64::try_from(now.as_millisecond()).unwrap_or_default(),
            stands_still: true,
        };
        Ok(Self { form, expect: expect.map(form::plain).transpose()?, call })
    }
}

/// Writes what is expected from now on into a fixture, and leaves all else in it as it is.
///
/// # Errors
/// When it cannot be written.
pub fn bless(file: &Path, form: Form, expect: &Value) -> Result<(), FixtureError> {
    let blessed = form.blessed(&text(file)?, expect)?;
    Ok(fs::write(file, blessed)?)
}

fn text(file: &Path) -> Result<String, FixtureError> {
    let bytes = crate::compile::read_bounded(file, FIXTURE_BYTES_MAX)?;
    Ok(String::from_utf8(bytes).map_err(io::Error::other)?)
}

/// An event of a fixture, in which what tests seldom mean is left out.
fn event((n, members): (usize, Map<String, Value>)) -> Result<Event, FixtureError> {
    let mut event = Map::from_iter([
        ("specversion".to_owned(), json!("1.0")),
        ("id".to_owned(), json!(format!("fixture-{}", n + 1))),
        ("source".to_owned(), json!("fixture")),
    ]);
    let Value::Object(members) = form::plain(Value::Object(members))? else { return Err(FixtureError::NoEvent) };
    event.extend(members);
    Ok(Event::from_json(&Bytes::from(Value::Object(event).to_string()))?)
}

/// The fixtures of a folder, by name.
///
/// # Errors
/// When it cannot be read.
pub fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    let mut files: Vec<_> = entries.into_iter().map(|entry| entry.path()).filter(|path| is_fixture(path)).collect();
    files.sort();
    Ok(files)
}

fn is_fixture(path: &Path) -> bool {
    path.is_file() && matches!(path.extension().and_then(|it| it.to_str()), Some("toml" | "json"))
}
