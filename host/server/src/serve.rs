//! `wharf serve`: a host until it is told to stop.

use std::{io::Write as _, process::ExitCode};

use anyhow::Result;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    cli::ServeArgs,
    folder, logging,
    threads::Threads,
    wire::{Host, Settings},
};

/// Runs a host. With `json` a line on stdout says when and where it serves.
///
/// # Errors
/// When it cannot be built, or does not stop cleanly.
pub fn run(args: ServeArgs, json: bool) -> Result<ExitCode> {
    let _logging = logging::start(args.host.log_format, &args.host.log);
    folder::keep_to_owner();
    let drained = Threads::start()?.run(Settings::new(args.host, args.drain, args.follow_clock), async |host| {
        let stopped = stopped();
        announce(&host, json)?;
        host.serve(stopped).await
    })?;
    tracing::info!(drained, "stopped");
    Ok(if drained { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Says that the host is ready: whoever connects now is served.
pub fn announce(host: &Host, json: bool) -> Result<()> {
    let (url, recovered) = (format!("http://{}", host.address()), host.recovered);
    tracing::info!(
        url,
        checkpoint_k = recovered.checkpoint_k,
        last_k = recovered.last_k,
        frames_replayed = recovered.frames_replayed,
        torn_bytes_cut = recovered.torn_bytes_cut,
        pending = recovered.pending,
        "ready"
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

/// Completes at the first SIGTERM or SIGINT from this call on. A second one ends the process at once, with status 1.
pub fn stopped() -> impl Future<Output = ()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate()).ok(), signal(SignalKind::interrupt()).ok());
    async move {
        told(&mut terminate, &mut interrupt).await;
        tracing::info!("stopping; a second signal stops at once");
        tokio::spawn(async move {
            told(&mut terminate, &mut interrupt).await;
            tracing::warn!("stopped at once; what was not finished is replayed at the next start");
            std::process::exit(1);
        });
    }
}

/// Completes at the next of the two; one that cannot be listened to never comes.
async fn told(terminate: &mut Option<Signal>, interrupt: &mut Option<Signal>) {
    async fn next(signal: &mut Option<Signal>) {
        let came = match signal {
            Some(signal) => signal.recv().await,
            None => None,
        };
        if came.is_none() {
            std::future::pending::<()>().await;
        }
    }
    tokio::select! {
        () = next(terminate) => {}
        () = next(interrupt) => {}
    }
}
