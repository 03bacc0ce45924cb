//! The peer's clients: producers that append to one stream, and a group of consumers that read and acknowledge.
//!
//! Invariant: a run counts only if every entry was appended, read and acknowledged once. The commands of producers are encoded
//! ahead, as the batches of the other side are.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use redis::{Client, Commands, Connection, ConnectionLike, Value};

use super::cpu;
use super::load::{BATCH, Load, PRODUCERS};
use super::peer::Server;
use super::redis::Run;
use crate::interrupt::Interrupt;

const STREAM: &str = "orders";
const GROUP: &str = "counter";

/// How long a consumer waits for entries before it looks whether all are done, in milliseconds.
const BLOCK_MS: usize = 20;

/// The batches as commands, a pipeline each.
pub fn pipelines(load: &Load) -> Vec<Vec<u8>> {
    let pipeline = |batch: &[String]| {
        let mut pipeline = redis::pipe();
        for payload in batch {
            pipeline.cmd("XADD").arg(STREAM).arg("*").arg("data").arg(payload);
        }
        pipeline.get_packed_pipeline()
    };
    load.batches().map(pipeline).collect()
}

/// Appends all batches and waits until every entry is acknowledged.
pub fn run(program: &Path, folder: &Path, pipelines: &[Vec<u8>], interrupt: &Interrupt) -> Result<Run> {
    let folder = tempfile::Builder::new().prefix("redis-").tempdir_in(folder)?;
    let server = Server::start(program, folder.path(), interrupt)?;
    let client = Client::open(server.url())?;
    let mut connection = client.get_connection()?;
    let (_, sync): (String, String) = redis::cmd("CONFIG").arg("GET").arg("appendfsync").query(&mut connection)?;
    ensure!(sync == "always", "Redis was to sync every write and has `appendfsync {sync}`");
    let () = connection.xgroup_create_mkstream(STREAM, GROUP, "0")?;
    let (next, acknowledged) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let events = pipelines.len() * BATCH;
    let (start, cpu) = (Instant::now(), cpu::used(server.pid())?);
    thread::scope(|scope| {
        let producers = (0..PRODUCERS).map(|_| scope.spawn(|| produce(&client, pipelines, &next, interrupt)));
        let consumers = (0..PRODUCERS).map(|n| {
            let (client, acknowledged) = (&client, &acknowledged);
            scope.spawn(move || consume(client, &format!("consumer-{n}"), events, acknowledged, interrupt))
        });
        let all: Vec<_> = producers.chain(consumers).collect();
        all.into_iter().try_for_each(|one| one.join().ok().context("a client ended in a panic")?)
    })?;
    let run = Run::new(events as u64, start.elapsed(), cpu::used(server.pid())?.saturating_sub(cpu));
    let length: usize = connection.xlen(STREAM)?;
    let waiting: redis::streams::StreamPendingReply = connection.xpending(STREAM, GROUP)?;
    ensure!(length == events, "{events} entries were appended, and the stream has {length}");
    ensure!(waiting.count() == 0, "{} entries are not acknowledged", waiting.count());
    Ok(run)
}

fn produce(client: &Client, pipelines: &[Vec<u8>], next: &AtomicUsize, interrupt: &Interrupt) -> Result<()> {
    let mut connection = client.get_connection()?;
    while let Some(pipeline) = pipelines.get(next.fetch_add(1, Ordering::Relaxed)) {
        interrupt.check()?;
        let ids = connection.req_packed_commands(pipeline, 0, BATCH)?;
        ensure!(ids.len() == BATCH, "a batch was answered with {} ids", ids.len());
        for id in ids {
            id.extract_error().context("appending to the stream")?;
        }
    }
    Ok(())
}

fn consume(
    client: &Client,
    name: &str,
    events: usize,
    acknowledged: &AtomicUsize,
    interrupt: &Interrupt,
) -> Result<()> {
    let mut connection = client.get_connection()?;
    let mut read = redis::cmd("XREADGROUP");
    read.arg("GROUP").arg(GROUP).arg(name).arg("COUNT").arg(BATCH).arg("BLOCK").arg(BLOCK_MS);
    read.arg("STREAMS").arg(STREAM).arg(">");
    while acknowledged.load(Ordering::Relaxed) < events {
        interrupt.check()?;
        let answer: Value = read.query(&mut connection)?;
        let ids = ids(&answer);
        if ids.is_empty() {
            continue;
        }
        let count = acknowledge(&mut connection, &ids)?;
        ensure!(count == ids.len(), "{count} of {} entries were acknowledged", ids.len());
        acknowledged.fetch_add(count, Ordering::Relaxed);
    }
    Ok(())
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
        let pipelines = pipelines(&Load::new(200));
        assert_eq!(pipelines.len(), 2);
        let commands = pipelines[0].windows(4).filter(|window| window == b"XADD").count();
        assert_eq!(commands, BATCH);
    }
}
