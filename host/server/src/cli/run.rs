//! From the command line to the exit status.
//!
//! Invariant: whatever happens is told once and ends in one of the exit statuses of `Exit`. Hosts build threads of their own;
//! clients run on this one.

use std::{io::Write as _, process::ExitCode};

use clap::{ArgMatches, FromArgMatches as _, error::ErrorKind};

use super::{
    args::{Cli, Command, Format, Global},
    backup, bench, build, check, completions, componentize, config, conformance, deploy, dlq, doctor,
    error::{CommandError, Exit},
    events, explain, groups, inspect, invoke, keys, kv, match_lines,
    meant::Written,
    model, new,
    output::Output,
    plugin, prompt, queue, replay,
    report::{is_json_wanted, misused, report},
    restore, route, rules, schedule,
    schedule::ScheduleCommand,
    schema, secret, send,
    signing::{self, KeyCommand},
    stats, tail, tenant, test, top, topic, trace, usage, webhook,
};
use crate::{compiler, dev, infer, serve};

/// Does what the command line says.
pub fn run() -> ExitCode {
    let mut known = groups::command();
    let parsed = known.try_get_matches_from_mut(std::env::args_os());
    let parsed = parsed.and_then(|matches| Cli::from_arg_matches(&matches).map(|cli| (cli, matches)));
    let (Cli { global, command }, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) if error.kind() == ErrorKind::MissingSubcommand && std::env::args_os().len() == 1 => {
            // Somebody who only says `wharf` wants to know what there is.
            let _ = write!(anstream::stderr(), "{}", groups::command().render_help().ansi());
            return Exit::Usage.into();
        }
        Err(error) if error.use_stderr() => {
            let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
            return misused(&error, is_json_wanted(words)).into();
        }
        Err(error) => {
            // Help goes to stdout; that nobody reads it changes nothing.
            let _ = error.print();
            return Exit::Success.into();
        }
    };
    let json = global.output == Format::Json;
    let done = match command {
        Command::Serve(args) => serve::run(args, json),
        Command::Dev(args) => dev::run(args, json),
        Command::Compile => compiler::run().map(|()| Exit::Success.into()),
        Command::Infer => infer::run().map(|()| Exit::Success.into()),
        Command::Doctor(args) => doctor::run(&args, &mut Output::new(global.output)).map(Into::into),
        Command::Backup(args) => backup::run(&args, &mut Output::new(global.output)).map(Into::into),
        Command::Restore(args) => restore::run(&args, &mut Output::new(global.output)).map(Into::into),
        Command::Bench(args) => {
            bench::run(&args, &global, &mut Output::new(global.output)).map(Into::into).map_err(Into::into)
        }
        Command::Config { command } => {
            config::run(&command, below(&known, &matches, &["config", "show"]), &mut Output::new(global.output))
                .map(Into::into)
        }
        Command::Match => match_lines::run().map(Into::into).map_err(Into::into),
        Command::Inspect { file } => inspect::run(&file, &mut Output::new(global.output)).map(Into::into),
        Command::Invoke(args) => invoke::run(*args, &mut Output::new(global.output)).map(Into::into),
        Command::New(args) => new::run(&args, &mut Output::new(global.output)).map(Into::into),
        Command::Build(args) => build::run(&args, &mut Output::new(global.output)).map(Into::into),
        Command::Componentize(args) => componentize::run(&args, &mut Output::new(global.output)).map(Into::into),
        Command::Conformance(args) => conformance::run(&args, &mut Output::new(global.output)).map(Into::into),
        Command::Test(args) => test::run(&args, &mut Output::new(global.output)).map(Into::into),
        Command::Key { command: KeyCommand::Generate { out } } => {
            signing::generate(&out, &mut Output::new(global.output)).map(Into::into)
        }
        Command::Sign(args) => signing::sign(&args, &mut Output::new(global.output)).map(Into::into),
        Command::Verify(args) => signing::verify(&args, &mut Output::new(global.output)).map(Into::into),
        Command::Schedule { command: ScheduleCommand::Next(args) } => {
            schedule::next(&args, &mut Output::new(global.output)).map(Into::into).map_err(Into::into)
        }
        Command::Completions { shell } => {
            completions::completions(shell, &mut Output::new(global.output)).map(Into::into)
        }
        Command::Man { folder } => completions::man(&folder).map(Into::into),
        Command::Check(args) => check::run(&args, &mut Output::new(global.output)).map(Into::into),
        Command::Log { command } => doctor::log(&command, &mut Output::new(global.output)).map(Into::into),
        client => {
            runtime().and_then(|runtime| runtime.block_on(ask(client, &global))).map(Into::into).map_err(Into::into)
        }
    };
    done.unwrap_or_else(|error| report(&error, json).into())
}

