//! The bounds of the tasks, each with its unit.

use std::time::Duration;

/// KiB of requests that may wait for the sequencer; more wait to be taken in.
pub const WAITING_REQUESTS_KIB: u32 = 64 << 10;

/// Bytes of records that one request may make. A larger one is refused.
pub const REQUEST_BYTES_MAX: usize = 11 << 20;

/// Answers of models that an attempt may have before they are known to be durable: with so many, another question waits.
pub const ANSWERS_AHEAD_MAX: usize = 16;

/// Bytes of requests after which a frame is closed. With the largest request on top a frame stays below the log's limit.
pub const FRAME_GATHER_BYTES: usize = 4 << 20;

/// Requests after which a frame is closed.
pub const FRAME_GATHER_REQUESTS: usize = 4_096;

/// Events of a request from which on it stands back once for smaller ones.
pub const LARGE_EVENTS: usize = 16;

/// Bytes of events from which on a request does so.
pub const LARGE_BYTES: usize = 64 << 10;

/// Large requests that stand back for a small one at most: they are all looked at for each.
pub const LARGE_PASSED_MAX: usize = 256;

/// Requests of a frame that somebody waits for, from which on its sync has a thread of its own: fewer gain less than the way there and back costs.
pub const SYNC_ASIDE_FROM: usize = 4;

/// How often the partition's thread looks for requests while a frame is being synced.
pub const GATHER_PAUSE: Duration = Duration::from_micros(200);

/// How long a host that stops waits for what requests used to be charged: a full disk may take nothing.
pub const LAST_CHARGE_WAIT: Duration = Duration::from_secs(2);

/// Idle time after which the last frame is followed by a mark.
pub const MARK_AFTER: Duration = Duration::from_millis(100);

/// Time after which changes are checkpointed, however few.
pub const CHECKPOINT_EVERY: Duration = Duration::from_secs(10);

/// How long a stop waits for a checkpoint that is under way.
pub const LAST_CHECKPOINT_WAIT: Duration = Duration::from_secs(30);

/// Guests that run at a time where nobody says how many processors there are.
pub const PROCESSORS: usize = 2;

/// Records of a frame from which on all of it is read at once: fewer take less one by one.
pub const WHOLE_FROM: usize = 8;

/// Bytes of frames in memory that are taken apart on a thread that serves I/O.
pub const HELD_BYTES_MAX: usize = 1 << 20;

/// Bytes of events that wait in memory for their first attempt; others are read from the log when their turn comes.
pub const HELD_EVENT_BYTES: usize = 64 << 20;

/// Rules of one event bus.
pub const RULES_PER_BUS_MAX: usize = 250_000;

/// Combinations of `$or` in all rules of a tenant that are on; a rule without any is one. Each takes about 170 bytes of memory.
pub const WAYS_PER_TENANT_MAX: usize = 500_000;

/// Targets of a tenant that went, whose queues are remembered.
pub const GONE_TARGETS_MAX: usize = 10_000;

/// How often releases on trial are judged.
pub const JUDGE_EVERY: Duration = Duration::from_millis(500);

/// How often a plugin is read again because somebody else changed it.
pub const EDITS_MAX: u32 = 10;

/// Control objects that are read from the state at a time.
pub const OBJECTS_PAGE: usize = 1_000;

/// Schemas that are read of the state at a time: with its versions one may have 1.3 MiB.
pub const SCHEMAS_PAGE: usize = 16;

/// Schedules of one tenant.
pub const SCHEDULES_PER_TENANT_MAX: usize = 10_000;

/// Bytes of the payload that a schedule publishes. It is kept in memory as long as the schedule is there.
pub const SCHEDULE_DATA_BYTES_MAX: usize = 256 << 10;

/// Schedules that are looked at together, so that as many of their records may share a frame; what else is asked comes in between.
pub const LOOKS_AT_A_TIME: usize = 256;

/// The longest time for which the firing of schedules does not look at frame time, which may jump meanwhile.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Time after which a schedule is looked at again whose firing was refused since something was about to change.
pub const LOOK_AGAIN_MS: u64 = 20;

