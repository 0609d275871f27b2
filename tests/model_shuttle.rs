//! Give-up and fold: the registry's real code under random schedules, with a page being read all the
//! time, by shuttle.
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
use metrics_server::testing::registry::{Registry, SeriesLimits};
use shuttle::rand::Rng;
use shuttle::sync::Mutex;
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
                for _ in 0..SAMPLES {
                    local_registry.count(kind, &sample(op, 1.0), &[], SAMPLE_NS).unwrap();
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
    EVICTED.fetch_add(evicted, std::sync::atomic::Ordering::Relaxed);
}

/// Series that were evicted in all schedules.
static EVICTED: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

#[test]
fn eviction_loses_no_sample_that_was_counted() {
    shuttle::check_random(evict, SCHEDULES);
    let evicted = EVICTED.load(std::sync::atomic::Ordering::Relaxed);
    assert!(evicted > SCHEDULES / 10, "in most schedules nobody was evicted: {evicted}");
}
