//! `wharf test`: plugins are called with the events of their fixtures, and what they do is compared with what is expected.
//!
//! Invariant: no host is asked and nothing is kept; files are written only where that was said: fixtures by --bless, a report by --junit.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::mpsc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use clap::Args;
use notify::{RecursiveMode, Watcher as _};
use serde::Serialize;
use wharf_event::{Code, PluginName};

use super::{
    args::FileArgs,
    error::{Exit, talk},
    invoke,
    output::Output,
    words::{bad, counted, faint, good, lasted, later, printable},
};
use crate::{
    author::{Stage, Tested, Usual, files, junit, plugin_name},
    config::{self, Problems},
    failure::Failure,
    load,
};

/// The folder of fixtures, beside the component or the configuration.
const FIXTURES: &str = "fixtures";

/// Quiet time after a change before it is looked at: builders write in several steps.
const SETTLE: Duration = Duration::from_millis(150);

/// `wharf test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// The component; those of wharf.toml if left out
    #[arg(value_name = "FILE.wasm")]
    component: Option<PathBuf>,
    /// The folder of its fixtures
    #[arg(long, value_name = "FOLDER", requires = "component", default_value = FIXTURES)]
    fixtures: PathBuf,
    /// Which plugin it is; the file's name if left out
    #[arg(long, requires = "component")]
    name: Option<PluginName>,
    /// Which configuration
    #[command(flatten)]
    file: FileArgs,
    /// Write what came into the fixtures as what is expected
    #[arg(long)]
    bless: bool,
    /// Write a report for a build server, in the XML of JUnit
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Test again whenever a component or a fixture changes
    #[arg(long, conflicts_with = "bless")]
    watch: bool,
}

/// A plugin with its fixtures.
struct Suite {
    plugin: PluginName,
    component: PathBuf,
    fixtures: PathBuf,
    /// What its configuration says; without one it is granted what it asks for.
    usual: Option<Usual>,
}

#[derive(Serialize)]
struct Report<'a> {
    passed: usize,
    failed: usize,
    tests: &'a [Tested],
}

/// Tests.
///
/// # Errors
/// When there is nothing to be tested, or a component is none.
pub fn run(args: &TestArgs, out: &mut Output) -> Result<Exit> {
    if !args.watch {
        return tested(args, out);
    }
    let (changed, changes) = mpsc::channel::<()>();
    loop {
        let watched = watcher(args, &changed)?;
        if let Err(error) = tested(args, out) {
            talk(&format!("{error:#}"));
        }
        talk(&faint("waiting for a change"));
        if changes.recv().is_err() {
            return Ok(Exit::Failure);
        }
        while changes.recv_timeout(SETTLE).is_ok() {}
        drop(watched);
    }
}

/// Watches the folders of components and fixtures.
fn watcher(args: &TestArgs, changed: &mpsc::Sender<()>) -> Result<notify::RecommendedWatcher> {
    let tell = changed.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let ours = |path: &PathBuf| {
            path.extension().is_some_and(|it| it == "wasm" || it == "toml" || it == "json" || it == "jsonl")
        };
        if event.is_ok_and(|event| !event.kind.is_access() && event.paths.iter().any(ours)) {
            // Nobody listens any more only when the command is ending.
            let _ = tell.send(());
        }
    })?;
    let mut folders = HashSet::from([parent(&args.file.config).to_owned()]);
    for suite in suites(args).unwrap_or_default() {
        folders.insert(parent(&suite.component).to_owned());
        folders.insert(suite.fixtures);
    }
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

