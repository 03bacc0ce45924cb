//! Port: what the host measures of itself.
//!
//! Invariant: it tells what it can also where the log failed; then what the state would say is left out, since whether that is
//! durable is not known. `docs/metrics.md` lists every family, which a test compares.

use std::{borrow::Cow, collections::BTreeMap};

use wharf_delivery::Used;
use wharf_dispatch::{
    AttemptFigures, AttemptsOf, BreakerFigures, BreakerState, Distribution, FaultFigures, Figures, StateFigures,
};
use wharf_event::{Code, Target, TenantName};
use wharf_gateway::{
    Measures,
    measure::{Family, Kind, OTHER, Reading},
};
use wharf_recording::Counted;
use wharf_runtime::{CacheCounts, LoadedFigures};

use super::{HostAdapter, infer_measures, model_measures, process};
use crate::sent::{CameOf, Sent, SentTo};

impl Measures for HostAdapter {
    async fn measures(&self) -> Vec<Family> {
        let mut families = self.standing();
        if let Ok(state) = self.dispatcher.state_figures().await {
            families.extend(of_state(&state, self.dispatcher.now_ms()));
        }
        families.extend(of_figures(&self.dispatcher.figures()));
        families.extend(of_faults(&self.dispatcher.faults()));
        families.extend(of_breakers(&self.dispatcher.breakers(None)));
        families.push(self.cache());
        families.extend(self.loaded());
        families.extend(self.recorder.iter().flat_map(|recorder| recordings(recorder.counted())));
        families.extend(sent(&self.outside.sent()));
        let models = self.outside.models();
        families.extend(model_measures::families(&self.outside.asked(), models.currency.as_deref()));
        families.push(model_measures::steps(&self.outside.route_steps()));
        families.extend(infer_measures::families(&self.outside.own_models().meters().read()));
        families.extend(infer_measures::drift(&self.outside.own_models().drifts().measured(self.dispatcher.now_ms())));
        families.push(infer_measures::shadow(&self.outside.own_models().shadows().read()));
        families.push(self.violations());
        families.extend(process::families());
        families
    }
}

/// Requests that left for plugins.
fn sent(all: &[(SentTo, Sent)]) -> [Family; 3] {
    let family = |name, help, labels| Family::new(Kind::Histogram, name, help, labels);
    let mut times_of = family(
        "http_client_request_duration_seconds",
        "How long requests of plugins, and those to their models, took.",
        &["tenant", "server_address", "server_port", "http_response_status_code", "error_type"],
    );
    let place = &["tenant", "server_address", "server_port"];
    let mut sizes = family("http_client_request_body_size_bytes", "Bytes of the bodies of these requests.", place);
    let mut answers = family("http_client_response_body_size_bytes", "Bytes of the bodies of their answers.", place);
    for (SentTo { tenant, host, port }, Sent { took_us, sent, received }) in all {
        let port = port.to_string();
        for (came, took) in took_us {
            let (status, error) = match came {
                CameOf::Status(status) => (status.to_string(), ""),
                CameOf::Failed(code) => (String::new(), code.as_str()),
                CameOf::LetGo => (String::new(), "let-go"),
            };
            times_of.push(&[tenant.as_str(), host, &port, &status, error], times(took));
        }
        sizes.push(&[tenant.as_str(), host, &port], counts(sent));
        answers.push(&[tenant.as_str(), host, &port], counts(received));
    }
    [times_of, sizes, answers]
}

impl HostAdapter {
    /// Whether all is well.
    fn standing(&self) -> Vec<Family> {
        let failed = u64::from(self.dispatcher.failure().is_some());
        let short_of = self.dispatcher.short_of().unwrap_or(0);
        let gauge = |name, help, value| Family::of_one(Kind::Gauge, name, help, Reading::Count(value));
        let mut info =
            Family::new(Kind::Gauge, "wharf_info", "Always 1; the label says which version runs.", &["version"]);
        info.push(&[env!("CARGO_PKG_VERSION")], Reading::Count(1));
        let ready = u64::from(wharf_gateway::Intake::ready(self).is_ok());
        vec![
            info,
            gauge("wharf_ready", "1 while events are taken.", ready),
            gauge("wharf_log_failed", "1 when the log failed, and nothing is acknowledged until a restart.", failed),
            gauge("wharf_disk_short_bytes", "Bytes that must become free before new events are taken.", short_of),
        ]
    }