/// Time after which a firing is tried again for which there was no room, or no quota left.
pub const FIRING_PAUSE_MS: u64 = 1_000;

/// Tenants beyond which none is made while the host runs.
pub const TENANTS_MAX: usize = 10_000;

/// Event buses of a tenant beyond which none is made while the host runs.
pub const BUSES_PER_TENANT_MAX: usize = 100;

/// Topics of a tenant beyond which none is made while the host runs.
pub const TOPICS_PER_TENANT_MAX: usize = 1_000;

/// Subscriptions of one topic.
pub const SUBSCRIPTIONS_PER_TOPIC_MAX: usize = 10_000;

/// Schemas of a tenant beyond which none is made while the host runs.
pub const SCHEMAS_PER_TENANT_MAX: usize = 1_000;

/// How long a lane rests where what it publishes finds no room, in milliseconds.
pub const NO_ROOM_PAUSE_MS: u64 = 500;

/// Queues of a tenant beyond which none is made while the host runs.
pub const QUEUES_PER_TENANT_MAX: usize = 1_000;

/// Bytes of events behind which an answer to whoever receives takes no further one.
pub const RECEIVED_BYTES_MAX: usize = 8 << 20;

/// Rows that are held at a time where they are counted.
pub const COUNTED_AT_ONCE: usize = 1_000;

/// How often whoever waits for messages looks for some, though no bell rings.
pub const LOOK_FOR_MESSAGES: Duration = Duration::from_secs(1);

/// How long the task that tends queues rests.
pub const TENDING_PAUSE: Duration = Duration::from_secs(15);

/// Webhooks of a tenant beyond which none is made while the host runs.
pub const WEBHOOKS_PER_TENANT_MAX: usize = 1_000;

/// MiB that an attempt of a webhook takes of what its tenant's attempts may use together: the event, the request and the answer.
pub const WEBHOOK_MEMORY_MIB: u32 = 4;

/// How much of an answer's body is kept with the attempt, in bytes.
pub const WEBHOOK_BODY_BYTES_KEPT: usize = 2_048;

/// Fields of an answer that are kept with the attempt.
pub const WEBHOOK_ANSWER_FIELDS: [&str; 4] = ["content-type", "retry-after", "location", "server"];

/// Since when a webhook does nothing but fail is written when this part of the time has passed behind which it is disabled.
pub const WEBHOOK_FAILING_PARTS: u64 = 10;

/// Columns that an alert about a model has.
pub const DRIFTED_TOLD_MAX: usize = 10;

/// The largest event that an alert about a webhook shows whole, in bytes.
pub const WEBHOOK_SAMPLE_BYTES_MAX: usize = 16 << 10;

/// How often an attempt runs again because of conflicts. After that it counts as failed.
pub const CONFLICT_RUNS_MAX: u32 = 30;

/// Attempts in which the host fails until their release is quarantined.
pub const HOST_FAULTS_MAX: u32 = 3;

/// How long it takes until an event of the host that was refused is offered to the log again.
pub const NOTICE_PAUSE: Duration = Duration::from_secs(1);

/// How close together they are.
pub const HOST_FAULTS_WITHIN: Duration = Duration::from_secs(3_600);

/// Deliveries of one lane that are held in memory; the others are paged from the state when their turn comes near. Reading them
/// back costs as much as a small attempt, so a burst of some thousand events is to stay in memory.
pub const LANE_READY_MAX: usize = 8_192;

/// Deliveries that one page brings to a lane: the log's thread waits while it is read.
pub const LANE_PAGE: usize = 1_024;

/// Bytes of events that are read ahead for one page.
pub const READ_AHEAD_BYTES: usize = 4 << 20;

/// Deliveries of all lanes that are held in memory, give or take [`LANE_READY_MIN`] for each lane.
pub const READY_MAX: usize = 65_536;

/// What part of the deliveries that may still be held one lane may hold: so a flood leaves room for lanes that fill later.
pub const LANE_PART: usize = 4;

