//! What an attempt is recorded on while it runs: the one seam that all answers of the outside pass.
//!
//! Invariant: it is bounded, keeps calls in the order in which they began, and leaves none out before one that it has. What it holds can be had only behind
//! the attempt's end, when the secrets are known that may not stand in it.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    call::{Call, Part},
    limits::{CALL_BYTES, TAPE_BYTES_MAX},
};

/// A tape, or none: then nothing is recorded, and asking costs nothing. Clones are the same tape.
#[derive(Clone, Default)]
pub struct Tape(Option<Arc<Reel>>);

struct Reel {
    began: Instant,
    calls: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    kept: Vec<Call>,
    /// Those of them that were not answered to the end.
    open: BTreeSet<usize>,
    bytes: usize,
    not_kept: u32,
    held: Holds,
    has_ended: bool,
    was_taken: bool,
}

/// Whether an attempt was given secrets to hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Holds {
    /// It was not.
    #[default]
    Nothing,
    /// It was, and none of them is in the event that it was made with; others of its batch were not looked at.
    Elsewhere,
    /// One of them is in that event, which may not be kept then.
    InEvent,
}

/// When a call began, where it is recorded.
#[derive(Clone, Copy, Debug)]
pub struct Begun(Option<Instant>);

/// A call that was asked and is not answered yet, where it is recorded.
#[derive(Debug)]
pub struct Asked(Option<usize>);

/// What was recorded of an attempt.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taped {
    /// The calls, in the order in which they began.
    pub calls: Vec<Call>,
    /// Calls behind those, for which there was no room.
    pub not_kept: u32,
    /// Whether it was given secrets: they are in none of these.
    pub held: Holds,
}

impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tape").field(&self.is_on()).finish()
    }
}

impl Tape {
    /// An empty one.
    #[must_use]
    pub fn blank() -> Self {
        Self(Some(Arc::new(Reel { began: Instant::now(), calls: Mutex::default() })))
    }

    /// Whether anything is recorded.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// A call begins during which the guest can make no other.
    #[must_use]
    pub fn begin(&self) -> Begun {
        Begun(self.is_on().then(Instant::now))
    }

    /// A call that was begun so has ended. What it was is asked for where there is room for it.
    pub fn note(&self, Begun(began): Begun, call: impl FnOnce() -> Call) {
        let (Some(reel), Some(began)) = (&self.0, began) else { return };
        let (since, took) = (began.duration_since(reel.began), began.elapsed());
        reel.calls().push(|| Call { began: since, took, ..call() });
    }

    /// A call begins whose answer may come late, in pieces, or not before the attempt's end.
    #[must_use]
    pub fn ask(&self, call: impl FnOnce() -> Call) -> Asked {
        let Some(reel) = &self.0 else { return Asked(None) };
        let (began, mut calls) = (reel.began.elapsed(), reel.calls());
        let at = calls.push(|| Call { began, ..call() });
        calls.open.extend(at);
        Asked(at)
    }

    /// Adds what `with` adds to a call that goes on.
    pub fn add(&self, Asked(at): &Asked, with: impl FnOnce(Call) -> Call) {
        let (Some(reel), Some(at)) = (&self.0, *at) else { return };
        reel.calls().add(at, with);
    }

    /// Adds what `with` adds to a call, which has ended.
    pub fn close(&self, Asked(at): Asked, with: impl FnOnce(Call) -> Call) {
        let (Some(reel), Some(at)) = (&self.0, at) else { return };
        let (now, mut calls) = (reel.began.elapsed(), reel.calls());
        calls.add(at, with);
        calls.close(at, now);
    }

