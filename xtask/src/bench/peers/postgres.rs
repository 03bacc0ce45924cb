//! Postgres as a queue: rows that producers insert, a batch in one statement, and consumers delete by `FOR UPDATE SKIP LOCKED`.
//!
//! What is spoken is its own protocol, version 3, with prepared statements and binary arrays. A batch is received with the deletion of
//! its rows, and settled with the commit of that. The server has the settings that it is delivered with: it syncs every commit.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;

use super::super::drive::{Done, Work, drive};
use super::super::say;
use super::super::served::{Served, free_port, listens};
use super::wire::Wire;
use crate::guests::{apt, process};
use crate::interrupt::Interrupt;
use crate::poll;

/// Debian's package, and the user that it makes.
const PACKAGE: &str = "postgresql";
const USER: &str = "postgres";

/// Where Debian has its programs, below the version.
const PROGRAMS: &str = "/usr/lib/postgresql";

/// Before a consumer that found nothing looks again.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(5);

const TABLE: &str = "CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, data text NOT NULL)";

/// What is prepared, each under its name.
const STATEMENTS: [(&str, &str); 4] = [
    ("begin", "BEGIN"),
    ("commit", "COMMIT"),
    ("send", "INSERT INTO orders (data) SELECT unnest($1::text[])"),
    (
        "receive",
        "DELETE FROM orders WHERE id = ANY(ARRAY(SELECT id FROM orders ORDER BY id LIMIT $1::bigint FOR UPDATE SKIP LOCKED)) RETURNING id, data",
    ),
];

/// The type of the elements of an array of texts.
const TEXT: u32 = 25;

/// The folder of the server's programs; it is installed where that may be done.
pub fn programs() -> Result<PathBuf> {
    if newest().is_none() {
        say(&format!("installing Debian's {PACKAGE}"));
        apt::install(PACKAGE)?;
    }
    newest().with_context(|| format!("the package {PACKAGE} brought no program `postgres`"))
}

fn newest() -> Option<PathBuf> {
    let versions = fs::read_dir(PROGRAMS).ok()?.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    versions.filter(|programs| programs.join("postgres").is_file()).max()
}

/// What it says its version is.
pub fn version(programs: &Path) -> Result<String> {
    let text = process::output(Command::new(programs.join("postgres")).arg("--version"))?;
    Ok(text.split_whitespace().nth(2).unwrap_or("of unknown version").to_owned())
}

/// Starts a server with its files in `folder`, as the user that it is to run as where this is root, and makes the table.
pub fn start(programs: &Path, folder: &Path, interrupt: &Interrupt) -> Result<(Served, u16)> {
    let (port, data) = (free_port()?, folder.join("data"));
    fs::create_dir(&data)?;
    let user = if rustix::process::geteuid().is_root() { Some(user()?) } else { None };
    let own = |program: &str| {
        let mut command = Command::new(programs.join(program));
        command.current_dir("/").env("LC_ALL", "C.UTF-8");
        if let Some((uid, gid)) = user {
            command.uid(uid).gid(gid);
        }
        command
    };
    if let Some((uid, gid)) = user {
        chown(folder, Some(uid), Some(gid))?;
        chown(&data, Some(uid), Some(gid))?;
    }
    process::output(own("initdb").args(["--auth", "trust", "--username", USER, "--pgdata"]).arg(&data))?;
    let mut command = own("postgres");
    command.arg("-D").arg(&data).args(["-h", "127.0.0.1", "-p", &port.to_string(), "-k", ""]);
    let answers = || listens(port) && Postgres::connect(port).is_ok();
    let server = Served::start(command, &folder.join("postgres.log"), Some(Signal::QUIT), interrupt, answers)?;
    let mut postgres = Postgres::connect(port)?;
    postgres.prepare("table", TABLE);
    postgres.execute("table", &[]);
    postgres.sync()?;
    Ok((server, port))
}

/// The number of the user and of its group.
fn user() -> Result<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd")?;
    let line = users.lines().find_map(|line| line.strip_prefix(USER)?.strip_prefix(':'));
    let mut fields = line.with_context(|| format!("there is no user {USER}"))?.split(':').skip(1);
    let mut number = || anyhow::Ok(fields.next().context("a line of /etc/passwd is short")?.parse()?);
    Ok((number()?, number()?))
}

/// Inserts and deletes; `payloads` are the batches, taken in turns.
pub fn run(port: u16, payloads: &[Vec<String>], work: Work, interrupt: &Interrupt) -> Result<Done> {
    let batches: Vec<_> = payloads.iter().map(|batch| array(batch)).collect();
    let (batches, batch) = (&batches, work.batch);
    let producer = || {
        let mut postgres = Postgres::ready(port)?;
        Ok(move |number: usize| {
            postgres.execute("send", &[batches.get(number % batches.len().max(1)).context("no payloads")?]);
            ensure!(postgres.sync()?.rows_changed == batch, "Postgres took another number of rows");
            Ok(())
        })
    };
    let consumer = |_| {
        let mut postgres = Postgres::ready(port)?;
        Ok(move || postgres.settle(batch))
    };
    let done = drive(work, interrupt, producer, consumer)?;
    let mut postgres = Postgres::connect(port)?;
    postgres.prepare("left", "SELECT 1 FROM orders LIMIT 1");
    postgres.execute("left", &[]);
    ensure!(postgres.sync()?.rows == 0, "rows are left that were deleted");
    Ok(done)
}

