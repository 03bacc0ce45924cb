//! What a history is made of: its lives and how each ends, its clocks, its sizes. All of it follows from the seed.
//!
//! Invariant: nothing that happens later changes it. A step of a new kind is one more field here.

use wharf_dispatch::Held;
use wharf_faults::Fate;
use wharf_log::SegmentSizes;

use crate::rng::Rng;

/// How the wall clock is set while a history runs.
#[derive(Clone, Copy, Debug)]
pub struct WallStep {
    /// Time of the history, in milliseconds.
    pub at_ms: u64,
    /// By so much.
    pub by_ms: i64,
}

/// When the trouble of a life comes.
#[derive(Clone, Copy, Debug)]
pub enum Moment {
    /// At the disk operation of this number since the process began.
    Operation(u64),
    /// At the life's end.
    End,
}

/// How a life ends.
#[derive(Clone, Copy, Debug)]
pub enum Ending {
    /// As an operator ends it, or with what then goes wrong.
    Stop,
    /// The process is killed.
    Kill(Moment),
    /// The machine loses power.
    PowerCut(Moment, Fate),
    /// A disk operation fails, or finds no room; some time after that the process is killed.
    Error {
        /// Which operation.
        operation: u64,
        /// There was no room.
        full: bool,
        /// And then the machine loses power.
        then: Option<Fate>,
    },
}

/// What happens to the state file between two lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateFile {
    /// Nothing.
    Stays,
    /// It is gone.
    Lost,
    /// It is cut to so many bytes.
    Cut(u64),
    /// Some of its bytes are others, by this seed.
    Garbled(u64),
}

/// A time in which another program has the disk to itself, but for a little.
#[derive(Clone, Copy, Debug)]
pub struct Squeeze {
    /// From when on in a life, in milliseconds.
    pub at_ms: u64,
    /// For how long.
    pub for_ms: u64,
    /// Bytes that it leaves.
    pub leaves: u64,
    /// Bytes of the ballast where there is room.
    pub ballast: u64,
}

/// One life of the process.
#[derive(Clone, Debug)]
pub struct LifePlan {
    /// How long it is at most, in milliseconds.
    pub ms: u64,
    /// How it ends.
    pub ending: Ending,
    /// What was done to the state file before it.
    pub state_file: StateFile,
    /// How many clients send.
    pub clients: u64,
    /// Whether the disk gets full for a time.
    pub squeeze: Option<Squeeze>,
}

/// A whole history.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The lives with faults; behind them comes one without, in which everything settles.
    pub lives: Vec<LifePlan>,
    /// How the wall clock is set.
    pub steps: Vec<WallStep>,
    /// The deduplication window, in milliseconds.
    pub window_ms: u64,
    /// How large the segments are.
    pub segment_sizes: SegmentSizes,
    /// Age after which buses let go of events, and bytes; absent where they keep everything.
    pub retention: Option<(u64, u64)>,
    /// How long a job may wait for a thread, in milliseconds.
    pub delay_ms_max: u64,
    /// The longest pause of a client, in milliseconds.
    pub pause_ms_max: u64,
    /// Bytes of a payload at most.
    pub payload_bytes_max: u64,
    /// Panics of a release after which it is not run any more.
    pub host_faults_max: u32,
    /// Whether tenants come and go.
    pub tides: bool,
    /// Rows of theirs that go in one record.
    pub erased_rows_max: usize,
    /// How much of what waits is in memory.
    pub held: Held,
}

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut rng = Rng::of(&[seed, 0x91A4]);
        // A few are so long that frame time follows a large step of the wall clock.
        let long = rng.chance(4);
        let lives = (0..rng.between(1, 4)).map(|n| life(&mut rng, n, long)).collect::<Vec<_>>();
        let ms: u64 = lives.iter().map(|life| life.ms).sum();
        let windows = [2_000, 5_000, 20_000, 300_000];
        let age_ms = if long { 120_000 } else { rng.between(1_000, 15_000) };
        let retention = rng.chance(40).then(|| (age_ms, rng.between(1, 64) << 10));
        // Cleaning writes a few frames itself: a segment that holds no more than those would be cleaned for ever.
        let first_bytes = if retention.is_some() { 24 << 10 } else { rng.between(4, 16) << 10 };
        Self {
            steps: (0..rng.below(4)).map(|_| step(&mut rng, ms)).collect(),
            window_ms: rng.pick(&windows).copied().unwrap_or(60_000),
            segment_sizes: SegmentSizes { first_bytes, max_bytes: first_bytes * rng.between(1, 3) },
            retention,
            delay_ms_max: [0, 5, 200].get(rng.below(3) as usize).copied().unwrap_or(0),
            pause_ms_max: if long {
                100_000
            } else {
                [50, 400, 2_000].get(rng.below(3) as usize).copied().unwrap_or(50)
            },
            payload_bytes_max: if rng.chance(20) { 4_000 } else { 200 },
            // Mostly never: what is not run any more shows little.
            host_faults_max: if rng.chance(30) { 3 } else { u32::MAX },
            tides: rng.chance(50),
            erased_rows_max: [2, 5, 20, 1_000].get(rng.below(4) as usize).copied().unwrap_or(2),
            held: held(&mut rng),
            lives,
        }
    }
}

