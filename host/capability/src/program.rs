//! Programs (`wasi:cli/command`) as handlers: the event on stdin, what they publish on stdout, a line of JSON each.
//!
//! Invariant: what a program published counts when it ended with status 0 and every line of its stdout could be read; else nothing of it is kept,
//! as of any attempt. Its stdout is bounded as what an attempt may publish is, and is no part of its log.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use wasmtime::Store;
use wasmtime_wasi::{
    I32Exit,
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamError, StreamResult, bindings::CommandPre, pipe::MemoryInputPipe},
};
use wharf_delivery::HostLimits;
use wharf_event::{Event, SaidLine};

use crate::{
    Attempt,
    bindings::wharf::plugin::{
        publisher::{Draft, PublishError},
        types::{Attribute, Failure, RetryRequest},
    },
    effects::bytes,
    inert::STDERR,
    spent::Spent,
};

/// Characters of what a program said that a reason repeats.
const SAID_CHARS_MAX: usize = 200;

/// Bytes that a stream takes at a time.
const CHUNK: usize = 64 << 10;

/// The standard streams of a program.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    event: Bytes,
    out: Said,
}

impl Streams {
    pub(crate) fn stdin(&self) -> MemoryInputPipe {
        MemoryInputPipe::new(self.event.clone())
    }

    pub(crate) fn stdout(&self) -> Said {
        self.out.clone()
    }
}

/// What was written to stdout.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    bytes: Arc<Mutex<BytesMut>>,
    kib: u32,
}

impl Said {
    fn take(&self) -> Bytes {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).split().freeze()
    }
}

impl IsTerminal for Said {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Said {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only the p2 streams below are ever linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Said {
    fn write(&mut self, more: Bytes) -> StreamResult<()> {
        let mut said = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() + more.len() > bytes(self.kib) {
            return Err(StreamError::Trap(Spent::PublishedBytes(self.kib).into()));
        }
        said.extend_from_slice(&more);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(CHUNK)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Said {
    async fn ready(&mut self) {}
}

/// Runs a program on the event of its attempt, and gives how the attempt ends.
///
/// # Errors
/// When it traps or a limit ends it.
pub async fn run_program(
    program: &CommandPre<Attempt>,
    store: &mut Store<Attempt>,
) -> wasmtime::Result<Result<(), Failure>> {
    let out = store.data_mut().becomes_program();
    let instance = program.instantiate_async(&mut *store).await?;
    let is_well = match instance.wasi_cli_run().call_run(&mut *store).await {
        Ok(status) => status.is_ok(),
        Err(error) => match error.downcast_ref() {
            Some(I32Exit(status)) => *status == 0,
            None => return Err(error),
        },
    };
    store.data_mut().ended(&out.take(), is_well)
}

impl Attempt {
    /// Gives it the streams of a program, before it asks for any.
    fn becomes_program(&mut self) -> Said {
        let HostLimits { publish_kib, .. } = self.limits.host;
        let out = Said { bytes: Arc::default(), kib: publish_kib };
        let mut event = self.context.event.to_json();
        event.push(b'\n');
        self.program = Some(Streams { event: event.into(), out: out.clone() });
        out
    }

    /// What a program's end means: what it said is published, unless it ended badly or said something that is no event.
    fn ended(&mut self, said: &Bytes, is_well: bool) -> wasmtime::Result<Result<(), Failure>> {
        let source = format!("plugin/{}", self.context.plugin);
        let mut drafts = Vec::new();
        for (n, line) in (1..).zip(said.split(|byte| *byte == b'\n')) {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            match SaidLine::from_json(&said.slice_ref(line), &source) {
                Ok(SaidLine::Reject(reason)) => return Ok(Err(Failure::Reject(reason))),
                Ok(SaidLine::Event(event)) => drafts.push(draft(&event)),
                // What it ended with says more than a line that it may have been writing.
                Err(_) if !is_well => {}
                Err(error) => {
                    let line = String::from_utf8_lossy(line);
                    // Before it is cut: of a secret that was cut off the rest is not found.
                    let line: String =
                        self.log.redact(&line, 4 * SAID_CHARS_MAX).chars().take(SAID_CHARS_MAX).collect();
                    return Ok(Err(retry(format!("line {n} of its stdout is no event: {error}: {line}"))));
                }
            }
        }
        if !is_well {
            let last = self.log.last_by(STDERR).unwrap_or_else(|| "it ended with a status that is not 0".to_owned());
            return Ok(Err(retry(last)));
        }
        for draft in drafts {
            match self.drafted(draft, None) {
                Ok(event) => self.effects.publish(event)?,
                Err(PublishError::Denied(reason) | PublishError::Invalid(reason)) => return Ok(Err(retry(reason))),
            }
        }
        Ok(Ok(()))
    }
}

fn retry(reason: String) -> Failure {
    Failure::Retry(RetryRequest { after_ms: None, reason })
}

/// What is published of an event that a program wrote: its id and its time are the host's to say.
fn draft(event: &Event) -> Draft {
    let text = |value: Option<&str>| value.map(str::to_owned);
    Draft {
        type_: event.kind().to_owned(),
        source: Some(event.source().to_owned()),
        subject: text(event.subject()),
        datacontenttype: text(event.datacontenttype()),
        extensions: event
            .extensions()
            .iter()
            .map(|(name, value)| Attribute { name: name.to_string(), value: value.to_string() })
            .collect(),
        data: event.data().map(|data| data.bytes().to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hold::tests::{VALUE, holding};

    #[test]
    fn a_line_that_is_no_event_is_told_without_the_secrets_that_it_has() {
        let told = |line: String| match holding(VALUE).ended(&Bytes::from(line), true).unwrap() {
            Err(Failure::Retry(RetryRequest { reason, .. })) => reason,
            other => panic!("{other:?}"),
        };
        assert!(told(format!("it is {VALUE}")).ends_with(": it is [secret:signing]"));
        assert!(told(format!("{}{VALUE}", "-".repeat(SAID_CHARS_MAX - 10))).ends_with("--[secret:si"));
    }
}
