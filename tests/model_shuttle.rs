//! Give-up and fold, and gauges that are set and added to: the registry's real code under random schedules, with a page
//! being read all the time, by shuttle.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test --test model_shuttle`
#![cfg(shuttle)]

use std::collections::BTreeMap;
use std::sync::Arc;

use metrics_server::testing::metric::{BucketParams, Hops, Kind, Op, Sample};
use metrics_server::testing::registry::Directory;
use metrics_server::testing::registry::Expiry;
use metrics_server::testing::registry::LocalRegistry;
use metrics_server::testing::registry::cell::Total;
use metrics_server::testing::registry::{GivenUp, Mailboxes, Request};
use metrics_server::testing::registry::{Registry, SeriesLimits, WorkerTime};
use shuttle::rand::Rng;
use shuttle::sync::Mutex;
use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::thread;

const SCHEDULES: usize = 5_000;
const WORKERS: usize = 2;
const SAMPLES: u64 = 3;
/// Samples are old at once: every pass of the exporter wants to retire everything.
const SAMPLE_NS: u64 = 1;
const PASS_NS: u64 = 100;
const TTL_NS: u64 = 10;

fn registry() -> Arc<Registry> {
    Arc::new(Registry::new(SeriesLimits::unlimited(WORKERS), |_| false))
}

fn sample(op: Op, value: f64) -> Sample<'static> {
    sample_of("requests", op, value)
}

