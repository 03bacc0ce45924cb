//! A fixture that was tried.
//!
//! Invariant: it passes only if what came is what is expected, to the last word of it. One that expects nothing yet fails.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;
use wharf_event::PluginName;
use wharf_gateway::view::LogLineView;

use super::{
    diff,
    ended::{Word, log},
    expectation,
    fixture::{Fixture, FixtureError, Usual, bless as bless_file},
    stage::Stage,
};

/// What became of a fixture.
#[derive(Serialize)]
pub struct Tested {
    /// Of which plugin.
    pub plugin: PluginName,
    /// Its name.
    pub fixture: String,
    /// Its file.
    pub file: String,
    /// Whether it is as expected.
    pub passed: bool,
    /// Whether its file was written anew.
    pub blessed: bool,
    /// How the call ended, if there was one.
    pub outcome: Option<Word>,
    /// Why there was none, or nothing to compare it with.
    pub problem: Option<String>,
    /// What is expected and what came, line by line, where they differ.
    pub diff: Vec<String>,
    /// What the plugin said.
    pub log: Vec<LogLineView>,
    /// How long the call took.
    pub wall_us: u64,
}

impl Tested {
    /// Tries a fixture. With `bless` what came is what is expected from now on.
    pub fn of(stage: &Stage, file: &Path, usual: &Usual, bless: bool) -> Self {
        let mut tested = Self {
            plugin: stage.plugin().clone(),
            fixture: file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            file: file.display().to_string(),
            passed: false,
            blessed: false,
            outcome: None,
            problem: None,
            diff: Vec::new(),
            log: Vec::new(),
            wall_us: 0,
        };
        if let Err(error) = tested.tried(stage, file, usual, bless) {
            tested.passed = false;
            tested.problem = Some(error);
        }
        tested
    }

    fn tried(&mut self, stage: &Stage, file: &Path, usual: &Usual, bless: bool) -> Result<(), String> {
        let said = |error: FixtureError| error.to_string();
        let Fixture { form, expect, call } = Fixture::read(file, stage.plugin(), usual).map_err(said)?;
        let ended = stage.call(call).map_err(|error| error.to_string())?;
        self.outcome = Some(ended.worst());
        self.log = log(&ended.details);
        self.wall_us = u64::try_from(ended.duration.as_micros()).unwrap_or(u64::MAX);
        let came = expectation::of(&ended, stage.plugin());
        let expected = expect.clone().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        let came_so = expectation::comparable(came.clone(), &expected);
        if came_so == expected {
            self.passed = true;
            return Ok(());
        }
        if bless {
            // Whoever did not ask for a reason is given none that may change.
            let expect = if expect.is_some() { came_so } else { came };
            bless_file(file, form, &expect).map_err(said)?;
            (self.passed, self.blessed) = (true, true);
            return Ok(());
        }
        let (expected, came) = (form.write(&expected).map_err(said)?, form.write(&came_so).map_err(said)?);
        self.diff = diff::lines(&expected, &came).iter().map(diff::Line::told).collect();
        if expect.is_none() {
            self.problem = Some("it expects nothing yet: --bless writes what came".to_owned());
        }
        Ok(())
    }
}