    /// Events that broke their schema.
    fn violations(&self) -> Family {
        let help = "Received events that broke their schema, by its mode: refused, or accepted with a mark.";
        let labels = &["tenant", "bus", "mode"];
        let mut family = Family::new(Kind::Counter, "wharf_schema_violations_total", help, labels);
        for ((tenant, bus, mode), count) in self.checking.counted() {
            family.push(&[tenant.as_str(), bus.as_str(), mode.as_str()], Reading::Count(count));
        }
        family
    }

    /// Compiled code in memory.
    fn loaded(&self) -> [Family; 4] {
        let LoadedFigures { releases, bytes, unloads, load_us } = self.runtime.loaded();
        let count = |kind, name, help, count| Family::of_one(kind, name, help, Reading::Count(count));
        let help = "Releases whose code left memory because there was too much of it.";
        [
            count(Kind::Gauge, "wharf_releases_loaded", "Releases whose compiled code is in memory.", releases),
            count(Kind::Gauge, "wharf_releases_loaded_bytes", "Bytes of that code.", bytes),
            count(Kind::Counter, "wharf_release_unloads_total", help, unloads),
            Family::of_one(
                Kind::Histogram,
                "wharf_release_load_seconds",
                "How long it took to load code that an attempt needed and that was not in memory.",
                times(&load_us),
            ),
        ]
    }

    /// The cache of compiled artifacts.
    fn cache(&self) -> Family {
        let CacheCounts { hits, misses, refused } = self.runtime.cache_counts();
        let help = "Look-ups in the cache of compiled artifacts, by what they came to.";
        let mut family = Family::new(Kind::Counter, "wharf_artifact_cache_total", help, &["result"]);
        for (result, count) in [("hit", hits), ("miss", misses), ("refused", refused)] {
            family.push(&[result], Reading::Count(count));
        }
        family
    }
}

/// Recordings of attempts.
fn recordings(Counted { kept, left_out, unwritten, bytes }: Counted) -> [Family; 2] {
    let help = "Recordings of attempts, by what became of them: left out, where too many waited for the disk.";
    let mut family = Family::new(Kind::Counter, "wharf_recordings_total", help, &["result"]);
    for (result, count) in [("kept", kept), ("left-out", left_out), ("unwritten", unwritten)] {
        family.push(&[result], Reading::Count(count));
    }
    let help = "Bytes that recordings of attempts take on the disk.";
    [family, Family::of_one(Kind::Gauge, "wharf_recordings_bytes", help, Reading::Count(bytes))]
}

/// What is counted in the state: exact over crashes, and since the tenant's first event.
fn of_state(state: &StateFigures, now_ms: u64) -> Vec<Family> {
    let tenants = |kind, name, help, of: fn(&wharf_delivery::StatsRow) -> u64| {
        let mut family = Family::new(kind, name, help, &["tenant"]);
        for of_tenant in &state.tenants {
            family.push(&[of_tenant.tenant.as_str()], Reading::Count(of(&of_tenant.stats)));
        }
        family
    };
    let counter = |name, help, of| tenants(Kind::Counter, name, help, of);
    let mut age = Family::new(
        Kind::Gauge,
        "wharf_deliveries_oldest_age_seconds",
        "Age of the oldest event that waits for a plugin.",
        &["tenant", "plugin"],
    );
    let mut waiting = Family::new(
        Kind::Gauge,
        "wharf_plugin_deliveries_pending",
        "Deliveries that wait for a plugin.",
        &["tenant", "plugin"],
    );
    let mut values = Family::new(Kind::Gauge, "wharf_kv_bytes", "Bytes of keys and values.", &["tenant"]);
    for of in &state.tenants {
        values.push(&[of.tenant.as_str()], Reading::Count(of.kv_bytes));
    }
    for lane in &state.lanes {
        waiting.push(&[lane.tenant.as_str(), &lane.target.text()], Reading::Count(lane.pending));
        let seconds = seconds(now_ms.saturating_sub(lane.since_ms) * 1_000);
        age.push(&[lane.tenant.as_str(), &lane.target.text()], Reading::Number(seconds));
    }
    let mut letters =
        Family::new(Kind::Gauge, "wharf_dead_letters", "Letters in a dead-letter queue.", &["tenant", "queue"]);
    for queue in &state.queues {
        letters.push(&[queue.tenant.as_str(), queue.queue.as_str()], Reading::Count(queue.depth));
    }
    vec![
        counter("wharf_events_received_total", "Events that were accepted, duplicates not counted.", |row| row.events),
        counter("wharf_events_published_total", "Events that handlers published.", |row| row.published),
        counter("wharf_deliveries_matched_total", "Deliveries that arose by a rule's match.", |row| row.deliveries),
        tenants(Kind::Gauge, "wharf_deliveries_pending", "Deliveries that are not settled.", |row| row.pending),
        waiting,
        values,
        age,
        counter("wharf_dead_lettered_total", "Deliveries that were given up.", |row| row.dead_letters),
        counter("wharf_redriven_total", "Dead letters that became deliveries again.", |row| row.redriven),
        letters,
    ]
}

