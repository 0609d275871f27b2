//! Gauges under weak memory: all executions of a writer and a reader, and of one worker that sets, one that adds and a
//! reader, by loom.
//!
//! `RUSTFLAGS="--cfg model_loom" cargo test --test model_loom`
#![cfg(model_loom)]

use std::sync::Arc as StdArc;
use std::sync::atomic::{AtomicUsize, Ordering as StdOrdering};

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use metrics_server::testing::metric::Kind;
use metrics_server::testing::registry::cell::Total;
use metrics_server::testing::registry::{adds, cell};

/// Value and stamp agree: stamp n was stored with value n.
const SETS: u64 = 2;

/// Runs a writer of `SETS` values against a reader, in every order that the memory model allows;
/// returns how many executions there were.
fn explore(set: fn(&[AtomicU64], f64, u64)) -> usize {
    let executions = StdArc::new(AtomicUsize::new(0));
    let counted = StdArc::clone(&executions);
    loom::model(move || {
        counted.fetch_add(1, StdOrdering::Relaxed);
        let cell: Arc<[AtomicU64; 2]> = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let written = Arc::clone(&cell);
        let writer = thread::spawn(move || {
            (1..=SETS).for_each(|n| set(&*written, n as f64, n));
        });
        let read = cell::read_gauge(&*cell);
        assert!(read.value >= read.stamp_ns as f64, "an older value than its stamp's: {read:?}");
        assert!(cell::read_gauge(&*cell).stamp_ns >= read.stamp_ns, "a stamp went back");
        writer.join().unwrap();
        let last = cell::read_gauge(&*cell);
        assert_eq!((last.stamp_ns, last.value), (SETS, SETS as f64));
    });
    executions.load(StdOrdering::Relaxed)
}

#[test]
fn a_stamp_never_shows_an_older_value() {
    let executions = explore(cell::set);
    assert!(executions > 10, "only {executions} executions: the model explores nothing");
}

#[test]
#[should_panic(expected = "older value")]
fn the_model_sees_a_stamp_that_is_stored_first() {
    explore(|cell, value, stamp| {
        cell[0].store(stamp, Ordering::Release);
        cell[1].store(value.to_bits(), Ordering::Relaxed);
    });
}

#[test]
#[should_panic(expected = "older value")]
fn the_model_sees_a_stamp_that_publishes_nothing() {
    explore(|cell, value, stamp| {
        cell[1].store(value.to_bits(), Ordering::Relaxed);
        cell[0].store(stamp, Ordering::Relaxed);
    });
}

/// The stamp of the one set beside adds.
const SET: u64 = 1;

/// What is added to the value that was set with this stamp: it tells for which set it was meant.
fn amount(epoch_ns: u64) -> f64 {
    100.0 + epoch_ns as f64
}

/// One thread sets a gauge to 10, one adds to it twice, and one reads it, in every order that the memory model allows;
/// returns how many executions there were.
fn explore_adds(add: fn(&[AtomicU64], f64, u64, u64)) -> usize {
    let executions = StdArc::new(AtomicUsize::new(0));
    let counted = StdArc::clone(&executions);
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(move || {
        counted.fetch_add(1, StdOrdering::Relaxed);
        let words = || Arc::new([0; 4].map(AtomicU64::new));
        let (sets, adds_cell) = (words(), words());
        let setter = {
            let sets = Arc::clone(&sets);
            thread::spawn(move || cell::set(&sets[..2], 10.0, SET))
        };
        let adder = {
            let (sets, adds_cell) = (Arc::clone(&sets), Arc::clone(&adds_cell));
            thread::spawn(move || {
                [0; 2].map(|_| {
                    let newest_ns = cell::read_gauge(&sets[..2]).stamp_ns;
                    add(&*adds_cell, amount(newest_ns), newest_ns, 1);
                    newest_ns
                })
            })
        };
        if let Some(read) = adds::read(&*adds_cell) {
            let times = read.sum.value() / amount(read.epoch_ns);
            assert!([0.0, 1.0, 2.0].contains(&times), "model: another epoch's sum: {read:?}");
            let stamp_ns = cell::read_gauge(&sets[..2]).stamp_ns;
            assert!(stamp_ns >= read.epoch_ns, "model: an epoch without its set: {read:?}");
        } else {
            let stamp_ns = cell::read_gauge(&sets[..2]).stamp_ns;
            assert!(stamp_ns > 0, "model: an epoch without its set");
        }
        setter.join().unwrap();
        let epochs = adder.join().unwrap();
        let mut total = Total::new(Kind::Gauge, 0);
        total.add_cell(&*adds_cell);
        total.add_cell(&sets[..2]);
        let since = epochs.iter().filter(|epoch_ns| **epoch_ns == SET).count();
        assert_eq!(total.value(), 10.0 + since as f64 * amount(SET));
    });
    executions.load(StdOrdering::Relaxed)
}

#[test]
fn a_sum_is_never_taken_for_that_of_another_epoch() {
    let executions = explore_adds(adds::add);
    assert!(executions > 100, "only {executions} executions: the model explores nothing");
}

#[test]
#[should_panic(expected = "model:")]
fn the_model_sees_an_epoch_that_is_not_taken_back_while_the_sum_changes() {
    explore_adds(|cell, value, epoch_ns, _| {
        let is_new = cell[1].load(Ordering::Relaxed) != epoch_ns;
        let sum = if is_new { 0.0 } else { f64::from_bits(cell[2].load(Ordering::Relaxed)) };
        cell[2].store((sum + value).to_bits(), Ordering::Release);
        cell[1].store(epoch_ns, Ordering::Release);
    });
}

#[test]
#[should_panic(expected = "model:")]
fn the_model_sees_an_epoch_that_is_not_released() {
    explore_adds(|cell, value, epoch_ns, _| {
        let is_new = cell[1].load(Ordering::Relaxed) != epoch_ns;
        let sum = if is_new { 0.0 } else { f64::from_bits(cell[2].load(Ordering::Relaxed)) };
        if is_new {
            cell[1].store(u64::MAX, Ordering::Relaxed);
        }
        cell[2].store((sum + value).to_bits(), Ordering::Release);
        if is_new {
            cell[1].store(epoch_ns, Ordering::Relaxed);
        }
    });
}
