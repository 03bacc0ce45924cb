//! `wharf check`: what a host would say to a configuration and its components, without running them. No host is asked.
//!
//! Invariant: what passes here is put into force by a host of this version, and what does not is not. What a plugin asks for and is not
//! granted is told, and passes: it may never come to that.

use std::sync::Arc;

use anyhow::Result;
use serde::Serialize;
use wharf_runtime::Runtime;

use super::{
    args::FileArgs,
    error::{Exit, talk},
    output::Output,
    words::{counted, good},
};
use crate::{
    compiler::Compiler,
    config::ProblemView,
    failure::Failure,
    load::{self, LoadError, Ungranted},
    progress::Progress,
};

#[derive(Serialize)]
struct Checked<'a> {
    ok: bool,
    tenants: usize,
    plugins: usize,
    rules: usize,
    problems: Vec<ProblemView<'a>>,
    /// What plugins ask for and would be denied.
    ungranted: &'a [Ungranted],
}

/// Checks.
///
/// # Errors
/// When the configuration cannot be read.
pub fn run(args: &FileArgs, out: &mut Output) -> Result<Exit> {
    let runtime = Arc::new(Runtime::new()?);
    runtime.compile_by(Box::new(Compiler::at_once()));
    let loaded = match load::load(&args.config, &runtime, &Progress::on_terminal()).1 {
        Ok(loaded) => loaded,
        Err(LoadError::Mistakes(problems)) => {
            if out.is_json() {
                let problems = problems.view();
                out.document(&Checked { ok: false, tenants: 0, plugins: 0, rules: 0, problems, ungranted: &[] })?;
            } else {
                talk(problems.to_string().trim_end());
            }
            return Ok(Exit::CheckFailed);
        }
        Err(error) => return Err(Failure::load(&error).into()),
    };
    let tenants = &loaded.rules.document().tenants;
    let plugins = tenants.values().map(|tenant| tenant.plugins.len()).sum();
    let rules = tenants.values().map(|tenant| tenant.rules.len()).sum();
    if out.is_json() {
        let (tenants, ungranted) = (tenants.len(), &loaded.ungranted);
        out.document(&Checked { ok: true, tenants, plugins, rules, problems: Vec::new(), ungranted })?;
    } else {
        loaded.ungranted.iter().for_each(|plugin| talk(&plugin.to_string()));
        let (tenants, plugins) = (counted(tenants.len(), "tenant", "tenants"), counted(plugins, "plugin", "plugins"));
        out.line(&format!("{}  {tenants}, {plugins}, {}", good("ok"), counted(rules, "rule", "rules")))?;
    }
    Ok(Exit::Success)
}
