//! Tests of the segment log through its public face, in one binary.
//!
//! Goal: what `append` returned survives, what is damaged is named, and what the format page says is what is written.
//! Method: an in-memory disk that crashes, tears and fails at every operation (`wharf-faults`), and the real folder once.

#[cfg(test)]
mod crash;
#[cfg(test)]
mod format;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod room;
#[cfg(test)]
mod setup;
#[cfg(test)]
mod verify;
#[cfg(test)]
mod writing;
