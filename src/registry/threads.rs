//! The registry under real threads: births, give-up and fold while a page is read, for tools that watch memory
//! accesses (`make miri`). `tests/model_shuttle.rs` has the same protocol under chosen schedules.

use std::sync::Arc;
use std::thread::{self, ScopedJoinHandle};

use crate::metric::{BucketParams, Hops, Kind, Label, Op, Sample};
use crate::registry::directory::{Directory, FamilyView};
use crate::registry::expiry::Expiry;
use crate::registry::local::LocalRegistry;
use crate::registry::mailbox::Mailboxes;
use crate::registry::total::Total;
use crate::registry::{Registry, SeriesLimits};

const WORKERS: usize = 2;
/// How often each worker counts in each series. An interpreter is a thousand times slower.
const ROUNDS: u64 = if cfg!(miri) { 3 } else { 2_000 };
const SERIES: [&str; 3] = ["a", "b", "c"];
const KINDS: [(Kind, Op, &str); 3] = [
    (Kind::Counter, Op::Inc, "counter"),
    (Kind::Gauge, Op::Set, "gauge"),
    (Kind::Histogram, Op::Obs, "histogram"),
];
/// Samples are old at once: each pass wants to retire everything.
const SAMPLE_NS: u64 = 1;
const PASS_NS: u64 = 100;
const TTL_NS: u64 = 10;

fn sample<'a>(op: Op, name: &'a str, labels: &'a [Label<'a>]) -> Sample<'a> {
    let buckets = BucketParams { custom: &[1.0], ..BucketParams::default() };
    let (help, index, timestamp) = ("", "", None);
    Sample { op, name, labels, help, value: 1.0, buckets, timestamp, index, hops: Hops::default() }
}

/// Counts in all series again and again, and gives up what is asked for in between.
fn work(mut local: LocalRegistry) -> LocalRegistry {
    for _ in 0..ROUNDS {
        for series in SERIES {
            let labels = [Label { name: "series", value: series }];
            for (kind, op, name) in KINDS {
                local.count(kind, &sample(op, name, &labels), &[], SAMPLE_NS).unwrap();
            }
        }
        local.handle_requests();
        thread::yield_now();
    }
    local
}

/// Increments and observations that a series stands for; gauges stand for none.
fn counted(total: &Total) -> u64 {
    match total {
        Total::Counter { whole, .. } => u64::try_from(*whole).unwrap(),
        Total::Histogram { counts, .. } => counts.iter().sum(),
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
    let sent = WORKERS as u64 * ROUNDS * (SERIES.len() * 2) as u64;
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