/// Deliveries of one lane that are held in memory however many all lanes together hold.
pub const LANE_READY_MIN: usize = 32;

/// The longest pause of the scheduler: the wall clock may be set meanwhile.
pub const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Timers that are held in memory, the next ones due; the others are paged from the state in due order.
pub const TIMERS_MAX: usize = 16_384;

/// Timers that one page brings.
pub const TIMERS_PAGE: usize = 512;

/// A step of the wall clock beyond this is not followed at once.
pub const CLOCK_STEP_MAX: Duration = Duration::from_secs(300);

/// A wall clock that is so much ahead at start is believed: hosts are stopped for nights and holidays. What is beyond is more likely a
/// clock that is wrong.
pub const CLOCK_GAP_MAX: Duration = Duration::from_hours(30 * 24);

/// Deliveries that are set aside until their key may have an attempt, of all tenants; others wait in their lanes. As many paces are remembered at least.
pub const ASIDE_MAX: usize = 16_384;

/// How much of what the scheduler's own pauses kept back begins faster than its rate.
pub const RATE_SLACK: Duration = Duration::from_millis(10);

/// How long a request of a replay waits for company: nobody waits for it.
pub const PATIENCE: Duration = Duration::from_millis(10);

/// The same of what a model answered and what that cost: until it is durable a host that is killed pays again.
pub const PAID_PATIENCE: Duration = Duration::from_millis(1);

/// Requests that wait for it.
pub const PATIENT_MAX: usize = 64;

/// Replays of one tenant that are kept, those that are over among them.
pub const REPLAYS_MAX: usize = 100;

/// Replays of one tenant that go on at a time.
pub const REPLAYS_RUNNING_MAX: usize = 4;

/// Events that one request of a replay brings.
pub const REPLAY_BATCH_EVENTS: usize = 256;

/// Events that are read of the archive at a time for a replay: more would keep what comes in waiting for a processor for longer.
pub const REPLAY_PAGE_EVENTS: usize = 256;

/// Bytes that they have together at most; a larger one comes alone.
pub const REPLAY_PAGE_BYTES: usize = 2 << 20;

/// Frames that are looked through at a time.
pub const REPLAY_PAGE_FRAMES: usize = 512;

/// Replays of all tenants that read the archive at a time.
pub const REPLAY_READERS: usize = 2;

/// Bytes of records after which no other frame is looked through at that time.
pub const REPLAY_PAGE_READ_BYTES: u64 = 8 << 20;

/// The least time between two requests of a replay that keeps its rate: few events at a time keep what comes in now waiting less.
pub const REPLAY_TICK: Duration = Duration::from_millis(1);

/// How much of what it kept back a replay brings faster than its rate.
pub const REPLAY_SLACK: Duration = Duration::from_millis(250);

/// How long a replay waits for which there is no room.
pub const REPLAY_PAUSE: Duration = Duration::from_millis(250);

/// Time after which a replay is tried again that met rules which were about to change.
pub const REPLAY_LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How often a replay that finds nothing notes how far it has come.
pub const REPLAY_NOTED_EVERY: Duration = Duration::from_secs(2);

/// The least time between two looks for replays that have to go on.
pub const REPLAYS_PAUSE: Duration = Duration::from_millis(10);

/// Redrives at a rate of one tenant that go on at a time.
pub const REDRIVES_RUNNING_MAX: usize = 4;

/// Letters that one request of a redrive at a rate sends again.
pub const REDRIVE_BATCH: usize = 100;

/// Letters of a queue that are looked at together for such a redrive.
pub const REDRIVE_LOOK_ROWS: usize = 100;

/// Milliseconds by which the two clocks may differ from one look to the next without one of them having been set.
pub const CLOCK_JITTER_MS: u64 = 1_000;

/// How long the wall clock must keep a large step before it is followed.
pub const CLOCK_STABLE: Duration = Duration::from_secs(600);

/// Frame time that is ahead of a wall clock that is believed passes by one part in so many less than time does, until it is there: what waits for
/// its time waits hardly longer for it, and two hours are gone within a day.
pub const CLOCK_SLEW: u64 = 10;

