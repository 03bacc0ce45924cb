//! What a worker does: it takes one model, and then tensors as often as somebody has some.
//!
//! Invariant: it answers each message with one, in order, and ends when nothing more comes. What a model does to it is its end, and nobody else's.

use std::{
    io::{self, Read, Write},
    time::Instant,
};

use serde::Serialize;

use crate::{Description, Failed, Tensor, Unfit, frame};

/// A model that can be asked.
pub trait Asked {
    /// What it takes and gives.
    fn description(&self) -> &Description;

    /// Asks it: all its outputs, in its order.
    ///
    /// # Errors
    /// When what is asked does not fit it, needs too much, or it fails.
    fn run(&mut self, tensors: Vec<Tensor>) -> Result<Vec<Tensor>, Failed>;
}

/// Serves a host until it has nothing more to say, with what `load` makes of the model's bytes.
///
/// # Errors
/// When it cannot be heard, or says what makes no sense.
pub fn serve<M: Asked>(
    from: &mut dyn Read,
    into: &mut dyn Write,
    load: impl FnOnce(&[u8]) -> Result<M, Unfit>,
) -> io::Result<()> {
    let Some((frame::LOAD, bytes)) = frame::read(from)? else { return Ok(()) };
    let mut model = match load(&bytes) {
        Ok(model) => model,
        Err(unfit) => return say(into, frame::FAILED, &Failed::Unfit(unfit)),
    };
    drop(bytes);
    say(into, frame::DESCRIBED, model.description())?;
    while let Some((letter, body)) = frame::read(from)? {
        if letter != frame::RUN {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message that is no question"));
        }
        let tensors = frame::decode(&body)?;
        let began = Instant::now();
        match model.run(tensors) {
            Ok(told) => {
                let took_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                frame::write(into, frame::TENSORS, &[&took_us.to_le_bytes(), &frame::encode(&told)?])?;
            }
            Err(failed) => say(into, frame::FAILED, &failed)?,
        }
    }
    Ok(())
}

fn say(into: &mut dyn Write, letter: u8, what: &impl Serialize) -> io::Result<()> {
    frame::write(into, letter, &[&serde_json::to_vec(what)?])
}
