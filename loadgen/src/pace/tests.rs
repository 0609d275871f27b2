//! The loop against a target that only counts, and its schedule as arithmetic.

use super::{AtomicU64, Duration, Instant, Ordering, Pacer, Pool, Schedule, Target, io, run};
use crate::mix::{LineStyle, Weights};
use crate::pool::PoolSpec;

/// Takes at most three datagrams a call and refuses every fifth call.
#[derive(Default)]
struct RefusingTarget {
    calls: u64,
    bytes: Vec<u8>,
}

impl Target for RefusingTarget {
    fn send(&mut self, pool: &Pool, first: usize, count: usize) -> io::Result<usize> {
        self.calls += 1;
        if self.calls.is_multiple_of(5) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let taken = count.min(3);
        self.bytes.extend_from_slice(pool.span(first, taken));
        Ok(taken)
    }

    fn batch_max(&self) -> usize {
        8
    }
}

fn pool() -> Pool {
    Pool::render(&PoolSpec {
        style: LineStyle { short: true, families: 1, label_bytes: 0, unique: true },
        weights: Weights::parse("counter").unwrap(),
        first: 0,
        series: 10,
        random: false,
        per_datagram: 100,
        equal: false,
        stream: true,
        seed: 1,
    })
    .unwrap()
}

fn schedule(limit: u64, interval: Option<f64>) -> Schedule {
    Schedule { limit, time: Duration::from_hours(1), interval, core: None }
}

#[test]
fn the_count_is_met_exactly_and_the_stream_is_repeatable() {
    let limit = pool().len() as u64 * 3 + 1;
    let runs = [None, Some(1.0)].map(|interval| {
        let (mut target, progress) = (RefusingTarget::default(), AtomicU64::new(0));
        let stats = run(&mut target, &mut pool(), &schedule(limit, interval), &progress).unwrap();
        assert_eq!(stats.sent.datagrams, limit);
        assert_eq!(stats.sent.bytes, target.bytes.len() as u64);
        assert_eq!(progress.load(Ordering::Relaxed), limit);
        assert_eq!(stats.calls.len() + stats.refused, target.calls);
        assert_eq!(stats.latencies.len(), if interval.is_some() { limit } else { 0 });
        target.bytes
    });
    assert_eq!(runs[0], runs[1], "refused calls and pace change nothing in the bytes");
}

#[test]
fn no_time_sends_nothing() {
    let schedule = Schedule { time: Duration::ZERO, ..schedule(1_000_000, None) };
    let stats =
        run(&mut RefusingTarget::default(), &mut pool(), &schedule, &AtomicU64::new(0)).unwrap();
    assert_eq!(stats.sent.messages, 0);
}

#[test]
fn datagrams_are_due_in_even_groups() {
    let start = Instant::now();
    let pacer = Pacer::new(start, 5_000.0, 64);
    assert_eq!(pacer.group, 20);
    assert_eq!(pacer.due(0) - start, Duration::from_micros(100));
    assert_eq!(pacer.due(19) - start, Duration::from_micros(100));
    assert_eq!(pacer.due(20) - start, Duration::from_micros(200));
    assert_eq!(Pacer::new(start, 1e9, 64).group, 1);
    assert_eq!(Pacer::new(start, 10.0, 64).group, 64);
}

#[test]
fn what_is_due_after_the_end_is_not_waited_for() {
    let (second, hour) = (Duration::from_secs(1), 3_600_000_000_000.0);
    let schedule = Schedule { time: second, ..schedule(5, Some(hour)) };
    let stats =
        run(&mut RefusingTarget::default(), &mut pool(), &schedule, &AtomicU64::new(0)).unwrap();
    assert_eq!(stats.sent.messages, 0);
}
