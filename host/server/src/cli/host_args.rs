//! What a host is told on the command line: its configuration, its data folder, where it listens, and how its log looks.
//!
//! Invariant: each of it can stand in the environment too. Nothing here does anything.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, builder::FalseyValueParser};

use crate::{config::parse_duration, logging::LogFormat};

/// Which configuration.
#[derive(Debug, Args)]
pub struct FileArgs {
    /// The configuration
    #[arg(short, long, value_name = "FILE", env = "WHARF_CONFIG", default_value = "wharf.toml")]
    pub config: PathBuf,
}

/// What every host is told: all of `wharf dev`.
#[derive(Debug, Args)]
pub struct HostArgs {
    /// Which configuration
    #[command(flatten)]
    pub file: FileArgs,
    /// The folder that holds everything that must survive
    #[arg(long, value_name = "FOLDER", env = "WHARF_DATA", default_value = "./wharf-data")]
    pub data: PathBuf,
    /// Where HTTP is served; a loopback address
    #[arg(long, value_name = "ADDRESS", env = "WHARF_LISTEN", default_value = "127.0.0.1:7070")]
    pub listen: SocketAddr,
    /// How long an event's (source, id) is remembered
    #[arg(long, value_name = "DURATION", env = "WHARF_DEDUP_WINDOW", default_value = "5m", value_parser = parse_duration)]
    pub dedup_window: Duration,
    /// How the host's own log looks, on stderr
    #[arg(long, value_name = "FORMAT", env = "WHARF_LOG_FORMAT", default_value = "auto")]
    pub log_format: LogFormat,
    /// What of it is written, as in info,plugin=debug
    #[arg(long, value_name = "FILTER", env = "WHARF_LOG", default_value = "info", value_parser = log_filter)]
    pub log: String,
}

/// `wharf serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// What every host is told
    #[command(flatten)]
    pub host: HostArgs,
    /// How long running attempts may take once the host is told to stop
    #[arg(long, value_name = "DURATION", env = "WHARF_DRAIN", default_value = "20s", value_parser = parse_duration)]
    pub drain: Duration,
    /// Believe the machine's clock however far it is from the time of the last record; else one that is behind it, or more than 30
    /// days ahead at start, is followed when it has kept that for ten minutes
    #[arg(long, env = "WHARF_FOLLOW_CLOCK", value_parser = FalseyValueParser::new())]
    pub follow_clock: bool,
}

/// Which data folder.
#[derive(Debug, Args)]
pub struct DataArgs {
    /// The folder that the host keeps everything in
    #[arg(long, value_name = "FOLDER", env = "WHARF_DATA", default_value = "./wharf-data")]
    pub data: PathBuf,
}

/// `wharf doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Which folder
    #[command(flatten)]
    pub data: DataArgs,
    /// Set a damaged state or component aside and remove damaged artifacts; the next start makes them again
    #[arg(long)]
    pub repair: bool,
}

fn log_filter(text: &str) -> Result<String, String> {
    let parsed = tracing_subscriber::EnvFilter::try_new(text);
    parsed.map(|_| text.to_owned()).map_err(|error| error.to_string())
}
