//! The frames that were appended last, in memory: what was just written is mostly read soon, and nobody has to wait for the disk then.
//!
//! Invariant: only durable frames are in it, the bytes that were written, and never more than a bound. It is given up when nothing is appended.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::limits::TAIL_BYTES_MAX;

/// The last frames, the oldest first, without a gap.
#[derive(Default)]
pub(crate) struct Tail {
    frames: VecDeque<Held>,
    bytes: usize,
}

/// A frame as it stands in its segment.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) k: u64,
    /// The salt of its segment.
    pub(crate) salt: u32,
    pub(crate) bytes: Bytes,
}

impl Tail {
    /// Takes the frame behind the last one; the oldest leave for it.
    pub(crate) fn push(&mut self, frame: Held) {
        self.bytes += frame.bytes.len();
        self.frames.push_back(frame);
        while self.bytes > TAIL_BYTES_MAX
            && let Some(oldest) = self.frames.pop_front()
        {
            self.bytes -= oldest.bytes.len();
        }
    }

    /// Frame `k`, if it is here.
    pub(crate) fn get(&self, k: u64) -> Option<Held> {
        let first_k = self.frames.front()?.k;
        self.frames.get(usize::try_from(k.checked_sub(first_k)?).ok()?).filter(|held| held.k == k).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(k: u64, bytes: usize) -> Held {
        Held { k, salt: 0, bytes: vec![0; bytes].into() }
    }

    #[test]
    fn the_last_frames_are_held_up_to_a_bound() {
        let mut tail = Tail::default();
        assert!(tail.get(1).is_none());
        for k in 5..9 {
            tail.push(frame(k, TAIL_BYTES_MAX / 3));
        }
        let held: Vec<u64> = (0..20).filter_map(|k| tail.get(k)).map(|held| held.k).collect();
        assert_eq!(held, [6, 7, 8]);
        tail.push(frame(9, TAIL_BYTES_MAX + 1));
        assert!((0..20).all(|k| tail.get(k).is_none()), "one that is larger than all may be");
        assert_eq!(tail.bytes, 0);
        tail.push(frame(10, 1));
        assert!(tail.get(10).is_some());
    }
}