/// What is counted since the start.
fn of_figures(figures: &Figures) -> Vec<Family> {
    let mut duplicates = Family::new(
        Kind::Counter,
        "wharf_events_duplicate_total",
        "Events that had been accepted before, and were not accepted again.",
        &["tenant"],
    );
    let mut conflicts = Family::new(
        Kind::Counter,
        "wharf_attempt_conflicts_total",
        "Runs of attempts that met a conflict, and were made again.",
        &["tenant"],
    );
    for (tenant, totals) in &figures.tenants {
        duplicates.push(&[tenant.as_str()], Reading::Count(totals.duplicates));
        conflicts.push(&[tenant.as_str()], Reading::Count(totals.conflicts));
    }
    let write = &figures.frames.write_us;
    let requests = &figures.frames.requests;
    let mut families = vec![
        duplicates,
        conflicts,
        Family::of_one(
            Kind::Histogram,
            "wharf_log_write_seconds",
            "How long a frame took to be written to the log and synced.",
            times(write),
        ),
        Family::of_one(
            Kind::Histogram,
            "wharf_log_frame_requests",
            "Requests that one frame made durable.",
            counts(requests),
        ),
    ];
    families.extend(of_attempts(&figures.attempts));
    families
}

/// Whose they are is told by the attempts that failed, and by each tenant's totals.
fn of_faults(faults: &[FaultFigures]) -> [Family; 2] {
    let of_one = |kind, name, help, count| Family::of_one(kind, name, help, Reading::Count(count));
    let quarantined = faults.iter().map(|of| u64::from(of.quarantined)).sum();
    [
        of_one(
            Kind::Counter,
            "wharf_host_faults_total",
            "Attempts in which the host itself failed.",
            faults.iter().map(|of| of.faults).sum(),
        ),
        of_one(Kind::Gauge, "wharf_releases_quarantined", "Releases that are not run because of them.", quarantined),
    ]
}

/// Whose they are is told by the plugins themselves, and by the events that tell of it.
fn of_breakers(breakers: &[BreakerFigures]) -> [Family; 2] {
    let of_one = |kind, name, help, count| Family::of_one(kind, name, help, Reading::Count(count));
    let open = breakers.iter().map(|of| u64::from(of.state != BreakerState::Closed)).sum();
    let openings = breakers.iter().map(|of| of.openings).sum();
    [
        of_one(
            Kind::Gauge,
            "wharf_targets_open",
            "Targets whose breaker is open or half-open, so that their deliveries wait.",
            open,
        ),
        of_one(Kind::Counter, "wharf_target_openings_total", "How often the breaker of a target opened.", openings),
    ]
}

/// A plugin's attempts over all its releases.
type ByPlugin<'a> = BTreeMap<Option<(&'a TenantName, &'a Target)>, OfPlugin>;

/// What attempts of one plugin came to, over its releases.
struct OfPlugin {
    took: Distribution,
    failed: BTreeMap<Code, u64>,
    limited: BTreeMap<Code, u64>,
    used: Used,
}

impl OfPlugin {
    fn of(figures: &AttemptFigures) -> Self {
        let AttemptFigures { took_us, failed, limited, used, .. } = figures;
        Self { took: took_us.clone(), failed: failed.clone(), limited: limited.clone(), used: *used }
    }

    fn add(&mut self, figures: &AttemptFigures) {
        self.used.add(&figures.used);
        self.took.add(&figures.took_us);
        for (sums, counts) in [(&mut self.failed, &figures.failed), (&mut self.limited, &figures.limited)] {
            counts.iter().for_each(|(code, count)| *sums.entry(*code).or_default() += count);
        }
    }
}