fn sample_of(name: &'static str, op: Op, value: f64) -> Sample<'static> {
    let buckets = BucketParams { custom: &[1.0], ..BucketParams::default() };
    let (help, index) = ("", "");
    Sample {
        op,
        name,
        labels: &[],
        help,
        value,
        buckets,
        timestamp: None,
        index,
        hops: Hops::default(),
    }
}

/// The whole number that a total stands for: increments, or observations.
fn counted(total: &Total) -> u64 {
    match total {
        Total::Histogram { counts, .. } => counts.iter().sum(),
        other => other.value() as u64,
    }
}

/// Everything that was counted: what stands and what has died.
struct Seen {
    directory: Directory,
    died: u64,
    shown: u64,
}

impl Seen {
    /// Reads the page; within one life of the series its number must not fall.
    fn show(&mut self) {
        self.directory.merge_new_cells();
        let total: u64 = self
            .directory
            .families()
            .flat_map(|view| view.series())
            .map(|entry| counted(&entry.total()))
            .sum();
        assert!(
            total + self.died >= self.shown,
            "model: the page fell from {} to {total}",
            self.shown
        );
        self.shown = total + self.died;
    }
}

/// Workers count, the exporter retires and another thread reads the page. At the end every sample is
/// found once. `between_batches` is what a worker does between batches.
fn run(kind: Kind, op: Op, between_batches: fn(&mut LocalRegistry, &Mailboxes, usize)) {
    let (registry, mailboxes) = (registry(), Arc::new(Mailboxes::new(WORKERS)));
    let directory = Directory::new(Arc::clone(&registry));
    let seen = Arc::new(Mutex::new(Seen { directory, died: 0, shown: 0 }));
    let mut local_registries = Vec::new();
    let workers: Vec<_> = (0..WORKERS)
        .map(|number| {
            let (registry, mailboxes) = (Arc::clone(&registry), Arc::clone(&mailboxes));
            thread::spawn(move || {
                let mut local_registry =
                    LocalRegistry::new(number, registry, Arc::clone(&mailboxes));
                let time = WorkerTime::new(SAMPLE_NS);
                for _ in 0..SAMPLES {
                    let sample = sample(op, 1.0);
                    let counted = match op {
                        Op::Add => local_registry.add_to_gauge(&sample, &[], &time),
                        _ => local_registry.count(kind, &sample, &[], SAMPLE_NS),
                    };
                    counted.unwrap();
                    thread::yield_now();
                    between_batches(&mut local_registry, &mailboxes, number);
                }
                local_registry
            })
        })
        .collect();
    let reader = {
        let seen = Arc::clone(&seen);
        thread::spawn(move || {
            for _ in 0..3 {
                seen.lock().unwrap().show();
                thread::yield_now();
            }
        })
    };
    let mut expiry = Expiry::new(TTL_NS, Arc::clone(&mailboxes));
    let mut pass = |local_registries: &mut Vec<LocalRegistry>| {
        let mut seen = seen.lock().unwrap();
        let pass = expiry.pass(&mut seen.directory, PASS_NS);
        seen.died += pass.removed.iter().map(|entry| counted(&entry.total())).sum::<u64>();
        seen.show();
        drop(seen);
        for local_registry in local_registries.iter_mut() {
            local_registry.handle_requests();
        }
    };
    for _ in 0..4 {
        pass(&mut local_registries);
        thread::yield_now();
    }
    local_registries.extend(workers.into_iter().map(|worker| worker.join().unwrap()));
    reader.join().unwrap();
    // Everybody is idle now: all series die, and nothing is left over.
    for _ in 0..4 {
        pass(&mut local_registries);
    }
    let seen = seen.lock().unwrap();
    assert_eq!(seen.died, WORKERS as u64 * SAMPLES, "model: samples were lost or counted twice");
    assert_eq!(
        seen.directory.families().count(),
        0,
        "model: a removed series is still in the directory"
    );
    assert!(
        local_registries.iter().all(LocalRegistry::is_empty),
        "model: a worker still has a series"
    );
    let left = (registry.lines(), registry.committed_bytes());
    assert_eq!(left, (0, 0), "model: lines or bytes are left over");
    let tables_bytes = 64 << 10;
    assert!(registry.bytes() < tables_bytes, "model: more than empty tables is left over");
}

fn handle_requests(local_registry: &mut LocalRegistry, _: &Mailboxes, _: usize) {
    local_registry.handle_requests();
}

#[test]
fn no_sample_is_lost_or_counted_twice_and_no_page_falls() {
    shuttle::check_random(|| run(Kind::Counter, Op::Inc, handle_requests), SCHEDULES);
    shuttle::check_random(|| run(Kind::Histogram, Op::Obs, handle_requests), SCHEDULES);
    shuttle::check_random(|| run(Kind::Gauge, Op::Add, handle_requests), SCHEDULES);
}

/// A worker that answers without dropping the key goes on counting into a cell that is folded.
#[test]
#[should_panic(expected = "model:")]
fn the_model_sees_an_owner_that_answers_but_keeps_counting() {
    shuttle::check_random(|| run(Kind::Counter, Op::Inc, answer_and_keep), SCHEDULES);
}

fn answer_and_keep(local_registry: &mut LocalRegistry, mailboxes: &Mailboxes, number: usize) {
    for request in mailboxes.take_requests(number) {
        if let Request::GiveUp(series) = request {
            let (cell, slot) = local_registry.cell_of(&series).unwrap();
            mailboxes.reply(GivenUp { series, cell, slot });
        }
    }
}

/// Two series fill the limit, with one sample each. The first, which has to go before the other, gets another sample.
const FULL_LINES: u64 = 2;
const OLD: [&str; 2] = ["old", "young"];
const NEWCOMER: &str = "newcomer";
/// What each worker does, at random, and passes of the exporter meanwhile.
const ACTIONS: u64 = 6;
/// The exporter chooses at most once a second who makes room.
const EVICT_NS: u64 = 1_000_000_000;

/// A worker, and its samples that were counted, by series.
struct Counting {
    local_registry: LocalRegistry,
    counted: BTreeMap<String, u64>,
    /// Each worker counts its own time, so the first samples of two workers come at the same time.
    now_ns: u64,
}

impl Counting {
    fn new(number: usize, registry: &Arc<Registry>, mailboxes: &Arc<Mailboxes>) -> Self {
        let local_registry =
            LocalRegistry::new(number, Arc::clone(registry), Arc::clone(mailboxes));
        Self { local_registry, counted: BTreeMap::new(), now_ns: 0 }
    }

    fn count(&mut self, name: &'static str) {
        self.now_ns += 1;
        let sample = sample_of(name, Op::Inc, 1.0);
        if self.local_registry.count(Kind::Counter, &sample, &[], self.now_ns).is_ok() {
            *self.counted.entry(name.to_owned()).or_default() += 1;
        }
    }
}

/// A newcomer asks for room while series that are chosen to make it get another sample. What is evicted had one sample
/// and no other, and all that was counted has gone with such series or still stands.
fn evict() {
    let limits = SeriesLimits::unlimited(WORKERS).with_lines_max(FULL_LINES);
    let limits = limits.with_memory_max_bytes(1 << 20).with_evict_singletons(true);
    let registry = Arc::new(Registry::new(limits, |_| false));
    let mailboxes = Arc::new(Mailboxes::new(WORKERS));
    let mut directory = Directory::new(Arc::clone(&registry));
    let mut workers: Vec<_> =
        (0..WORKERS).map(|number| Counting::new(number, &registry, &mailboxes)).collect();
    OLD.iter().for_each(|name| workers[0].count(name));
    (0..2).for_each(|_| workers[0].count(NEWCOMER));
    let workers: Vec<_> = workers
        .into_iter()
        .map(|mut worker| {
            thread::spawn(move || {
                let mut random = shuttle::rand::thread_rng();
                for _ in 0..ACTIONS {
                    match random.gen_range(0..4) {
                        0 => worker.count(OLD[0]),
                        1 => worker.count(NEWCOMER),
                        2 => {
                            worker.local_registry.handle_requests();
                        }
                        _ => {}
                    }
                    thread::yield_now();
                }
                worker
            })
        })
        .collect();
    let mut expiry = Expiry::new(u64::MAX, Arc::clone(&mailboxes));
    let mut kept: BTreeMap<String, u64> = BTreeMap::new();
    let mut evicted = 0;
    let mut pass = |directory: &mut Directory, number: u64| {
        for entry in expiry.pass(directory, number * EVICT_NS).evicted {
            assert_eq!(counted(&entry.total()), 1, "model: evicted with more than one sample");
            *kept.entry(entry.family().name.to_string()).or_default() += 1;
            evicted += 1;
        }
    };
    for number in 1..=ACTIONS {
        pass(&mut directory, number);
        thread::yield_now();
    }
    let mut workers: Vec<_> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
    for number in ACTIONS..ACTIONS + 4 {
        for worker in &mut workers {
            worker.local_registry.handle_requests();
        }
        pass(&mut directory, number);
    }
    let standing = directory.families().flat_map(|view| view.series());
    let mut lines = 0;
    for entry in standing {
        lines += 1;
        *kept.entry(entry.family().name.to_string()).or_default() += counted(&entry.total());
    }
    let mut all: BTreeMap<String, u64> = BTreeMap::new();
    for worker in workers {
        for (name, count) in worker.counted {
            *all.entry(name).or_default() += count;
        }
    }
    assert_eq!(kept, all, "model: eviction has lost samples, or doubled them");
    assert_eq!(registry.lines(), lines, "model: lines of series that are gone");
    EVICTED.fetch_add(evicted, Ordering::Relaxed);
}

/// Series that were evicted in all schedules.
static EVICTED: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

#[test]
fn eviction_loses_no_sample_that_was_counted() {
    shuttle::check_random(evict, SCHEDULES);
    let evicted = EVICTED.load(Ordering::Relaxed);
    assert!(evicted > SCHEDULES / 10, "in most schedules nobody was evicted: {evicted}");
}

/// What a worker does to a gauge.
#[derive(Clone, Copy)]
enum Step {
    Set(f64),
    Add(f64),
}
use Step::{Add, Set};

/// What the two workers do. Each value tells which of the steps it is made of.
const PROGRAMS: [&[Step]; WORKERS] = [
    &[Set(100.0), Add(1.0), Set(200.0), Add(2.0)],
    &[Add(10.0), Set(1000.0), Add(20.0), Add(40.0)],
];
/// What the gauge is set to before.
const FIRST: f64 = 5.0;

/// The values that the gauge may have in the end: those of all orders that keep each worker's own.
fn possible(value: f64, left: [&[Step]; WORKERS], found: &mut Vec<f64>) {
    if left.iter().all(|program| program.is_empty()) {
        found.push(value);
    }
    for worker in 0..WORKERS {
        let Some((step, rest)) = left[worker].split_first() else { continue };
        let mut left = left;
        left[worker] = rest;
        match *step {
            Set(set) => possible(set, left, found),
            Add(more) => possible(value + more, left, found),
        }
    }
}

fn do_step(local_registry: &mut LocalRegistry, step: Step, time: &WorkerTime) {
    let counted = match step {
        Set(value) => {
            local_registry.count(Kind::Gauge, &sample(Op::Set, value), &[], time.now_ns()).map(drop)
        }
        Add(value) => local_registry.add_to_gauge(&sample(Op::Add, value), &[], time).map(drop),
    };
    counted.unwrap();
}

/// Two workers set a gauge and add to it, while its cells are asked back, folded and used again all the time. A third
/// one always has a cell, so that the gauge is not removed.
fn set_and_add(possible: &[f64]) {
    let registry = Arc::new(Registry::new(SeriesLimits::unlimited(WORKERS + 1), |_| false));
    let mailboxes = Arc::new(Mailboxes::new(WORKERS + 1));
    let local_registry =
        |number| LocalRegistry::new(number, Arc::clone(&registry), Arc::clone(&mailboxes));
    let mut keeper = local_registry(WORKERS);
    do_step(&mut keeper, Set(FIRST), &WorkerTime::new(SAMPLE_NS));
    let clock = Arc::new(AtomicU64::new(SAMPLE_NS + 1));
    let workers: Vec<_> = (0..WORKERS)
        .map(|number| {
            let (mut local_registry, clock) = (local_registry(number), Arc::clone(&clock));
            // All that the first worker does is of one batch; the other one reads the clock each time.
            let one_batch = number == 0;
            thread::spawn(move || {
                let time = WorkerTime::new(0);
                for (number, step) in PROGRAMS[number].iter().enumerate() {
                    if number == 0 || !one_batch {
                        time.advance(clock.fetch_add(1, Ordering::SeqCst));
                    }
                    do_step(&mut local_registry, *step, &time);
                    // Often long enough that a cell is asked back, given up and folded before the next step.
                    let looks = [0, 1, 20][shuttle::rand::thread_rng().gen_range(0..3)];
                    for _ in 0..looks {
                        local_registry.handle_requests();
                        thread::yield_now();
                    }
                }
                local_registry
            })
        })
        .collect();
    let mut directory = Directory::new(Arc::clone(&registry));
    let mut expiry = Expiry::new(TTL_NS, Arc::clone(&mailboxes));
    for _ in 0..12 {
        expiry.pass(&mut directory, PASS_NS);
        keeper.handle_requests();
        do_step(&mut keeper, Add(0.0), &WorkerTime::new(SAMPLE_NS));
        thread::yield_now();
    }
    let mut local_registries: Vec<_> =
        workers.into_iter().map(|worker| worker.join().unwrap()).collect();
    let value = |directory: &Directory| {
        let mut totals = directory.families().flat_map(|view| view.series());
        let value = totals.next().expect("the gauge").total().value();
        assert!(totals.next().is_none(), "model: a second gauge");
        value
    };
    for _ in 0..3 {
        directory.merge_new_cells();
        let value = value(&directory);
        assert!(possible.contains(&value), "model: the gauge is {value}");
        expiry.pass(&mut directory, PASS_NS);
        for local_registry in local_registries.iter_mut().chain([&mut keeper]) {
            local_registry.handle_requests();
        }
        do_step(&mut keeper, Add(0.0), &WorkerTime::new(SAMPLE_NS));
    }
}

#[test]
fn a_gauge_is_what_some_order_of_all_sets_and_adds_makes_it() {
    let mut values = Vec::new();
    possible(FIRST, PROGRAMS, &mut values);
    values.sort_by(f64::total_cmp);
    values.dedup();
    assert_eq!(values.len(), 5, "{values:?}");
    shuttle::check_random(move || set_and_add(&values), SCHEDULES);
}
