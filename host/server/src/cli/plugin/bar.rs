//! How far a release is on its way, as a bar on a terminal.
//!
//! Invariant: a part of the bar is full only when its step is done. How long a step takes nobody knows beforehand, so within one nothing
//! moves but the bytes that are sent and the seconds.

use std::time::Duration;

use wharf_gateway::view::ReleaseState;

use super::show::word;

/// Cells of one step.
const CELLS: u64 = 6;

/// Steps on the way: sent, inspected, compiled, probed.
const STEPS: u64 = 4;

const BYTES_OF_MIB: f64 = 1_048_576.0;

/// The bytes are on their way.
pub(super) fn sending(sent: u64, bytes: u64) -> String {
    let cells = (sent * CELLS).checked_div(bytes).unwrap_or(CELLS);
    let mib = |bytes: u64| bytes as f64 / BYTES_OF_MIB;
    format!("{} sending  {:.1} of {:.1} MiB", bar(cells), mib(sent), mib(bytes))
}

/// The host makes it ready.
pub(super) fn preparing(state: ReleaseState, since: Duration) -> String {
    let done = match state {
        ReleaseState::Uploaded | ReleaseState::Inspecting => 1,
        ReleaseState::Compiling => 2,
        ReleaseState::Probing => 3,
        ReleaseState::NeedsGrant | ReleaseState::Ready | ReleaseState::Failed => STEPS,
    };
    format!("{} {}  {} s", bar(done * CELLS), word(state), since.as_secs())
}

fn bar(cells: u64) -> String {
    (0..STEPS * CELLS).map(|cell| if cell < cells { '█' } else { '░' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_full_as_steps_are_done() {
        let full = |line: String| line.chars().filter(|cell| *cell == '█').count();
        assert_eq!(sending(1 << 20, 2 << 20), "███░░░░░░░░░░░░░░░░░░░░░ sending  1.0 of 2.0 MiB");
        assert_eq!(full(sending(0, 0)), 6, "nothing is all of nothing");
        let seconds = Duration::from_secs(12);
        assert_eq!(preparing(ReleaseState::Compiling, seconds), "████████████░░░░░░░░░░░░ compiling  12 s");
        let states = [ReleaseState::Inspecting, ReleaseState::Compiling, ReleaseState::Probing, ReleaseState::Ready];
        assert_eq!(states.map(|state| full(preparing(state, seconds))), [6, 12, 18, 24]);
    }
}
