//! RabbitMQ: a quorum queue of one node, publishers with confirms, consumers that acknowledge many messages at once.
//!
//! A confirm comes when the message is in the write-ahead log and synced. That an acknowledgement was kept is nothing that the
//! protocol tells: messages count as settled when it is sent.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::super::drive::{Done, Work, drive};
use super::super::say;
use super::super::served::{Served, free_port, listens};
use super::amqp::Amqp;
use crate::guests::{apt, process};
use crate::interrupt::Interrupt;
use crate::poll;

/// Debian's package, and what of it is run: the script past the one that changes the user.
const PACKAGE: &str = "rabbitmq-server";
const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

const QUEUE: &str = "orders";

/// How long the queue may take to forget what was acknowledged.
const EMPTY_S_MAX: std::time::Duration = std::time::Duration::from_secs(10);

/// Where the server's program is; it is installed where that may be done.
pub fn program() -> Result<PathBuf> {
    let program = PathBuf::from(PROGRAM);
    if !program.is_file() {
        say(&format!("installing Debian's {PACKAGE}"));
        apt::install(PACKAGE)?;
    }
    Ok(program)
}

/// The version of the package.
pub fn version() -> Result<String> {
    let text = process::output(Command::new("dpkg-query").args(["--show", "--showformat=${Version}", PACKAGE]))?;
    Ok(text.split(['-', '+']).next().unwrap_or_default().to_owned())
}

/// A server with the daemon by which Erlang's nodes find each other, both on loopback only.
pub struct Rabbit {
    /// Before the daemon, so that it ends first.
    pub server: Served,
    _names: Served,
    port: u16,
}

impl Rabbit {
    /// Starts both, with all their files in `folder`, and makes the queue.
    pub fn start(program: &Path, folder: &Path, interrupt: &Interrupt) -> Result<Self> {
        let (port, names_port, nodes_port) = (free_port()?, free_port()?, free_port()?);
        let mut names = Command::new("epmd");
        names.args(["-address", "127.0.0.1", "-port", &names_port.to_string()]);
        let names = Served::start(names, &folder.join("epmd.log"), None, interrupt, || listens(names_port))?;
        let (enabled, config) = (folder.join("enabled_plugins"), folder.join("rabbitmq.conf"));
        fs::write(&enabled, "[].\n")?;
        fs::write(&config, format!("listeners.tcp.1 = 127.0.0.1:{port}\n"))?;
        let mut command = Command::new(program);
        command.current_dir(folder).env("HOME", folder);
        command.env("ERL_EPMD_ADDRESS", "127.0.0.1").env("ERL_EPMD_PORT", names_port.to_string());
        command.env("RABBITMQ_NODENAME", "bench@localhost").env("RABBITMQ_DIST_PORT", nodes_port.to_string());
        let nodes = "-kernel inet_dist_use_interface {127,0,0,1}";
        command.env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", nodes);
        for (name, file) in [
            ("RABBITMQ_MNESIA_BASE", folder.join("mnesia")),
            ("RABBITMQ_LOG_BASE", folder.join("log")),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", enabled),
            ("RABBITMQ_CONFIG_FILE", config),
            ("RABBITMQ_CONF_ENV_FILE", folder.join("none.conf")),
            ("RABBITMQ_PID_FILE", folder.join("rabbit.pid")),
        ] {
            command.env(name, file);
        }
        let answers = || listens(port) && Amqp::connect(port).is_ok();
        let server = Served::start(command, &folder.join("rabbit.log"), None, interrupt, answers)?;
        Amqp::connect(port)?.declare(QUEUE)?;
        Ok(Self { server, _names: names, port })
    }

    /// Publishes, consumes and acknowledges; `payloads` are the batches, taken in turns.
    pub fn run(&self, payloads: &[Vec<String>], work: Work, interrupt: &Interrupt) -> Result<Done> {
        let port = self.port;
        let producer = || {
            let mut amqp = Amqp::connect(port)?;
            amqp.confirm()?;
            let batch = move |number: usize| payloads.get(number % payloads.len().max(1)).context("no payloads");
            Ok(move |number: usize| amqp.publish(QUEUE, batch(number)?))
        };
        let consumer = |_| {
            let mut amqp = Amqp::connect(port)?;
            amqp.consume(QUEUE, u16::try_from(work.batch)?)?;
            Ok(move || amqp.settle(work.batch))
        };
        let done = drive(work, interrupt, producer, consumer)?;
        // Connections that ended give back what they had not acknowledged, which is to be nothing.
        let mut amqp = Amqp::connect(port)?;
        let emptied = poll::until("the queue to be empty", EMPTY_S_MAX, interrupt, || {
            Ok((amqp.declare(QUEUE)? == 0).then_some(()))
        });
        ensure!(emptied.is_ok(), "messages are in the queue that were acknowledged");
        Ok(done)
    }
}
