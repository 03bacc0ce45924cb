//! The peer's clients: producers that append to one stream, and a group of consumers that read and acknowledge.
//!
//! Invariant: a run counts only if every entry was appended, read and acknowledged once. The commands of producers are encoded
//! ahead, as the batches of the other side are.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use redis::{Client, Commands, Connection, ConnectionLike, Value};

use super::cpu;
use super::drive::{Done, End, Work, drive};
use super::load::BATCH;
use super::peer::Server;
use super::redis::Run;
use crate::interrupt::Interrupt;

const STREAM: &str = "orders";
const GROUP: &str = "counter";

/// How long a consumer waits for entries before it looks whether all are done, in milliseconds.
const BLOCK_MS: usize = 20;

/// The batches as commands, a pipeline each.
pub fn pipelines<'a>(batches: impl Iterator<Item = &'a [String]>) -> Vec<Vec<u8>> {
    let pipeline = |batch: &[String]| {
        let mut pipeline = redis::pipe();
        for payload in batch {
            pipeline.cmd("XADD").arg(STREAM).arg("*").arg("data").arg(payload);
        }
        pipeline.get_packed_pipeline()
    };
    batches.map(pipeline).collect()
}

/// Appends all batches to a server of its own and waits until every entry is acknowledged.
pub fn run(program: &Path, folder: &Path, pipelines: &[Vec<u8>], interrupt: &Interrupt) -> Result<Run> {
    let folder = tempfile::Builder::new().prefix("redis-").tempdir_in(folder)?;
    let server = Server::start(program, folder.path(), interrupt)?;
    prepare(&server)?;
    let pid = server.served().pid();
    let work = Work { batch: BATCH, end: End::Batches(pipelines.len()), waiting_max: usize::MAX, per_s: None };
    let cpu = cpu::used(pid)?;
    let done = relay(&server, pipelines, work, interrupt)?;
    Ok(Run::new(done.events as u64, done.time, cpu::used(pid)?.saturating_sub(cpu)))
}

/// Makes the stream and the group.
pub fn prepare(server: &Server) -> Result<()> {
    let mut connection = Client::open(server.url())?.get_connection()?;
    let (_, sync): (String, String) = redis::cmd("CONFIG").arg("GET").arg("appendfsync").query(&mut connection)?;
    ensure!(sync == "always", "Redis was to sync every write and has `appendfsync {sync}`");
    Ok(connection.xgroup_create_mkstream(STREAM, GROUP, "0")?)
}

/// Appends, reads and acknowledges; the pipelines are taken in turns.
pub fn relay(server: &Server, pipelines: &[Vec<u8>], work: Work, interrupt: &Interrupt) -> Result<Done> {
    let client = Client::open(server.url())?;
    let mut connection = client.get_connection()?;
    let before: usize = connection.xlen(STREAM)?;
    let producer = || {
        let mut connection = client.get_connection()?;
        Ok(move |number: usize| {
            let pipeline = pipelines.get(number % pipelines.len().max(1)).context("there is no pipeline")?;
            append(&mut connection, pipeline, work.batch)
        })
    };
    let consumer = |number: usize| {
        let mut connection = client.get_connection()?;
        let mut read = redis::cmd("XREADGROUP");
        read.arg("GROUP").arg(GROUP).arg(format!("consumer-{number}")).arg("COUNT").arg(work.batch);
        read.arg("BLOCK").arg(BLOCK_MS).arg("STREAMS").arg(STREAM).arg(">");
        Ok(move || {
            let answer: Value = read.query(&mut connection)?;
            let ids = ids(&answer);
            if ids.is_empty() {
                return Ok(0);
            }
            let count = acknowledge(&mut connection, &ids)?;
            ensure!(count == ids.len(), "{count} of {} entries were acknowledged", ids.len());
            Ok(count)
        })
    };
    let done = drive(work, interrupt, producer, consumer)?;
    let length: usize = connection.xlen(STREAM)?;
    let waiting: redis::streams::StreamPendingReply = connection.xpending(STREAM, GROUP)?;
    ensure!(length - before == done.events, "{} entries were appended, and the stream has {length}", done.events);
    ensure!(waiting.count() == 0, "{} entries are not acknowledged", waiting.count());
    Ok(done)
}

fn append(connection: &mut Connection, pipeline: &[u8], batch: usize) -> Result<()> {
    let ids = connection.req_packed_commands(pipeline, 0, batch)?;
    ensure!(ids.len() == batch, "a batch was answered with {} ids", ids.len());
    ids.into_iter().try_for_each(|id| id.extract_error().map(drop)).context("appending to the stream")
}

fn acknowledge(connection: &mut Connection, ids: &[&[u8]]) -> Result<usize> {
    Ok(connection.xack(STREAM, GROUP, ids)?)
}

/// The ids in an answer to `XREADGROUP`: a list of streams, each a name and a list of entries, each an id and its fields. The
/// fields are read by the client as they are, and not copied again.
fn ids(answer: &Value) -> Vec<&[u8]> {
    fn list(value: &Value) -> &[Value] {
        if let Value::Array(items) = value { items } else { &[] }
    }
    let streams = list(answer).iter();
    let entries = streams.filter_map(|stream| list(stream).get(1)).flat_map(list);
    let id = |entry| match list(entry).first() {
        Some(Value::BulkString(id)) => Some(id.as_slice()),
        _ => None,
    };
    entries.filter_map(id).collect()
}

#[cfg(test)]
mod tests {
    use super::super::load::Load;
    use super::*;

    #[test]
    fn ids_are_found_in_an_answer() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let entry = |id| Value::Array(vec![text(id), Value::Array(vec![text("data"), text("{}")])]);
        let answer =
            Value::Array(vec![Value::Array(vec![text(STREAM), Value::Array(vec![entry("1-0"), entry("1-1")])])]);
        assert_eq!(ids(&answer), [b"1-0", b"1-1"]);
        assert!(ids(&Value::Nil).is_empty());
    }

    #[test]
    fn a_batch_is_one_pipeline() {
        let pipelines = pipelines(Load::new(200).batches_of(BATCH));
        assert_eq!(pipelines.len(), 2);
        let commands = pipelines[0].windows(4).filter(|window| window == b"XADD").count();
        assert_eq!(commands, BATCH);
    }
}
