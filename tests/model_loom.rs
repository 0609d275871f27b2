//! The gauge pair under weak memory: all executions of a writer and a reader, by loom.
//!
//! `RUSTFLAGS="--cfg model_loom" cargo test --test model_loom`
#![cfg(model_loom)]

use std::sync::Arc as StdArc;
use std::sync::atomic::{AtomicUsize, Ordering as StdOrdering};

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use metrics_server::testing::registry::cell;

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
