//! `wharf serve`: a host until it is told to stop.

use std::{io::Write as _, process::ExitCode};

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    cli::ServeArgs,
    logging,
    wire::{Host, Settings, Threads},
};

/// Runs a host. With `json` a line on stdout says when and where it serves.
///
/// # Errors
/// When it cannot be built, or does not stop cleanly.
pub fn run(args: ServeArgs, json: bool) -> Result<ExitCode> {
    logging::start(args.log_format);
    let settings = Settings {
        config: args.config,
        data: args.data,
        listen: args.listen,
        dedup_window: args.dedup_window,
        drain: args.drain,
    };
    let drained = Threads::start()?.run(settings, async |host| {
        announce(&host, json)?;
        host.serve(stopped()).await
    })?;
    tracing::info!(drained, "stopped");
    Ok(if drained { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Says that the host is ready. Its socket is bound, so whoever connects now is served.
pub fn announce(host: &Host, json: bool) -> Result<()> {
    let (url, recovered) = (format!("http://{}", host.address()?), host.recovered);
    tracing::info!(
        url, checkpoint_k = recovered.checkpoint_k, last_k = recovered.last_k, frames_replayed = recovered.frames_replayed,
        torn_bytes_cut = recovered.torn_bytes_cut, pending = recovered.pending, "ready"
    );
    if json {
        let line = serde_json::json!({
            "ready": true,
            "url": url,
            "frames_replayed": recovered.frames_replayed,
            "pending": recovered.pending,
        });
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}")?;
        out.flush()?;
    }
    Ok(())
}

/// Completes at the first SIGTERM or SIGINT.
pub async fn stopped() {
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                terminate.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = terminate => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
