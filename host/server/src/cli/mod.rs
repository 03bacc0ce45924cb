//! Command lines.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use crate::{config::parse_duration, logging::LogFormat};

/// `wharf serve`.
#[derive(clap::Args)]
pub struct ServeArgs {
    #[arg(short, long, default_value = "wharf.toml")]
    pub config: PathBuf,
    #[arg(long, default_value = "./wharf-data")]
    pub data: PathBuf,
    #[arg(long, default_value = "127.0.0.1:7070")]
    pub listen: SocketAddr,
    #[arg(long, default_value = "5m", value_parser = parse_duration)]
    pub dedup_window: Duration,
    #[arg(long, default_value = "20s", value_parser = parse_duration)]
    pub drain: Duration,
    #[arg(long, default_value = "auto")]
    pub log_format: LogFormat,
}

/// `wharf dev`.
#[derive(clap::Args)]
pub struct DevArgs {
    #[arg(short, long, default_value = "wharf.toml")]
    pub config: PathBuf,
    #[arg(long, default_value = "./wharf-data")]
    pub data: PathBuf,
    #[arg(long, default_value = "127.0.0.1:7070")]
    pub listen: SocketAddr,
    #[arg(long, default_value = "5m", value_parser = parse_duration)]
    pub dedup_window: Duration,
    #[arg(long, default_value = "auto")]
    pub log_format: LogFormat,
}
