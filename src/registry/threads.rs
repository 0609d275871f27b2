//! The registry under real threads: births, give-up and fold while a page is read, for tools that watch memory
//! accesses (`make miri`). `tests/model_shuttle.rs` has the same protocol under chosen schedules.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};

use crate::metric::{BucketParams, Hops, Kind, Label, Op, Sample};
use crate::registry::directory::{Directory, FamilyView};
use crate::registry::expiry::Expiry;
use crate::registry::local::LocalRegistry;
use crate::registry::mailbox::Mailboxes;
use crate::registry::total::Total;
use crate::registry::worker_time::WorkerTime;
use crate::registry::{Registry, SeriesLimits};

const WORKERS: usize = 2;
/// How often each worker counts in each series. An interpreter is a thousand times slower.
const ROUNDS: u64 = if cfg!(miri) { 3 } else { 2_000 };
const SERIES: [&str; 3] = ["a", "b", "c"];
const KINDS: [(Kind, Op, &str); 5] = [
    (Kind::Counter, Op::Inc, "counter"),
    (Kind::Gauge, Op::Set, "gauge"),
    (Kind::Histogram, Op::Obs, "histogram"),
    (Kind::Gauge, Op::Add, "added"),
    (Kind::Gauge, Op::Add, "gauge"),
];
/// Samples are old at once: each pass wants to retire everything, however far adds have moved the time on.
const SAMPLE_NS: u64 = 1;
const PASS_NS: u64 = 1_000_000_000;
const TTL_NS: u64 = 10;

fn sample<'a>(op: Op, name: &'a str, labels: &'a [Label<'a>]) -> Sample<'a> {
    let buckets = BucketParams { custom: &[1.0], ..BucketParams::default() };
    let (help, index, timestamp) = ("", "", None);
    Sample { op, name, labels, help, value: 1.0, buckets, timestamp, index, hops: Hops::default() }
}

/// Counts in all series again and again, and gives up what is asked for in between.
fn work(mut local: LocalRegistry) -> LocalRegistry {
    let time = WorkerTime::new(SAMPLE_NS);
    for _ in 0..ROUNDS {
        for series in SERIES {
            let labels = [Label { name: "series", value: series }];
            for (kind, op, name) in KINDS {
                let sample = sample(op, name, &labels);
                let counted = match op {
                    Op::Add => local.add_to_gauge(&sample, &[], &time),
                    _ => local.count(kind, &sample, &[], time.now_ns()),
                };
                counted.unwrap();
            }
        }
        local.handle_requests();
        thread::yield_now();
    }
    local
}

/// Increments, observations and adds of 1 that a series stands for; gauges that are set stand for none.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sums of ones")]
fn counted(total: &Total) -> u64 {
    match total {
        Total::Counter { whole, .. } => u64::try_from(*whole).unwrap(),
        Total::Histogram { counts, .. } => counts.iter().sum(),
        Total::Gauge { stamp_ns: 0, .. } => total.value() as u64,
        Total::Gauge { .. } => 0,
    }
}

#[test]
fn whatever_was_counted_is_on_the_page_or_was_removed() {
    let registry = Arc::new(Registry::new(SeriesLimits::unlimited(WORKERS), |_| false));
    let mailboxes = Arc::new(Mailboxes::new(WORKERS));
    let mut directory = Directory::new(Arc::clone(&registry));
    let mut expiry = Expiry::new(TTL_NS, Arc::clone(&mailboxes));
    let mut removed = 0;
    let mut pass = |directory: &mut Directory| {
        let pass = expiry.pass(directory, PASS_NS);
        removed += pass.removed.iter().map(|entry| counted(&entry.total())).sum::<u64>();
        let entries = directory.families().flat_map(FamilyView::series);
        removed + entries.map(|entry| counted(&entry.total())).sum::<u64>()
    };
    let sent = WORKERS as u64 * ROUNDS * (SERIES.len() * 3) as u64;
    let mut locals = thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|number| {
                let (registry, mailboxes) = (Arc::clone(&registry), Arc::clone(&mailboxes));
                scope.spawn(move || work(LocalRegistry::new(number, registry, mailboxes)))
            })
            .collect();
        let mut shown = 0;
        while !workers.iter().all(ScopedJoinHandle::is_finished) {
            let now = pass(&mut directory);
            assert!((shown..=sent).contains(&now), "from {shown} to {now} of {sent}");
            shown = now;
            thread::yield_now();
        }
        workers.into_iter().map(|worker| worker.join().unwrap()).collect::<Vec<_>>()
    });
    // All are idle: every series goes, and nothing is left over.
    for _ in 0..4 {
        pass(&mut directory);
        for local in &mut locals {
            local.handle_requests();
        }
    }
    assert_eq!(pass(&mut directory), sent);
    assert_eq!(directory.families().count(), 0);
    assert_eq!((registry.lines(), registry.committed_bytes()), (0, 0));
    assert!(registry.bytes() < 64 << 10, "tables keep room for a few entries, and nothing else");
}

