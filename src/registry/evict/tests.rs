//! Which series go for newcomers, and which do not, seen from what workers count and the exporter removes.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::metric::{BucketParams, Hops, Kind, Label, Op, Rejection, Sample};
use crate::registry::directory::Directory;
use crate::registry::expiry::Expiry;
use crate::registry::local::LocalRegistry;
use crate::registry::mailbox::Mailboxes;
use crate::registry::{Registry, SeriesLimits};

const SECOND_NS: u64 = 1_000_000_000;
const WORKERS: usize = 2;

/// Workers and an exporter, all on this thread.
struct Setup {
    registry: Arc<Registry>,
    workers: Vec<LocalRegistry>,
    directory: Directory,
    expiry: Expiry,
    now_ns: u64,
    /// What samples say about their family.
    help: String,
}

fn setup(limits: impl FnOnce(SeriesLimits) -> SeriesLimits) -> Setup {
    let limits = limits(SeriesLimits::unlimited(WORKERS)).with_evict_singletons(true);
    let registry = Arc::new(Registry::new(limits, |_| false));
    let mailboxes = Arc::new(Mailboxes::new(WORKERS));
    let worker = |number| LocalRegistry::new(number, Arc::clone(&registry), Arc::clone(&mailboxes));
    Setup {
        workers: (0..WORKERS).map(worker).collect(),
        directory: Directory::new(Arc::clone(&registry)),
        expiry: Expiry::new(1 << 60, mailboxes),
        registry,
        now_ns: SECOND_NS,
        help: String::new(),
    }
}

impl Setup {
    fn count(&mut self, worker: usize, op: Op, name: &str, label: u32) -> Result<(), Rejection> {
        let kind = if op == Op::Obs { Kind::Histogram } else { Kind::Counter };
        let value = label.to_string();
        let labels = [Label { name: "l", value: &value }];
        let buckets = BucketParams { custom: &[1.0, 2.0], ..BucketParams::default() };
        let (help, index, timestamp, hops) = (&*self.help, "", None, Hops::default());
        let sample =
            Sample { op, name, labels: &labels, help, value: 1.0, buckets, timestamp, index, hops };
        self.workers[worker].count(kind, &sample, &[], self.now_ns).map(drop)
    }

    /// The first worker counts one sample, at a time of its own.
    fn send(&mut self, name: &str, label: u32) -> Result<(), Rejection> {
        self.now_ns += 1;
        self.count(0, Op::Inc, name, label)
    }

    /// A sample for each of so many series, all of which get in.
    fn fill(&mut self, name: &str, series: u32) {
        for label in 0..series {
            self.send(name, label).unwrap();
        }
    }

    /// The same sample twice, refused both times.
    fn ask(&mut self, name: &str, refusal: Rejection) {
        for _ in 0..2 {
            assert_eq!(self.send(name, u32::MAX), Err(refusal));
        }
    }

    /// A second passes, and the exporter looks; the workers answer unless they are `busy`.
    fn look(&mut self, is_busy: bool) -> BTreeMap<String, usize> {
        self.now_ns += SECOND_NS;
        let mut evicted = BTreeMap::new();
        for _ in 0..2 {
            let pass = self.expiry.pass(&mut self.directory, self.now_ns);
            for entry in pass.evicted {
                *evicted.entry(entry.family().name.to_string()).or_default() += 1;
            }
            if !is_busy {
                for worker in &mut self.workers {
                    worker.handle_requests();
                }
            }
        }
        evicted
    }

    /// A second passes. Returns how many series of which name were evicted in it.
    fn second(&mut self) -> BTreeMap<String, usize> {
        self.look(false)
    }
}

fn of(names: &[(&str, usize)]) -> BTreeMap<String, usize> {
    names.iter().map(|&(name, count)| (name.to_owned(), count)).collect()
}

#[test]
fn for_the_lines_of_a_name_only_that_name_gives_way() {
    let mut setup = setup(|limits| limits.with_lines_max(160).with_name_lines_max(80));
    setup.fill("other", 74);
    setup.fill("flood", 80);
    setup.ask("flood", Rejection::NameLinesLimit);
    assert_eq!(setup.second(), of(&[("flood", 5)]), "a sixteenth of 80");
    // No room is kept but for that name.
    for label in 100..105 {
        assert_eq!(setup.send("third", label), Ok(()));
    }
    assert_eq!(setup.send("other", 100), Ok(()));
    assert_eq!(setup.send("flood", 100), Err(Rejection::NameLinesLimit), "its first sample");
    assert_eq!(setup.send("flood", 100), Ok(()), "its second");
}

#[test]
fn for_the_lines_of_all_names_any_name_gives_way() {
    let mut setup = setup(|limits| limits.with_lines_max(160).with_name_lines_max(159));
    setup.fill("other", 80);
    setup.fill("flood", 80);
    setup.ask("flood", Rejection::LinesLimit);
    assert_eq!(setup.second(), of(&[("other", 10)]), "the oldest");
}