/// One connection.
struct Postgres {
    wire: Wire,
}

/// What statements gave, up to a synchronisation.
#[derive(Default)]
struct Given {
    /// Rows that were read.
    rows: usize,
    /// Rows that the last statement is said to have changed.
    rows_changed: usize,
}

impl Postgres {
    fn connect(port: u16) -> Result<Self> {
        let mut wire = Wire::connect(port)?;
        let mut hello = 196_608_u32.to_be_bytes().to_vec();
        hello.extend_from_slice(format!("user\0{USER}\0database\0{USER}\0\0").as_bytes());
        let length = u32::try_from(hello.len() + 4)?;
        wire.out().extend_from_slice(&length.to_be_bytes());
        wire.out().extend_from_slice(&hello);
        wire.flush()?;
        let mut postgres = Self { wire };
        postgres.read()?;
        Ok(postgres)
    }

    /// A connection with all statements prepared.
    fn ready(port: u16) -> Result<Self> {
        let mut postgres = Self::connect(port)?;
        STATEMENTS.iter().for_each(|(name, statement)| postgres.prepare(name, statement));
        postgres.sync()?;
        Ok(postgres)
    }

    fn put(&mut self, kind: u8, payload: &[u8]) {
        let length = u32::try_from(payload.len() + 4).unwrap_or(u32::MAX);
        let out = self.wire.out();
        out.push(kind);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(payload);
    }

    fn prepare(&mut self, name: &str, statement: &str) {
        self.put(b'P', format!("{name}\0{statement}\0\0\0").as_bytes());
    }

    /// Runs a prepared statement with these parameters, which are binary, as its rows will be.
    fn execute(&mut self, name: &str, parameters: &[&[u8]]) {
        let mut bind = format!("\0{name}\0").into_bytes();
        bind.extend_from_slice(&[0, 1, 0, 1]);
        bind.extend_from_slice(&u16::try_from(parameters.len()).unwrap_or(0).to_be_bytes());
        for parameter in parameters {
            bind.extend_from_slice(&u32::try_from(parameter.len()).unwrap_or(0).to_be_bytes());
            bind.extend_from_slice(parameter);
        }
        bind.extend_from_slice(&[0, 1, 0, 1]);
        self.put(b'B', &bind);
        self.put(b'E', &[0, 0, 0, 0, 0]);
    }

    /// Sends all that was put, and reads until the server is ready again.
    fn sync(&mut self) -> Result<Given> {
        self.put(b'S', &[]);
        self.wire.flush()?;
        self.read()
    }

    fn read(&mut self) -> Result<Given> {
        let mut given = Given::default();
        loop {
            let [kind, length @ ..] = self.wire.array::<5>()?;
            let payload = self.wire.bytes((u32::from_be_bytes(length) as usize).saturating_sub(4))?;
            match kind {
                b'D' => given.rows += 1,
                b'C' => given.rows_changed = changed(&payload).unwrap_or(given.rows_changed),
                b'E' => bail!("Postgres: {}", String::from_utf8_lossy(&payload).replace('\0', " ")),
                b'Z' => return Ok(given),
                _ => {}
            }
        }
    }

    /// Receives so many rows at most, and settles them.
    fn settle(&mut self, max: usize) -> Result<usize> {
        self.execute("begin", &[]);
        self.execute("receive", &[&(max as u64).to_be_bytes()]);
        let rows = self.sync()?.rows;
        self.execute("commit", &[]);
        self.sync()?;
        if rows == 0 {
            poll::pause(PAUSE);
        }
        Ok(rows)
    }
}

/// How many rows a statement changed, by what it says that it did, such as `INSERT 0 100`.
fn changed(said: &[u8]) -> Option<usize> {
    let said = std::str::from_utf8(said).ok()?.trim_end_matches('\0');
    said.rsplit(' ').next()?.parse().ok()
}

/// An array of texts, as a parameter: one dimension from 1 on, nothing in it that is null.
fn array(texts: &[String]) -> Vec<u8> {
    let number = |number: usize| u32::try_from(number).unwrap_or(0).to_be_bytes();
    let mut array = Vec::new();
    for part in [1, 0, TEXT as usize, texts.len(), 1] {
        array.extend_from_slice(&number(part));
    }
    for text in texts {
        array.extend_from_slice(&number(text.len()));
        array.extend_from_slice(text.as_bytes());
    }
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_statement_changed_is_read() {
        assert_eq!(changed(b"INSERT 0 100\0"), Some(100));
        assert_eq!(changed(b"DELETE 7\0"), Some(7));
        assert_eq!(changed(b"COMMIT\0"), None);
    }

    #[test]
    fn an_array_has_its_length_and_that_of_each() {
        let array = array(&["a".to_owned(), "bc".to_owned()]);
        assert_eq!(array.len(), 5 * 4 + 4 + 1 + 4 + 2);
        assert!(array.ends_with(b"\0\0\0\x01a\0\0\0\x02bc"));
    }
}
