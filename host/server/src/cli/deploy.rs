//! `wharf deploy`: a host is made as a `wharf.toml` says, by its HTTP API.
//!
//! Invariant: nothing is changed that was not shown before, and nothing without a word of whoever is asked; what is as the file
//! says is left alone. What holds for the host as a whole is its operator's: the file's `host` and `default_tenant` are not sent.

mod apply;
mod compare;
mod failure;
mod parts;
mod places;
mod plan;
mod queues;
mod routes;
mod schedules;
mod show;
mod single;
mod there;
mod topics;
mod webhooks;

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::Path,
};

use clap::Args;
use wharf_event::PluginName;
use wharf_oci::Reference;

use self::plan::Plan;
use super::{
    args::{FileArgs, Global},
    error::{CommandError, Exit, talk},
    output::Output,
    plugin,
};
use crate::{
    client::Client,
    failure::Failure,
    load::LoadError,
    project::{self, Project},
};

pub use failure::DeployFailure;

/// `wharf deploy`.
#[derive(Debug, Args)]
pub struct DeployArgs {
    /// Not a project, but one component: it becomes a release of its plugin and gets all its traffic, by the rule that its handler declares
    #[arg(value_name = "FILE.wasm|oci://...")]
    component: Option<String>,
    /// The plugin whose release the component is to be [default: the file's name]
    #[arg(long, requires = "component")]
    plugin: Option<PluginName>,
    /// Grant the plugin what the component says that it needs
    #[arg(long, requires = "component")]
    grant: bool,
    /// Put the component of the file into an OCI registry too, before it is deployed: oci://registry/name:tag
    #[arg(long, value_name = "REFERENCE", requires = "component")]
    push: Option<Reference>,
    #[command(flatten)]
    file: FileArgs,
    /// Show what would be changed, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Remove what the API has made and the file does not name: rules, plugins with their releases, schemas
    #[arg(long, conflicts_with = "component")]
    prune: bool,
    /// Why, for the history of plugins
    #[arg(short, long)]
    message: Option<String>,
}

/// Makes a host as the file says.
pub async fn run(args: DeployArgs, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    let project = match args.component.as_deref() {
        Some(named) => single::project(named, args.plugin.clone(), args.grant, global).await?,
        None => match of_file(&args.file.config, global).await? {
            Ok(project) => project,
            Err(mistakes) => return show::mistakes(&mistakes, out),
        },
    };
    let client = Client::new(&global.url)?;
    let plan = plan::make(&client, &project, args.prune).await?;
    let is_nothing = plan.steps.is_empty() && args.push.is_none();
    if args.dry_run || !plan.can_be_applied() || is_nothing {
        return show::only(&plan, out);
    }
    if !out.is_json() {
        show::plan(&plan, out)?;
    }
    if !args.yes && !plan.steps.is_empty() && !confirmed(&plan, out)? {
        talk("nothing was applied");
        return Ok(Exit::Failure);
    }
    let pushed = match args.component.as_deref().zip(args.push) {
        Some((file, to)) => Some(plugin::push(Path::new(file), &to).await?),
        None => None,
    };
    if let Some(pushed) = pushed.as_ref().filter(|_| !out.is_json()) {
        plugin::tell_pushed(pushed, out)?;
    }
    apply::run(plan, &client, args.message.as_deref(), pushed, out).await
}

/// What the file wants, of the tenant that was said or of all; or its mistakes.
async fn of_file(path: &Path, global: &Global) -> Result<Result<Project, crate::config::Problems>, CommandError> {
    let mut project = match project::read(path).await {
        Ok(project) => project,
        Err(LoadError::Mistakes(mistakes)) => return Ok(Err(mistakes)),
        Err(error) => return Err(CommandError::Load(Failure::load(&error))),
    };
    if let Some(tenant) = &global.tenant {
        let path = path.to_owned();
        let wanted = project.tenants.remove(tenant);
        let wanted = wanted.ok_or_else(|| CommandError::TenantNotInFile { tenant: tenant.clone(), path })?;
        project.tenants = [(tenant.clone(), wanted)].into();
    }
    Ok(Ok(project))
}

/// Whether the plan is to be applied, by the word of whoever sits at the terminal.
fn confirmed(plan: &Plan, out: &Output) -> Result<bool, CommandError> {
    if out.is_json() || !io::stdin().is_terminal() {
        return Err(CommandError::NotConfirmed);
    }
    let mut stderr = io::stderr();
    // That nobody sees the question is no failure: then there is no answer.
    let _ = write!(stderr, "apply {}? [y/N] ", plan.counted()).and_then(|()| stderr.flush());
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(|source| super::input::unreadable(Path::new("-"), source))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
