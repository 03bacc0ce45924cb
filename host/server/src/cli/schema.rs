//! `wharf schema`: schemas of payloads, in files and on a host.
//!
//! Invariant: `check`, `validate` and `diff` ask no host, all others ask one. What is a schema here is one for a host of this
//! version.

mod asked;
mod files;
mod manage;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use wharf_delivery::SchemaMode;
use wharf_event::{BusName, SchemaName};
use wharf_schema::Mode;

use super::{
    args::Global,
    error::{CommandError, Exit},
    output::Output,
    session::Session,
};

/// `wharf schema`.
#[derive(Debug, Subcommand)]
pub enum SchemaCommand {
    /// List the schemas of a tenant
    #[command(visible_alias = "list", after_help = "Example:\n  wharf schema ls")]
    Ls,
    /// Print a schema
    #[command(after_help = "Example:\n  wharf schema show order.created > order.schema.json")]
    Show {
        /// The schema
        schema: SchemaName,
    },
    /// Put a version of a schema into force
    #[command(
        after_help = "Example:\n  wharf schema add order.created order.schema.json\n\nWhat is not said is as it was before.\n\n\
        Exit status: 0 it is in force, 5 it is not compatible with the version before, or that changed meanwhile."
    )]
    Add(AddArgs),
    /// Remove a schema with its versions
    #[command(after_help = "Example:\n  wharf schema rm order.created")]
    Rm {
        /// The schema
        schema: SchemaName,
    },
    /// List the versions of a schema, or print one
    #[command(after_help = "Example:\n  wharf schema versions order.created\n  wharf schema versions order.created 1")]
    Versions {
        /// The schema
        schema: SchemaName,
        /// The version to print
        number: Option<u64>,
    },
    /// Say whether a file is a schema that a host takes
    #[command(
        after_help = "Example:\n  wharf schema check order.schema.json\n\nExit status: 0 it is, 10 it has mistakes."
    )]
    Check {
        /// A JSON Schema; `-` reads stdin
        file: PathBuf,
    },
    /// Hold the payloads of events against a schema
    #[command(after_help = "Example:\n  wharf schema validate order.schema.json events.ndjson\n\n\
        Exit status: 0 all are valid, 10 some are not, or a line is no event.")]
    Validate(ValidateArgs),
    /// Say what is different between two schemas, and whether the new one may follow the old one
    #[command(after_help = "Example:\n  wharf schema diff order.v1.json order.v2.json\n\n\
        backward: what was valid stays valid; forward: what is valid now was valid before; full: both. Where structure does not \
        tell, it is said and counts as incompatible.\n\n\
        Exit status: 0 it may, 10 it may not.")]
    Diff {
        /// The old schema
        old: PathBuf,
        /// The new schema
        new: PathBuf,
        /// What has to hold between the two
        #[arg(long, default_value = "backward")]
        compatibility: Compatibility,
    },
    /// Make a schema of the newest events of a type in the archive
    #[command(after_help = "Example:\n  wharf schema infer --type order.created --last 1000 > order.schema.json\n\n\
        All those events are valid by it. A name is required if all have it, and no value is taken for the only one.")]
    Infer(InferArgs),
    /// Print what a tenant's buses receive as an AsyncAPI 3 document
    #[command(name = "asyncapi", after_help = "Example:\n  wharf schema asyncapi > asyncapi.json")]
    AsyncApi,
}

/// `wharf schema add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// The schema
    schema: SchemaName,
    /// A JSON Schema; `-` reads stdin
    file: PathBuf,
    /// The bus whose events it is for [default: as before, else default]
    #[arg(long)]
    bus: Option<BusName>,
    /// Their type [default: as before, else the schema's name]
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// What becomes of events that break it: off, warn, enforce [default: as before, else enforce]
    #[arg(long)]
    mode: Option<SchemaMode>,
    /// What has to hold between it and the version before
    #[arg(long, default_value = "backward")]
    compatibility: Compatibility,
}

/// `wharf schema validate`.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// A JSON Schema
    schema: PathBuf,
    /// CloudEvents in JSON, one a line; `-` reads stdin
    events: PathBuf,
    /// The lines are payloads, not events
    #[arg(long)]
    payloads: bool,
}

/// `wharf schema infer`.
#[derive(Debug, Args)]
pub struct InferArgs {
    /// The events' type
    #[arg(long = "type", value_name = "TYPE")]
    kind: String,
    /// Events at most, the newest ones
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    last: u32,
    /// Only events of this bus
    #[arg(long)]
    bus: Option<BusName>,
}

/// What has to hold between a schema and the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Compatibility {
    /// What was valid stays valid.
    Backward,
    /// What is valid now was valid before.
    Forward,
    /// Both.
    Full,
    /// Nothing.
    None,
}

impl Compatibility {
    fn as_str(self) -> &'static str {
        match self {
            Self::Backward => "backward",
            Self::Forward => "forward",
            Self::Full => "full",
            Self::None => "none",
        }
    }
}

impl From<Compatibility> for Mode {
    fn from(compatibility: Compatibility) -> Self {
        match compatibility {
            Compatibility::Backward => Self::Backward,
            Compatibility::Forward => Self::Forward,
            Compatibility::Full => Self::Full,
            Compatibility::None => Self::None,
        }
    }
}

impl SchemaCommand {
    /// The schema that it is about, which the host may not know.
    pub fn named(&self) -> Option<&SchemaName> {
        match self {
            Self::Show { schema } | Self::Rm { schema } | Self::Versions { schema, .. } => Some(schema),
            _ => None,
        }
    }
}

/// Looks at schemas, and changes them.
pub async fn run(command: SchemaCommand, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    match command {
        SchemaCommand::Check { file } => files::check(&file, out),
        SchemaCommand::Validate(args) => files::validate(&args, out),
        SchemaCommand::Diff { old, new, compatibility } => files::diff(&old, &new, compatibility.into(), out),
        SchemaCommand::Ls => asked::list(&Session::open(global).await?, out).await,
        SchemaCommand::Show { schema } => asked::show(&schema, &Session::open(global).await?, out).await,
        SchemaCommand::Add(args) => manage::add(&args, &Session::open(global).await?, out).await,
        SchemaCommand::Rm { schema } => manage::remove(&schema, &Session::open(global).await?, out).await,
        SchemaCommand::Versions { schema, number } => {
            manage::versions(&schema, number, &Session::open(global).await?, out).await
        }
        SchemaCommand::Infer(args) => asked::infer(&args, &Session::open(global).await?, out).await,
        SchemaCommand::AsyncApi => asked::asyncapi(&Session::open(global).await?, out).await,
    }
}
