//! `wharf route ls`, `show`, `put` and `rm`: which plugins answer the requests of which paths.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use wharf_event::{PluginAt, RoutePath};
use wharf_gateway::{limits::PLUGIN_BYTES_MAX, view::RouteView};

use super::{
    args::Global,
    error::{CommandError, Exit},
    input::unreadable,
    object,
    output::Output,
    pages,
    session::Session,
    words::{clipped, faint, good},
};
use crate::{
    client::{Condition, Resource},
    compile::read_bounded,
};

/// Commands about routes.
#[derive(Debug, Subcommand)]
pub enum RouteCommand {
    /// List the routes of the tenant
    #[command(visible_alias = "list", after_help = "Example:\n  wharf route ls")]
    Ls,
    /// Show one route: who answers, which methods, how large bodies may be
    #[command(after_help = "Example:\n  wharf route show '/hooks/*'")]
    Show {
        /// The path of the route
        path: RoutePath,
    },
    /// Let a plugin answer the requests of a path, beneath /t/TENANT
    #[command(
        visible_alias = "create",
        after_help = "Example:\n  wharf route put '/hooks/*' hooks --method POST\n  wharf route put /exact web@next"
    )]
    Put(PutArgs),
    /// Remove a route: its requests have no answer of a plugin any more
    #[command(after_help = "Example:\n  wharf route rm '/hooks/*'")]
    Rm {
        /// The path of the route
        path: RoutePath,
    },
}

impl RouteCommand {
    /// The route that it is about, which the host may not know.
    pub fn named(&self) -> Option<&RoutePath> {
        match self {
            Self::Ls | Self::Put(_) => None,
            Self::Show { path } | Self::Rm { path } => Some(path),
        }
    }
}

/// What a route is to be.
#[derive(Debug, Args)]
pub struct PutArgs {
    /// The path: `/a` is for itself, `/a/*` for all below it too
    path: RoutePath,
    /// The plugin that answers, or `PLUGIN@CHANNEL`
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    plugin: Option<PluginAt>,
    /// A method that it takes; may be said several times; all if none is said
    #[arg(long = "method", value_name = "METHOD", conflicts_with = "file")]
    methods: Vec<String>,
    /// How large the body of a request may be, as in 10MiB
    #[arg(long, value_name = "SIZE", conflicts_with = "file")]
    request_size: Option<String>,
    /// How large the body of an answer may be, as in 10MiB
    #[arg(long, value_name = "SIZE", conflicts_with = "file")]
    answer_size: Option<String>,
    /// Requests that one instance answers, one after the other; each has a fresh one if it is not said
    #[arg(long, value_name = "N", conflicts_with = "file")]
    reuse: Option<u32>,
    /// A file with all of that as JSON
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl PutArgs {
    fn body(&self) -> Result<Vec<u8>, CommandError> {
        if let Some(file) = &self.file {
            return read_bounded(file, PLUGIN_BYTES_MAX as u64).map_err(|source| unreadable(file, source));
        }
        let mut body = Map::new();
        for (name, value) in [
            ("plugin", self.plugin.as_ref().map(|it| json!(it))),
            ("methods", (!self.methods.is_empty()).then(|| json!(self.methods))),
            ("request_size", self.request_size.as_ref().map(|it| json!(it))),
            ("answer_size", self.answer_size.as_ref().map(|it| json!(it))),
            ("reuse", self.reuse.map(|it| json!(it))),
        ] {
            body.extend(value.map(|value| (name.to_owned(), value)));
        }
        Ok(Value::from(body).to_string().into_bytes())
    }
}

/// Does what was said of routes.
///
/// # Errors
/// When the host refuses, or a file cannot be read.
pub async fn run(command: RouteCommand, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    let session = Session::open(global).await?;
    let all = session.own().at("routes");
    match command {
        RouteCommand::Ls => list(&session, &all, out).await,
        RouteCommand::Show { path } => show(&session.client.get(&all.at(&path)).await?, out),
        RouteCommand::Put(args) => {
            let body = args.body()?;
            let route: RouteView = session.client.put(&all.at(&args.path), body, Condition::None).await?;
            if out.is_json() {
                out.document(&route)?;
                return Ok(Exit::Success);
            }
            out.line(&format!(
                "{}  {} is answered by {}",
                good("in force"),
                clipped(route.route.as_str()),
                route.plugin
            ))?;
            Ok(Exit::Success)
        }
        RouteCommand::Rm { path } => object::remove(&session, &all.at(&path), &path, out).await,
    }
}

async fn list(session: &Session, all: &Resource, out: &mut Output) -> Result<Exit, CommandError> {
    let all = pages::whole(&session.client, all.clone(), |it: &RouteView| it.route.to_string()).await?;
    if out.is_json() {
        out.document(&all)?;
        return Ok(Exit::Success);
    }
    let row = |route: &RouteView| [clipped(route.route.as_str()), route.plugin.to_string(), methods(route)];
    out.table(["ROUTE", "PLUGIN", "METHODS"], all.iter().map(row).collect())?;
    Ok(Exit::Success)
}

fn methods(route: &RouteView) -> String {
    if route.methods.is_empty() { "all".to_owned() } else { clipped(&route.methods.join(", ")) }
}

fn show(route: &RouteView, out: &mut Output) -> Result<Exit, CommandError> {
    if out.is_json() {
        out.document(route)?;
        return Ok(Exit::Success);
    }
    let line = |name: &str, value: &str| format!("{}  {value}", faint(&format!("{name:<13}")));
    out.line(&line("route", &clipped(route.route.as_str())))?;
    out.line(&line("plugin", &route.plugin.to_string()))?;
    out.line(&line("methods", &methods(route)))?;
    out.line(&line("requests up to", &clipped(&route.request_size)))?;
    out.line(&line("answers up to", &clipped(&route.answer_size)))?;
    let instances = match route.reuse {
        1 => "a fresh one for each request".to_owned(),
        reuse => format!("{reuse} requests each"),
    };
    out.line(&line("instances", &instances))?;
    Ok(Exit::Success)
}
