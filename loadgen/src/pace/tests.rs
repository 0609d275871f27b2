//! The loop against a target that only counts, and its schedule as arithmetic.

use super::{AtomicU64, Clock, Duration, Instant, Ordering, Plan, Pool, Target, io, run};
use crate::mix::{Style, Weights};
use crate::pool::Recipe;

/// Takes at most three datagrams a call and refuses every fifth call.
#[derive(Default)]
struct Fussy {
    calls: u64,
    bytes: Vec<u8>,
}

impl Target for Fussy {
    fn send(&mut self, pool: &Pool, first: usize, count: usize) -> io::Result<usize> {
        self.calls += 1;
        if self.calls.is_multiple_of(5) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let taken = count.min(3);
        self.bytes.extend_from_slice(pool.span(first, taken));
        Ok(taken)
    }

    fn most(&self) -> usize {
        8
    }
}

fn pool() -> Pool {
    Pool::render(&Recipe {
        style: Style { short: true, families: 1, label_bytes: 0, unique: true },
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

fn plan(limit: u64, interval: Option<f64>) -> Plan {
    Plan { limit, time: Duration::from_hours(1), interval, core: None }
}

#[test]
fn the_count_is_met_exactly_and_the_stream_is_repeatable() {
    let limit = pool().len() as u64 * 3 + 1;
    let runs = [None, Some(1.0)].map(|interval| {
        let (mut target, progress) = (Fussy::default(), AtomicU64::new(0));
        let outcome = run(&mut target, &mut pool(), &plan(limit, interval), &progress).unwrap();
        assert_eq!(outcome.sent.datagrams, limit);
        assert_eq!(outcome.sent.bytes, target.bytes.len() as u64);
        assert_eq!(progress.load(Ordering::Relaxed), limit);
        assert_eq!(outcome.calls.len() + outcome.refused, target.calls);
        assert_eq!(outcome.late.len(), if interval.is_some() { limit } else { 0 });
        target.bytes
    });
    assert_eq!(runs[0], runs[1], "refused calls and pace change nothing in the bytes");
}

#[test]
fn no_time_sends_nothing() {
    let plan = Plan { time: Duration::ZERO, ..plan(1_000_000, None) };
    let outcome = run(&mut Fussy::default(), &mut pool(), &plan, &AtomicU64::new(0)).unwrap();
    assert_eq!(outcome.sent.messages, 0);
}

#[test]
fn datagrams_are_due_in_even_groups() {
    let start = Instant::now();
    let clock = Clock::new(start, 5_000.0, 64);
    assert_eq!(clock.group, 20);
    assert_eq!(clock.due(0) - start, Duration::from_micros(100));
    assert_eq!(clock.due(19) - start, Duration::from_micros(100));
    assert_eq!(clock.due(20) - start, Duration::from_micros(200));
    assert_eq!(Clock::new(start, 1e9, 64).group, 1);
    assert_eq!(Clock::new(start, 10.0, 64).group, 64);
}

#[test]
fn what_is_due_after_the_end_is_not_waited_for() {
    let (second, hour) = (Duration::from_secs(1), 3_600_000_000_000.0);
    let plan = Plan { time: second, ..plan(5, Some(hour)) };
    let outcome = run(&mut Fussy::default(), &mut pool(), &plan, &AtomicU64::new(0)).unwrap();
    assert_eq!(outcome.sent.messages, 0);
}