/// How much a step may change and still be the same step.
pub const CLOCK_WANDER_MAX: Duration = Duration::from_secs(5);

/// How often it is looked whether segments of the log are past retention.
pub const CLEAN_EVERY: Duration = Duration::from_secs(2);

/// Bytes of events or values that one request of cleaning carries; a larger one goes alone.
pub const CARRIED_PAGE_BYTES: usize = 1 << 20;

/// Bytes of events and values that cleaning gathers before it writes them again.
pub const CARRIED_BATCH_BYTES: usize = 4 << 20;

/// Frames that cleaning reads before it writes what it gathered.
pub const CARRIED_BATCH_FRAMES: u64 = 1_024;

/// How long cleaning waits while the state has no room for more changes.
pub const CARRY_PAUSE: Duration = Duration::from_millis(50);

/// Events that are owed to very many, of which one look reads how far they came.
pub const FANNED_PAGE: usize = 64;

/// Records by which one of them goes on before the next has its turn.
pub const FANNED_STEPS: usize = 8;

/// The longest pause after which it is looked whether one is left.
pub const FAN_AGAIN: Duration = Duration::from_secs(5);

/// Deliveries that one request of cleaning carries, each with up to two rows.
pub const CARRIED_DELIVERIES_MAX: usize = 300;

/// Values that one request of cleaning carries.
pub const CARRIED_VALUES_MAX: usize = 500;

/// Buckets, and queues, that one request of cleaning sums up.
pub const SUMS_PAGE: usize = 400;

/// Lost records that an examination describes; the others are counted.
pub const LOSSES_LISTED_MAX: usize = 10_000;

/// Others that speak of one lost record, as far as an examination names them.
pub const LOSS_NAMED_BY_MAX: usize = 8;

/// Rows of the state that an examination names as wrong; the others are counted.
pub const ROWS_LISTED_MAX: usize = 100;

/// Rows of each state that an examination compares at a time.
pub const ROWS_PAGE: usize = 1_000;

/// Bytes of the ballast: room on the disk for settles, checkpoints and cleaning when nothing else is left.
pub const BALLAST_BYTES: u64 = 128 << 20;

/// The ballast is made and given up in this many steps.
pub const BALLAST_STEPS: u64 = 8;

/// How often the room on the disk is looked at.
pub const ROOM_EVERY: Duration = Duration::from_millis(100);

/// It is looked at as well when this part of what is kept for the log was written since.
pub const ROOM_PARTS: u64 = 8;

/// Parts of the time over which a breaker looks at failures; the oldest goes as a whole.
pub const BREAKER_WINDOW_PARTS: usize = 10;

/// Plugins with their releases whose attempts are counted apart; those beyond are counted together.
pub const ATTEMPT_SERIES_MAX: usize = 500;

/// How long a consumer waits where its queue cannot be consumed now.
pub const CONSUMER_PAUSE: Duration = Duration::from_millis(500);

/// How long a consumer lets messages come together before it looks again whether a call is full.
pub const GATHERING_PAUSE: Duration = Duration::from_millis(5);

/// Milliseconds that the lease of a batch outlasts its call at least: what is beside the call has this time.
pub const CONSUMER_SLACK_MS: u64 = 30_000;

/// Calls of one batch at most: behind each, the events that failed are settled, and the others are handed over again. What is left is
/// given back.
pub const BATCH_CALLS_MAX: u32 = 3;

/// A message that comes again is in a batch of so much fewer: one that breaks its call soon breaks no other's.
pub const BATCH_SHRINKS_BY: u32 = 10;

/// Routes of one tenant.
pub const ROUTES_PER_TENANT_MAX: usize = 1_000;

/// Requests of a tenant's routes that wait or are answered at a time: a quarter of the connections that may be open.
pub const REQUESTS_PER_TENANT_MAX: usize = 256;

/// How often what requests used is charged.
pub const CHARGE_EVERY: Duration = Duration::from_secs(1);

/// How long a request waits for its place. Then it is refused.
pub const REQUEST_WAIT: Duration = Duration::from_secs(5);