    /// The attempt has ended. `without` gives bytes without what may not stand in them, if it does.
    pub fn end(&self, held: Holds, without: impl Fn(&[u8]) -> Option<Vec<u8>>) {
        let Some(reel) = &self.0 else { return };
        let (now, mut calls) = (reel.began.elapsed(), reel.calls());
        for at in calls.open.clone() {
            calls.add(at, |call| call.told("error", "unfinished"));
            calls.close(at, now);
        }
        for call in &mut calls.kept {
            if held != Holds::Nothing {
                call.withhold();
            }
            for field in call.fields_mut() {
                if let Part::Whole(whole) = &mut field.part
                    && let Some(other) = without(whole)
                {
                    *whole = other.into();
                }
            }
        }
        (calls.held, calls.has_ended) = (held, true);
    }

    /// What was recorded, once; nothing before the attempt's end.
    #[must_use]
    pub fn take(&self) -> Option<Taped> {
        let mut calls = self.0.as_ref()?.calls();
        if !calls.has_ended || calls.was_taken {
            return None;
        }
        // Whoever still has the tape has nothing to add to it.
        let empty = Calls { has_ended: true, was_taken: true, ..Calls::default() };
        let Calls { kept, not_kept, held, .. } = std::mem::replace(&mut *calls, empty);
        Some(Taped { calls: kept, not_kept, held })
    }
}

