//! `wharf config`: the configuration as it holds, and the schema of its file. No host is asked.
//!
//! Invariant: `show` tells of every flag of `wharf serve` and of every key that holds, each with where its value comes from.

use std::fs;

use anyhow::{Context as _, Result};
use clap::{ArgMatches, Command, parser::ValueSource};
use serde::Serialize;
use serde_json::Value;

use super::{
    args::{ConfigCommand, ServeArgs},
    error::{Exit, talk},
    output::Output,
    words::printable,
};
use crate::{
    config::{self, Place, Problems, Setting},
    failure::Failure,
    load::{self, LoadError},
};

/// A setting as it is shown.
#[derive(Debug, Serialize)]
struct Row {
    key: String,
    value: Value,
    from: From,
}

/// Where a value comes from.
#[derive(Debug, Serialize)]
#[serde(tag = "source", rename_all = "kebab-case")]
enum From {
    File { file: String, line: usize, column: usize },
    Flag { flag: String },
    Environment { variable: String },
    Default,
}

impl From {
    fn text(&self) -> String {
        match self {
            Self::File { file, line, .. } => format!("{}:{line}", printable(file)),
            Self::Flag { flag } => flag.clone(),
            Self::Environment { variable } => variable.clone(),
            Self::Default => "default".to_owned(),
        }
    }
}

/// Shows the configuration, or its schema. `command` and `matches` are those of `wharf config show`.
///
/// # Errors
/// When the configuration has mistakes, or something cannot be read or written.
pub fn run(what: &ConfigCommand, show: Option<(&Command, &ArgMatches)>, out: &mut Output) -> Result<Exit> {
    match what {
        ConfigCommand::Show(args) => {
            let mut rows = show.map(|(command, matches)| flags(command, matches)).unwrap_or_default();
            rows.extend(file(args)?);
            if out.is_json() {
                out.document(&rows)?;
            } else {
                let row =
                    |row: &Row| [row.key.clone(), printable(&row.value.to_string()).into_owned(), row.from.text()];
                out.table(["KEY", "VALUE", "FROM"], rows.iter().map(row).collect())?;
            }
        }
        ConfigCommand::Schema { write: None } => out.bytes(config::schema_text().as_bytes())?,
        ConfigCommand::Schema { write: Some(path) } => {
            fs::write(path, config::schema_text()).with_context(|| format!("{} cannot be written", path.display()))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            talk(&format!(
                "written; a wharf.toml beside it that begins with `#:schema ./{name}` is checked by editors"
            ));
        }
    }
    Ok(Exit::Success)
}

/// What the command line and the environment say, or would.
fn flags(command: &Command, matches: &ArgMatches) -> Vec<Row> {
    let own = command
        .get_arguments()
        .filter(|arg| !arg.is_global_set() && matches.try_contains_id(arg.get_id().as_str()).is_ok());
    let row = |arg: &clap::Arg| {
        let id = arg.get_id().as_str();
        let text = matches.get_raw(id)?.next()?.to_string_lossy().into_owned();
        let from = match (matches.value_source(id)?, arg.get_env()) {
            (ValueSource::CommandLine, _) => From::Flag { flag: format!("--{}", arg.get_long()?) },
            (ValueSource::EnvVariable, Some(variable)) => {
                From::Environment { variable: variable.to_string_lossy().into_owned() }
            }
            _ => From::Default,
        };
        let value = text.parse::<bool>().map_or_else(|_| Value::from(text), Value::from);
        Some(Row { key: id.to_owned(), value, from })
    };
    own.filter_map(row).collect()
}

/// What the file says, and what holds without it.
fn file(args: &ServeArgs) -> Result<Vec<Row>> {
    let path = &args.host.file.config;
    let text = load::read(path).map_err(|error| Failure::load(&error))?;
    let (_, list) = config::read(&text);
    if !list.is_empty() {
        let problems = Problems { path: path.clone(), text, list };
        return Err(Failure::load(&LoadError::Mistakes(problems)).into());
    }
    let name = path.display().to_string();
    let from = |place: Option<Place>| match place {
        Some(Place { line, column }) => From::File { file: name.clone(), line, column },
        None => From::Default,
    };
    let row = |Setting { key, value, place }| Row { key, value, from: from(place) };
    Ok(config::effective(&text).into_iter().map(row).collect())
}
