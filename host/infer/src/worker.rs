//! A worker as its host sees it: somewhere to write to, somewhere to read from, and a way to end it.
//!
//! Invariant: one that did not answer as it should is ended and never asked again. It ends too when nobody has it any more.

use std::{
    io::{self, Read, Write},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::{Description, Failed, Tensor, failed::short, frame};

/// Ends a worker.
pub trait Ends: Send + Sync {
    /// Ends it, whatever it does. May be called again.
    fn end(&self);

    /// Whether it has not ended.
    fn lives(&self) -> bool;

    /// How it ended, in words; waits until it has.
    fn how(&self) -> String;
}

/// A worker that was started.
pub struct Started {
    /// What it hears.
    pub input: Box<dyn Write + Send>,
    /// What it says.
    pub output: Box<dyn Read + Send>,
    /// What ends it.
    pub ends: Arc<dyn Ends>,
}

/// Starts workers, each of which does what [`crate::serve`] does.
pub trait Start: Send + Sync + 'static {
    /// Starts one.
    ///
    /// # Errors
    /// When it cannot be started.
    fn start(&self) -> io::Result<Started>;
}

/// Whoever waits for a worker holds one: what is given up ends the worker.
#[derive(Default)]
pub(crate) struct Leash(Mutex<Held>);

#[derive(Default)]
struct Held {
    given_up: bool,
    asked: bool,
    ends: Option<Arc<dyn Ends>>,
}

impl Leash {
    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tie(&self, ends: &Arc<dyn Ends>) {
        let mut held = self.held();
        if held.given_up {
            ends.end();
        }
        held.ends = Some(Arc::clone(ends));
    }

    /// Lets the worker go unharmed; false where it was given up.
    pub(crate) fn untie(&self) -> bool {
        let mut held = self.held();
        held.ends = None;
        !held.given_up
    }

    /// Whether a model was asked, which was ready by then.
    pub(crate) fn has_asked(&self) -> bool {
        self.held().asked
    }

    pub(crate) fn give_up(&self) {
        let mut held = self.held();
        held.given_up = true;
        held.ends.iter().for_each(|ends| ends.end());
    }
}

/// A worker with its model.
pub(crate) struct Worker {
    started: Started,
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.started.ends.end();
    }
}

/// What a worker answered, and for how long its model ran.
pub(crate) type Answered = Result<(Vec<Tensor>, Duration), Failed>;

impl Worker {
    /// Starts one and gives it a model.
    pub(crate) fn load(start: &dyn Start, model: &[u8], leash: &Leash) -> Result<(Self, Description), Failed> {
        let started = start.start().map_err(|error| Failed::Host(format!("no worker can be started: {error}")))?;
        let mut worker = Self { started };
        leash.tie(&worker.started.ends);
        let (letter, body) = worker.exchange(frame::LOAD, model)?;
        match letter {
            frame::DESCRIBED => match serde_json::from_slice::<Description>(&body) {
                Ok(description) => Ok((worker, description)),
                Err(_) => Err(babble()),
            },
            frame::FAILED => Err(why(&body)),
            _ => Err(babble()),
        }
    }

    /// Whether it can be asked.
    pub(crate) fn lives(&self) -> bool {
        self.started.ends.lives()
    }

    /// Asks it. One that is lost is not given back.
    pub(crate) fn run(mut self, tensors: &[Tensor], leash: &Leash) -> (Option<Self>, Answered) {
        leash.tie(&self.started.ends);
        let asked = frame::encode(tensors).map_err(|error| Failed::Invalid(error.to_string()));
        let asked = match asked {
            Ok(asked) => asked,
            Err(failed) => return (Some(self), Err(failed)),
        };
        leash.held().asked = true;
        let began = Instant::now();
        match self.exchange(frame::RUN, &asked) {
            Err(lost) => (None, Err(lost)),
            Ok((frame::TENSORS, body)) => match told(&body) {
                // It cannot have run for longer than that.
                Ok((told, took)) => (Some(self), Ok((told, took.min(began.elapsed())))),
                Err(_) => (None, Err(babble())),
            },
            Ok((frame::FAILED, body)) => (Some(self), Err(why(&body))),
            Ok(_) => (None, Err(babble())),
        }
    }

    fn exchange(&mut self, letter: u8, body: &[u8]) -> Result<(u8, Vec<u8>), Failed> {
        let said = frame::write(&mut *self.started.input, letter, &[body]);
        let heard = said.and_then(|()| frame::read(&mut *self.started.output));
        match heard {
            Ok(Some(heard)) => Ok(heard),
            Ok(None) | Err(_) => {
                self.started.ends.end();
                Err(Failed::Model(short(&self.started.ends.how())))
            }
        }
    }
}

fn told(body: &[u8]) -> io::Result<(Vec<Tensor>, Duration)> {
    let (took_us, tensors) = body.split_first_chunk::<8>().ok_or(io::ErrorKind::InvalidData)?;
    Ok((frame::decode(tensors)?, Duration::from_micros(u64::from_le_bytes(*took_us))))
}

fn why(body: &[u8]) -> Failed {
    serde_json::from_slice(body).unwrap_or_else(|_| babble())
}

/// What it says makes no sense.
fn babble() -> Failed {
    Failed::Host("the worker said something that makes no sense".to_owned())
}