impl Reel {
    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Calls {
    /// Keeps a call, if there is room, and gives its place.
    fn push(&mut self, call: impl FnOnce() -> Call) -> Option<usize> {
        if self.has_ended || self.not_kept > 0 {
            self.not_kept = self.not_kept.saturating_add(1);
            return None;
        }
        let (call, room) = (call(), self.room());
        let call = if call.bytes() <= room { call } else { call.shortened() };
        if call.bytes() > room {
            self.not_kept = 1;
            return None;
        }
        self.bytes += call.bytes();
        self.kept.push(call);
        Some(self.kept.len() - 1)
    }

    /// Adds what `with` adds to an open call. Where there is no room for it nothing more is told of that call but this.
    fn add(&mut self, at: usize, with: impl FnOnce(Call) -> Call) {
        if self.has_ended || !self.open.contains(&at) {
            return;
        }
        let (more, room) = (with(Call::of("")), self.room());
        let more = if more.bytes() <= room { more } else { more.shortened() };
        let more = if more.bytes() <= room {
            more
        } else {
            self.open.remove(&at);
            Call::of("").told("cut", "")
        };
        self.bytes += more.bytes() - CALL_BYTES;
        if let Some(call) = self.kept.get_mut(at) {
            call.asked.extend(more.asked);
            call.told.extend(more.told);
        }
    }

    fn close(&mut self, at: usize, now: Duration) {
        self.open.remove(&at);
        if let Some(call) = self.kept.get_mut(at).filter(|_| !self.has_ended) {
            call.took = now.saturating_sub(call.began);
        }
    }

    fn room(&self) -> usize {
        TAPE_BYTES_MAX.saturating_sub(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(tape: &Tape, value: &[u8]) {
        tape.note(tape.begin(), || Call::of("f").asked("key", "k").told("value", value));
    }

    fn ended(tape: &Tape) -> Taped {
        tape.end(Holds::Nothing, |_| None);
        tape.take().unwrap()
    }

    #[test]
    fn without_a_tape_nothing_is_asked_for() {
        let tape = Tape::default();
        tape.note(tape.begin(), || unreachable!("nothing is recorded"));
        tape.end(Holds::Nothing, |_| None);
        assert_eq!(tape.take(), None);
    }

    #[test]
    fn a_full_tape_has_digests_first_and_then_only_a_number() {
        let tape = Tape::blank();
        let large = vec![7; TAPE_BYTES_MAX / 2];
        (0..3).for_each(|_| note(&tape, &large));
        let Taped { calls, not_kept, .. } = ended(&tape);
        let whole = |call: &Call| matches!(call.told[0].part, Part::Whole(_));
        assert_eq!((calls.iter().map(whole).collect::<Vec<_>>(), not_kept), (vec![true, false, false], 0));
        assert_eq!(calls[2].told[0].part, Part::from(large).shortened());
        assert_eq!(calls[2].asked[0].part, "k".into());

        let tape = Tape::blank();
        (0..100_000).for_each(|_| note(&tape, b"1"));
        note(&tape, b"2");
        let Taped { calls, not_kept, .. } = ended(&tape);
        assert_eq!(calls.len() + not_kept as usize, 100_001);
        assert!(calls.iter().map(Call::bytes).sum::<usize>() <= TAPE_BYTES_MAX);
        assert!(calls.iter().all(|call| call.told[0].part == "1".into()));
    }

    #[test]
    fn a_secret_is_taken_out_at_the_end_and_nothing_can_be_had_before() {
        let tape = Tape::blank();
        note(&tape, b"it is sesame");
        assert_eq!(tape.take(), None);
        let without = |bytes: &[u8]| bytes.ends_with(b"sesame").then(|| b"it is [secret:door]".to_vec());
        tape.end(Holds::InEvent, without);
        let taped = tape.clone().take().unwrap();
        assert_eq!((&taped.calls[0].told[0].part, taped.held), (&"it is [secret:door]".into(), Holds::InEvent));
        assert_eq!(tape.take(), None);
    }

    #[test]
    fn a_call_that_waits_stands_where_it_began_and_is_there_with_all_that_came() {
        let tape = Tape::blank();
        let [slow, never] = ["slow", "never"].map(|function| tape.ask(|| Call::of(function)));
        note(&tape, b"meanwhile");
        tape.add(&never, |call| call.told("text", "a"));
        tape.close(slow, |call| call.told("status", "200"));
        tape.add(&never, |call| call.told("text", "b"));
        let Taped { calls, .. } = ended(&tape);
        let told = |call: &Call| call.told.iter().map(|field| (field.name.to_string(), field.part.clone())).collect();
        let told: Vec<Vec<(String, Part)>> = calls.iter().map(told).collect();
        let field = |name: &str, part: &str| (name.to_owned(), Part::from(part));
        assert_eq!(
            told,
            [
                vec![field("status", "200")],
                vec![field("text", "a"), field("text", "b"), field("error", "unfinished")],
                vec![field("value", "meanwhile")],
            ]
        );
        tape.add(&never, |call| call.told("text", "c"));
        note(&tape, b"late");
        tape.end(Holds::Nothing, |_| None);
        assert_eq!(tape.take(), None);
    }

    #[test]
    fn an_answer_in_more_pieces_than_there_is_room_for_is_cut_and_what_comes_behind_it_is_counted() {
        let tape = Tape::blank();
        let asked = tape.ask(|| Call::of("stream"));
        (0..100_000).for_each(|_| tape.add(&asked, |call| call.told("text", "a piece")));
        note(&tape, &[7; 100]);
        tape.close(asked, |call| call.told("answer", "all"));
        let Taped { calls, not_kept, .. } = ended(&tape);
        let last = calls[0].told.last().unwrap();
        assert_eq!((calls.len(), not_kept, &*last.name), (1, 1, "cut"));
        assert!(calls[0].bytes() <= TAPE_BYTES_MAX + 1_000, "{}", calls[0].bytes());
    }

    #[test]
    fn what_a_guest_sent_is_not_kept_where_it_held_a_secret_however_it_was_spelled() {
        let call = || Call::of("f").asked("url", "http://x/").asked("fields", "authorization: Basic c2VzYW1l\n");
        let asked = |held| {
            let tape = Tape::blank();
            tape.note(tape.begin(), || call().told("body", "fine"));
            tape.end(held, |_| None);
            tape.take().unwrap().calls.remove(0)
        };
        assert_eq!(asked(Holds::Nothing).asked, call().asked);
        let kept = asked(Holds::Elsewhere);
        let wanted = Part::from("[30 bytes; the plugin held a secret]");
        assert_eq!((&kept.asked[0], &kept.asked[1].part), (&call().asked[0], &wanted));
        assert_eq!(kept.told[0].part, "fine".into());
    }
}
