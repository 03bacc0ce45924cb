//! The `wharf` binary.

mod adapter;
mod cli;
mod config;
mod dev;
mod failure;
mod folder;
mod load;
mod logging;
mod serve;
mod wire;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Cli {
    #[arg(short, long, global = true, default_value = "text")]
    output: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(cli::ServeArgs),
    Dev(cli::DevArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.output == "json";
    let done = match cli.command {
        Command::Serve(args) => serve::run(args, json),
        Command::Dev(args) => dev::run(args, json),
    };
    done.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}