fn of_attempts(attempts: &[(Option<AttemptsOf>, AttemptFigures)]) -> Vec<Family> {
    let mut ends = Family::new(
        Kind::Counter,
        "wharf_attempts_total",
        "Attempts that were settled, by how and by the plugin's release.",
        &["tenant", "plugin", "release", "outcome"],
    );
    let mut plugins = ByPlugin::new();
    for (of, figures) in attempts {
        let release = of.as_ref().map(|of| of.release.map_or_else(|| "none".to_owned(), |release| release.to_string()));
        let names = of.as_ref().map(|of| (&of.tenant, &of.target));
        let (tenant, plugin) = words(names);
        let plugin = plugin.as_ref();
        let release = release.as_deref().unwrap_or(OTHER);
        for (outcome, count) in [
            ("ack", figures.acknowledged),
            ("filtered", figures.filtered),
            ("retry", figures.retried),
            ("dead-letter", figures.dead_lettered),
        ] {
            ends.push(&[tenant, plugin, release, outcome], Reading::Count(count));
        }
        plugins.entry(names).and_modify(|sums| sums.add(figures)).or_insert_with(|| OfPlugin::of(figures));
    }
    let mut took = Family::new(
        Kind::Histogram,
        "wharf_attempt_seconds",
        "How long attempts took, transforms included.",
        &["tenant", "plugin"],
    );
    let mut failed = Family::new(
        Kind::Counter,
        "wharf_attempts_failed_total",
        "Attempts that failed, by the code of what ended them.",
        &["tenant", "plugin", "code"],
    );
    let mut limited = Family::new(
        Kind::Counter,
        "wharf_attempts_limited_total",
        "Attempts that met a limit, whether that ended them or not, by its code.",
        &["tenant", "plugin", "code"],
    );
    let mut used = used_families();
    for (names, of) in &plugins {
        let (tenant, plugin) = words(*names);
        let plugin = plugin.as_ref();
        took.push(&[tenant, plugin], times(&of.took));
        for (family, counts) in [(&mut failed, &of.failed), (&mut limited, &of.limited)] {
            let readings = counts.iter().map(|(code, count)| (code.as_str(), Reading::Count(*count)));
            readings.for_each(|(code, reading)| family.push(&[tenant, plugin, code], reading));
        }
        let readings = used_readings(&of.used);
        used.iter_mut().zip(readings).for_each(|(family, reading)| family.push(&[tenant, plugin], reading));
    }
    [ends, failed, limited, took].into_iter().chain(used).collect()
}

/// Of what attempts used, in the order of [`used_readings`].
fn used_families() -> [Family; 5] {
    let family = |name, help| Family::new(Kind::Counter, name, help, &["tenant", "plugin"]);
    [
        family("wharf_attempt_cpu_seconds_total", "CPU time that attempts used."),
        family(
            "wharf_attempt_memory_gib_seconds_total",
            "Memory that attempts had, in GiB, times how long they had it.",
        ),
        family("wharf_attempt_bytes_in_total", "Bytes that guests were given: events, values, keys."),
        family("wharf_attempt_bytes_out_total", "Bytes that guests gave: events, keys, values."),
        family(
            "wharf_attempt_host_calls_total",
            "Work of the host for guests: events published, keys read or changed, lines logged.",
        ),
    ]
}

fn used_readings(used: &Used) -> [Reading; 5] {
    /// KiB times microseconds of a GiB second.
    const GIB_SECOND: f64 = 1_048_576.0 * 1_000_000.0;
    [
        Reading::Sum(number(used.cpu_ns) / 1e9),
        Reading::Sum(number(used.memory_kib_us) / GIB_SECOND),
        Reading::Count(used.bytes_in),
        Reading::Count(used.bytes_out),
        Reading::Count(used.host_calls),
    ]
}

fn words<'a>(names: Option<(&'a TenantName, &'a Target)>) -> (&'a str, Cow<'a, str>) {
    names.map_or((OTHER, OTHER.into()), |(tenant, target)| (tenant.as_str(), target.text()))
}

/// Microseconds as seconds.
pub(super) fn times(us: &Distribution) -> Reading {
    Reading::Buckets {
        bounds: us.bounds.iter().map(|bound| seconds(*bound)).collect(),
        counts: us.counts.clone(),
        sum: seconds(us.sum),
    }
}

pub(super) fn counts(of: &Distribution) -> Reading {
    Reading::Buckets {
        bounds: of.bounds.iter().map(|bound| number(*bound)).collect(),
        counts: of.counts.clone(),
        sum: number(of.sum),
    }
}

fn seconds(us: u64) -> f64 {
    number(us) / 1_000_000.0
}

#[allow(clippy::cast_precision_loss, reason = "a measure beyond 2^53 may be off by one")]
pub(super) fn number(count: u64) -> f64 {
    count as f64
}
