//! The server's account of its memory, held to what its allocator counts and to what the kernel counts, over many
//! shapes of load.
//!
//! This program is the server as well: it runs itself again for each shape, with a global allocator that counts, and
//! the server then tells at a unix socket how many bytes are allocated. Arguments are parts of names of shapes, as
//! cargo's own tests take them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::System;
use std::env;
use std::io::{self, Write as _};
use std::panic;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use cap::Cap;

// What this does not use is found where the other tests are built: `tests/it/main.rs` allows nothing.
#[expect(dead_code, unused_imports, reason = "shared with tests/it, which uses all of it")]
#[path = "../common/harness.rs"]
mod common;

mod reading;
mod served;
mod shapes;
mod weigh;

use reading::Row;
use shapes::Shape;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

fn main() -> ExitCode {
    if served::is_wanted() {
        return served::run(&ALLOCATOR);
    }
    let words: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_asked_for = |shape: &Shape| {
        words.is_empty() || words.iter().any(|word| shape.name.contains(word.as_str()))
    };
    let shapes: Vec<Shape> = shapes::all().into_iter().filter(is_asked_for).collect();
    let rows = weigh_all(&shapes);
    let table = rows.iter().fold(String::from(reading::HEAD), |table, row| table + row.text());
    io::stdout().write_all(table.as_bytes()).unwrap();
    let amiss = rows.iter().filter(|row| row.is_amiss()).count();
    if amiss == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Weighs all shapes, a few at a time. Each has a process of its own, so none weighs on another's.
fn weigh_all(shapes: &[Shape]) -> Vec<Row> {
    let next = AtomicUsize::new(0);
    let weigh_some = || {
        let mut rows = Vec::new();
        while let Some((index, shape)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, shapes.get(at)?)))
        {
            let row = panic::catch_unwind(|| weigh::weigh(shape));
            let row = row.unwrap_or_else(|_| Row::failed(&shape.name));
            io::stderr().write_all(row.text().as_bytes()).unwrap();
            rows.push((index, row));
        }
        rows
    };
    let mut rows: Vec<(usize, Row)> = thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(weigh_some)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    rows.sort_by_key(|(index, _)| *index);
    rows.into_iter().map(|(_, row)| row).collect()
}