#[test]
fn a_series_that_is_larger_than_the_reserve_gets_in() {
    let mut setup = setup(|limits| limits.with_lines_max(32));
    setup.fill("flood", 32);
    let observe = |setup: &mut Setup| {
        setup.now_ns += 1;
        setup.count(0, Op::Obs, "histogram", 0)
    };
    for _ in 0..2 {
        assert_eq!(observe(&mut setup), Err(Rejection::LinesLimit));
    }
    assert_eq!(setup.second(), of(&[("flood", 5)]), "its lines");
    assert_eq!(setup.send("flood", 100), Err(Rejection::LinesLimit), "they are kept for it");
    assert_eq!(observe(&mut setup), Ok(()));
}

/// Nothing is evicted for what no limit has room for.
#[test]
fn a_series_that_is_larger_than_the_limit_evicts_nobody() {
    let mut setup = setup(|limits| limits.with_lines_max(4));
    setup.fill("flood", 4);
    for _ in 0..5 {
        assert_eq!(setup.count(0, Op::Obs, "histogram", 0), Err(Rejection::LinesLimit));
        assert_eq!(setup.second(), of(&[]));
    }
}

#[test]
fn room_is_not_kept_for_ever_by_what_it_refuses_itself() {
    let mut setup = setup(|limits| limits.with_lines_max(160));
    setup.fill("flood", 160);
    setup.ask("newcomer", Rejection::LinesLimit);
    assert_eq!(setup.second(), of(&[("flood", 10)]));
    assert_eq!(setup.send("newcomer", u32::MAX), Ok(()));
    let got_in = (1000..1060).find(|&label| {
        let got_in = setup.send("flood", label).is_ok();
        setup.second();
        got_in
    });
    assert!(got_in.is_some(), "nobody comes for the room, and yet it is kept");
}

#[test]
fn a_series_that_two_workers_count_in_stays() {
    let mut setup = setup(|limits| limits.with_lines_max(160));
    setup.count(0, Op::Inc, "both", 0).unwrap();
    setup.count(1, Op::Inc, "both", 0).unwrap(); // at the same time
    setup.fill("flood", 159);
    setup.ask("newcomer", Rejection::LinesLimit);
    assert_eq!(setup.second(), of(&[("flood", 10)]));
}

#[test]
fn remembered_messages_leave_the_reserve_alone() {
    let mut setup = setup(|limits| limits.with_memory_max_bytes(1 << 20));
    let full = (0..1 << 20).find(|&label| setup.send("flood", label).is_err()).unwrap();
    setup.ask("newcomer", Rejection::MemoryLimit);
    assert!(!setup.second().is_empty());
    assert!(!setup.registry.memory_is_full(), "some of the reserve was used, and is free again");
    // Known messages take what the flood may take, and no more.
    let label = (full..1 << 20).find(|&label| setup.send("flood", label).is_err()).unwrap();
    assert_eq!(setup.send("flood", label), Ok(()), "the reserve is free");
    let room = (1 << 20) - setup.registry.committed_bytes();
    setup.registry.change_bytes(0, usize::try_from(room / 2).unwrap());
    assert!(setup.registry.memory_is_full());
}

#[test]
fn no_more_goes_than_is_asked_for_where_families_go_as_well() {
    let limit = 4 << 20;
    let mut setup = setup(|limits| limits.with_memory_max_bytes(limit));
    setup.help = "x".repeat(10_000);
    let empty_bytes = setup.registry.committed_bytes();
    let full =
        (0..1 << 20).find(|number| setup.send(&format!("flood_{number}"), 0).is_err()).unwrap();
    setup.ask("newcomer", Rejection::MemoryLimit);
    let each = (setup.registry.committed_bytes() - empty_bytes) / full;
    let evicted = setup.second().len() as u64;
    let asked_for = limit / 16 / each;
    assert!((asked_for..=asked_for + 1).contains(&evicted), "{evicted} of {asked_for}");
}

#[test]
fn what_goes_for_one_limit_counts_for_the_other() {
    let mut setup = setup(|limits| limits.with_lines_max(160).with_name_lines_max(80));
    setup.fill("other", 79);
    setup.fill("flood", 80);
    setup.ask("flood", Rejection::NameLinesLimit);
    setup.send("third", 0).unwrap();
    setup.ask("newcomer", Rejection::LinesLimit);
    assert_eq!(setup.second(), of(&[("flood", 5), ("other", 5)]), "150 lines are left");
}

#[test]
fn what_is_about_to_go_counts() {
    let mut setup = setup(|limits| limits.with_lines_max(160));
    setup.fill("flood", 160);
    for _ in 0..3 {
        setup.ask("newcomer", Rejection::LinesLimit);
        assert_eq!(setup.look(true), of(&[]), "the workers do not answer yet");
    }
    assert_eq!(setup.second(), of(&[("flood", 10)]));
}