/// Lines of the page where newcomers need room, fewer than the series that come.
const LINES_MAX: u64 = 16;
/// The time between two samples, so that the exporter chooses some dozen times who makes room.
const STEP_NS: u64 = 10_000_000;
/// What two workers have counted in goes some time as well, or nobody could make room any more.
const FLOOD_TTL_NS: u64 = 500 * STEP_NS;

/// Counts in a series that does not come again, but now and then the other worker counts in it at about the same time,
/// and in one that comes again and again. Returns how many samples were counted. No two of all workers have the same
/// time.
fn flood(number: usize, local: &mut LocalRegistry, time_ns: &AtomicU64) -> u64 {
    let mut counted = 0;
    for round in 0..ROUNDS {
        let once = if round % 8 == 0 { round.to_string() } else { format!("{number}-{round}") };
        let again = SERIES[usize::try_from(round % 3).unwrap()];
        for value in [&once, again] {
            let labels = [Label { name: "series", value }];
            let now_ns = time_ns.fetch_add(STEP_NS, Ordering::Relaxed);
            let sample = sample(Op::Inc, "counter", &labels);
            counted += u64::from(local.count(Kind::Counter, &sample, &[], now_ns).is_ok());
        }
        local.handle_requests();
        thread::yield_now();
    }
    counted
}

#[test]
fn what_makes_room_had_one_sample_and_no_other() {
    let limits = SeriesLimits::unlimited(WORKERS).with_lines_max(LINES_MAX);
    let limits = limits.with_memory_max_bytes(1 << 20).with_evict_singletons(true);
    let registry = Arc::new(Registry::new(limits, |_| false));
    let mailboxes = Arc::new(Mailboxes::new(WORKERS));
    let mut directory = Directory::new(Arc::clone(&registry));
    let mut expiry = Expiry::new(FLOOD_TTL_NS, Arc::clone(&mailboxes));
    let time_ns = AtomicU64::new(STEP_NS);
    let (mut evicted, mut removed) = (0, 0);
    let mut pass = |directory: &mut Directory| {
        let pass = expiry.pass(directory, time_ns.load(Ordering::Relaxed));
        removed += pass.removed.iter().map(|entry| counted(&entry.total())).sum::<u64>();
        for entry in pass.evicted {
            assert_eq!(counted(&entry.total()), 1);
            evicted += 1;
        }
    };
    let sent = thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|number| {
                let (registry, mailboxes) = (Arc::clone(&registry), Arc::clone(&mailboxes));
                let time_ns = &time_ns;
                scope.spawn(move || {
                    let mut local = LocalRegistry::new(number, registry, mailboxes);
                    let counted = flood(number, &mut local, time_ns);
                    (local, counted)
                })
            })
            .collect();
        while !workers.iter().all(ScopedJoinHandle::is_finished) {
            pass(&mut directory);
            thread::yield_now();
        }
        let mut sent = 0;
        for worker in workers {
            let (mut local, counted) = worker.join().unwrap();
            local.handle_requests();
            sent += counted;
        }
        sent
    });
    pass(&mut directory);
    let standing: u64 =
        directory.families().flat_map(FamilyView::series).map(|it| counted(&it.total())).sum();
    assert_eq!(evicted + removed + standing, sent, "{evicted} evicted");
    assert_eq!(registry.lines(), directory.series().iter().sum::<u64>());
    assert!(cfg!(miri) || evicted > 0, "{removed} removed");
}