/// Often next to nothing, so that what waits is paged from the state.
fn held(rng: &mut Rng) -> Held {
    if !rng.chance(40) {
        return Held::default();
    }
    let mut some = |most| rng.between(1, most) as usize;
    Held { ready: some(16), lane_max: some(6), lane_min: 1, lane_page: some(4), timers: some(4), timers_page: some(4) }
}

fn fate(rng: &mut Rng) -> Fate {
    let seed = rng.bits();
    match rng.below(6) {
        0 | 1 => Fate::LoseAll,
        2 => Fate::KeepAll,
        3 => Fate::Torn(seed),
        4 => Fate::Whole(seed),
        _ => Fate::InOrder(seed),
    }
}

fn life(rng: &mut Rng, n: u64, long: bool) -> LifePlan {
    let ms = if long { rng.between(600_000, 1_800_000) } else { rng.between(200, 12_000) };
    // Some fall into opening; most behind it.
    let operation = if rng.chance(25) { rng.between(1, 40) } else { rng.between(20, 400) };
    let moment = if rng.chance(60) { Moment::Operation(operation) } else { Moment::End };
    let ending = match rng.below(10) {
        0 => Ending::Stop,
        1..=3 => Ending::Kill(moment),
        4..=7 => Ending::PowerCut(moment, fate(rng)),
        _ => Ending::Error { operation, full: rng.chance(30), then: rng.chance(50).then(|| fate(rng)) },
    };
    let state_file = match rng.below(20) {
        0 => StateFile::Lost,
        1 => StateFile::Cut(rng.below(200_000)),
        2 => StateFile::Garbled(rng.bits()),
        _ => StateFile::Stays,
    };
    let state_file = if n == 0 { StateFile::Stays } else { state_file };
    let squeeze = rng.chance(30).then(|| Squeeze {
        at_ms: rng.below(ms),
        for_ms: rng.between(500, 30_000),
        leaves: rng.below(64 << 10),
        ballast: rng.between(64, 512) << 10,
    });
    LifePlan { ms, ending, state_file, clients: rng.between(1, 4), squeeze }
}

fn step(rng: &mut Rng, ms: u64) -> WallStep {
    let by_ms = match rng.below(3) {
        0 => rng.between(1, 2_000),
        1 => rng.between(1_000, 290_000),
        _ => rng.between(310_000, 200_000_000),
    };
    let by_ms = i64::try_from(by_ms).unwrap_or(0);
    WallStep { at_ms: rng.below(ms), by_ms: if rng.chance(50) { by_ms } else { -by_ms } }
}