/// A command below `known`, and what was said to it, if it was the one that was given.
fn below<'a>(
    mut known: &'a clap::Command,
    mut matches: &'a ArgMatches,
    path: &[&str],
) -> Option<(&'a clap::Command, &'a ArgMatches)> {
    for name in path {
        (known, matches) = (known.find_subcommand(name)?, matches.subcommand_matches(name)?);
    }
    Some((known, matches))
}

fn runtime() -> Result<tokio::runtime::Runtime, CommandError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CommandError::Start)
}

/// Asks a host; a name that it does not know is told together with the one that was meant.
async fn ask(command: Command, global: &Global) -> Result<Exit, CommandError> {
    let written = Written::of(&command);
    let refusal = match answered(command, global).await {
        Err(refusal) => refusal,
        done => return done,
    };
    Err(match written.meant(&refusal, global).await {
        Some(meant) => CommandError::Mistyped { refusal: Box::new(refusal), meant },
        None => refusal,
    })
}

async fn answered(command: Command, global: &Global) -> Result<Exit, CommandError> {
    let mut out = Output::new(global.output);
    match command {
        Command::Send(args) => send::run(args, global, &mut out).await,
        Command::Tail(args) => tail::run(args, global, &mut out).await,
        Command::Top(args) => top::run(args, global, &mut out).await,
        Command::Events { command } => events::run(command, global, &mut out).await,
        Command::Trace(args) => trace::run(args, global, &mut out).await,
        Command::Kv { command } => kv::run(command, global, &mut out).await,
        Command::Stats => stats::run(global, &mut out).await,
        Command::Usage(args) => usage::run(args, global, &mut out).await,
        Command::Rules { command } => rules::run(command, global, &mut out).await,
        Command::Replay { command } => replay::run(command, global, &mut out).await,
        Command::Schedule { command } => schedule::run(command, global, &mut out).await,
        Command::Tenant { command } => tenant::run(command, global, &mut out).await,
        Command::Bus { command } => tenant::bus(command, global, &mut out).await,
        Command::Plugin { command } => plugin::run(command, global, &mut out).await,
        Command::Key { command: KeyCommand::Registered(command) } => keys::run(command, global, &mut out).await,
        Command::Grant { command } => plugin::grant(command, global, &mut out).await,
        Command::Model { command } => model::run(command, global, &mut out).await,
        Command::Prompt { command } => prompt::run(command, global, &mut out).await,
        Command::Secret { command } => secret::run(command, global, &mut out).await,
        Command::Deploy(args) => deploy::run(args, global, &mut out).await,
        Command::Promote(args) => plugin::promote(args, global, &mut out).await,
        Command::Rollback(args) => plugin::roll_back(args, global, &mut out).await,
        Command::Schema { command } => schema::run(command, global, &mut out).await,
        Command::Route { command } => route::run(command, global, &mut out).await,
        Command::Webhook { command } => webhook::run(command, global, &mut out).await,
        Command::Queue { command } => queue::run(command, global, &mut out).await,
        Command::Topic { command } => topic::run(command, global, &mut out).await,
        Command::Dlq { command } => dlq::run(command, global, &mut out).await,
        Command::Explain { code } => explain::run(code.as_deref(), &mut out),
        // These were run before; they are no clients.
        Command::Serve(_)
        | Command::Dev(_)
        | Command::Compile
        | Command::Infer
        | Command::Doctor(_)
        | Command::Backup(_)
        | Command::Restore(_)
        | Command::Bench(_)
        | Command::Log { .. }
        | Command::Config { .. }
        | Command::Match
        | Command::Check(_)
        | Command::Inspect { .. }
        | Command::Invoke(_)
        | Command::New(_)
        | Command::Build(_)
        | Command::Componentize(_)
        | Command::Conformance(_)
        | Command::Test(_)
        | Command::Key { command: KeyCommand::Generate { .. } }
        | Command::Sign(_)
        | Command::Verify(_)
        | Command::Completions { .. }
        | Command::Man { .. } => Ok(Exit::Success),
    }
}