fn parent(file: &Path) -> &Path {
    file.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn tested(args: &TestArgs, out: &mut Output) -> Result<Exit> {
    let mut tests = Vec::new();
    for Suite { plugin, component, fixtures, usual } in suites(args)? {
        let files = files(&fixtures).ok().filter(|files| !files.is_empty()).ok_or_else(|| {
            let help = "write one, or make one of an event that there was: `wharf events show ID --fixture`";
            Failure::new(Code::FixtureInvalid, format!("{}: there are no fixtures here", fixtures.display()), help)
        })?;
        let stage: Stage = invoke::stage(&component, plugin)?;
        let usual = usual.unwrap_or_else(|| Usual { grants: stage.asked(), ..Usual::default() });
        for file in files {
            let test = Tested::of(&stage, &file, &usual, args.bless);
            if !out.is_json() {
                lines(&test).iter().try_for_each(|line| out.line(line))?;
            }
            tests.push(test);
        }
    }
    let failed = tests.iter().filter(|test| !test.passed).count();
    let passed = tests.len() - failed;
    if let Some(file) = &args.junit {
        std::fs::write(file, junit(&tests)).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    if out.is_json() {
        out.document(&Report { passed, failed, tests: &tests })?;
    } else {
        let failures = if failed == 0 { String::new() } else { format!(", {}", bad(&format!("{failed} failed"))) };
        out.line(&format!("{}{failures}", counted(passed, "fixture passed", "fixtures passed")))?;
    }
    Ok(if failed == 0 { Exit::Success } else { Exit::CheckFailed })
}

/// What is to be tested.
fn suites(args: &TestArgs) -> Result<Vec<Suite>> {
    if let Some(component) = &args.component {
        let plugin = match &args.name {
            Some(name) => name.clone(),
            None => plugin_name(component).context("the file's name is no plugin's; say one with --name")?,
        };
        let (component, fixtures) = (component.clone(), args.fixtures.clone());
        return Ok(vec![Suite { plugin, component, fixtures, usual: None }]);
    }
    let path = &args.file.config;
    let text = load::read(path).map_err(|error| Failure::load(&error))?;
    let (config, list) = config::read(&text);
    if !list.is_empty() {
        let problems = Problems { path: path.clone(), text, list };
        return Err(Failure::load(&problems.into()).into());
    }
    let folder = parent(path);
    let plugins: Vec<_> = config.tenants.into_values().flat_map(|tenant| tenant.plugins).collect();
    let alone = plugins.len() == 1;
    let suite = |(plugin, of): (PluginName, config::PluginConfig)| {
        let own = folder.join(FIXTURES).join(plugin.as_str());
        let fixtures = if alone && !own.is_dir() { folder.join(FIXTURES) } else { own };
        let usual = Usual { config: of.config, grants: of.grants, limits: of.limits };
        Suite { component: folder.join(of.component), plugin, fixtures, usual: Some(usual) }
    };
    // A plugin without fixtures beside others that have some is tested by nobody; that is for its author to say.
    let suites: Vec<_> = plugins.into_iter().map(suite).filter(|suite| alone || suite.fixtures.is_dir()).collect();
    if suites.is_empty() {
        let help = "each plugin has its fixtures in fixtures/PLUGIN, beside wharf.toml";
        return Err(Failure::new(Code::FixtureInvalid, "no plugin has fixtures", help).into());
    }
    Ok(suites)
}

fn lines(test: &Tested) -> Vec<String> {
    let word = match (test.passed, test.blessed) {
        (true, false) => good("ok"),
        (true, true) => later("blessed"),
        (false, _) => bad("FAILED"),
    };
    let took = faint(&lasted(test.wall_us));
    let mut lines = vec![format!("{word}  {} {}  {took}", test.plugin, printable(&test.fixture))];
    if test.passed {
        return lines;
    }
    lines.extend(test.problem.iter().flat_map(|problem| problem.lines()).map(|line| {
        let place = format!("{} {}:", bad(&format!("error[{}]", Code::FixtureInvalid)), printable(&test.file));
        format!("    {place} {}", printable(line))
    }));
    if !test.diff.is_empty() {
        lines.push(faint(&format!("    {}: - expected, + came", printable(&test.file))));
    }
    lines.extend(test.diff.iter().map(|line| {
        let text = printable(line);
        let text = match line.chars().next() {
            Some('-') => bad(&text),
            Some('+') => good(&text),
            _ => text.into_owned(),
        };
        format!("    {text}")
    }));
    lines.extend(test.log.iter().map(|line| faint(&format!("    log {}  {}", line.level, printable(&line.message)))));
    lines
}
