//! Instructions per byte of what a hostile sender might send, held against those of good messages never seen before.
//!
//! `cargo bench --bench bytes` runs itself under callgrind, for each input with few reads and with many, and fails if
//! a byte of any input costs more than [`RATIO_MAX`] bytes of good messages.
//! `cargo bench --bench bytes -- search 60 1` looks for dearer inputs, for 60 seconds from the seed 1.
//! No sockets are involved: the count begins with bytes that were read.

use std::process::ExitCode;
use std::sync::Arc;

use crossbeam::utils::CachePadded;
use metrics_server::testing::ingest::{Dispatch, Handler as _, Stream};
use metrics_server::testing::registry::{LocalRegistry, Mailboxes, Registry, SeriesLimits};
use metrics_server::testing::stats::{Counter, Stats};
use metrics_server::testing::wire::{PADDING, Padded};

#[path = "support/callgrind.rs"]
mod callgrind;
#[path = "support/dispatch.rs"]
mod dispatch;
#[path = "support/inputs.rs"]
mod inputs;
#[path = "support/lines.rs"]
mod lines;
#[path = "support/search.rs"]
mod search;

use inputs::{GOOD, INPUTS, Input, REPAIRED};

/// A byte of any input may cost so many times what a byte of good messages never seen before costs.
const RATIO_MAX: f64 = 5.0;
/// Bytes of one read.
const READ_BYTES: usize = 16 << 10;
/// Most bytes of an open message that are kept before a read: what the server allows by default.
const KEPT_BYTES_MAX: usize = 128 << 10;
/// Reads in the two runs of an input.
const READS: [usize; 2] = [4, 24];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["run", name, reads] => {
            let mut all = std::iter::once(&GOOD).chain(&INPUTS);
            let input = all.find(|input| input.name == *name).expect("an input");
            Worker::new().send_all(&reads_of(input), reads.parse().expect("a number"));
            ExitCode::SUCCESS
        }
        ["repeat", hex, reads] => {
            let pattern = search::from_hex(hex);
            let reads = reads.parse().expect("a number");
            Worker::new().send_all(&vec![search::filled(&pattern); READS[1]], reads);
            ExitCode::SUCCESS
        }
        ["search", seconds, seed, ..] => {
            let seconds = seconds.parse().expect("seconds");
            search::search(seconds, seed.parse().expect("a seed"))
        }
        words if words.contains(&"--bench") => table(),
        // As a test the program only checks that each input is taken.
        _ => {
            for input in std::iter::once(&GOOD).chain(&INPUTS) {
                Worker::new().send_all(&reads_of(input), 1);
            }
            ExitCode::SUCCESS
        }
    }
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the table is what this program is for"
)]
fn table() -> ExitCode {
    if !callgrind::is_installed() {
        eprintln!("missing: valgrind (Debian: apt install valgrind)");
        return ExitCode::FAILURE;
    }
    let each = |input: &Input| per_byte("run", input.name);
    let good = each(&GOOD);
    println!("| input | instructions a byte | ratio |\n|---|---|---|");
    println!("| {} | {good:.0} | 1 |", GOOD.name);
    let mut dear = 0;
    for input in &INPUTS {
        let own = each(input);
        let ratio = own / good;
        let allowed = if input.name == REPAIRED.0 { REPAIRED.1 } else { RATIO_MAX };
        dear += usize::from(ratio > allowed);
        println!("| {} | {own:.0} | {ratio:.1} |", input.name);
    }
    if dear == 0 {
        return ExitCode::SUCCESS;
    }
    eprintln!("{dear} inputs cost more than {RATIO_MAX} good bytes a byte");
    ExitCode::FAILURE
}

/// Instructions per byte of what the program is told to send by these two words.
fn per_byte(how: &str, what: &str) -> f64 {
    let [few, many] = READS.map(|reads| callgrind::instructions(&[how, what, &reads.to_string()]));
    many.saturating_sub(few) as f64 / ((READS[1] - READS[0]) * READ_BYTES) as f64
}

/// All reads of an input. Each run makes them all, so that making them cancels out.
fn reads_of(input: &Input) -> Vec<Vec<u8>> {
    let mut number = 0;
    let mut bytes = Vec::new();
    while bytes.len() < READS[1] * READ_BYTES {
        bytes.extend_from_slice(&(input.piece)(number));
        number += 1;
    }
    bytes.chunks_exact(READ_BYTES).take(READS[1]).map(<[u8]>::to_vec).collect()
}

/// A worker's handler and one connection to it.
struct Worker {
    dispatch: Dispatch,
    stream: Stream,
    buffer: Vec<u8>,
    kept: usize,
    read_bytes: u64,
    stats: Stats,
}

impl Worker {
    /// A worker that knows the series of the good messages and a histogram of 1,024 bounds, so that there is no
    /// room for another of them.
    fn new() -> Self {
        let limits = SeriesLimits::unlimited(1).with_buckets_max(1024).with_lines_max(2000);
        let registry = Arc::new(Registry::new(limits, |_| false));
        let local_registry = LocalRegistry::new(0, registry, Arc::new(Mailboxes::new(1)));
        let stats: Stats = [CachePadded::default()].into_iter().collect();
        let dispatch = dispatch::dispatch(&stats, local_registry, 1 << 24);
        let buffer = vec![0; KEPT_BYTES_MAX + READ_BYTES + PADDING];
        let mut worker =
            Self { dispatch, stream: Stream::default(), buffer, kept: 0, read_bytes: 0, stats };
        for line in inputs::known() {
            worker.send(line.as_bytes());
        }
        worker
    }

    /// Sends the first so many reads.
    fn send_all(&mut self, all: &[Vec<u8>], reads: usize) {
        for bytes in &all[..reads] {
            self.send(bytes);
        }
        let counted: u64 = self.stats[0].bytes.iter().map(Counter::get).sum();
        assert_eq!(counted, self.read_bytes, "all bytes were taken");
        assert_eq!(self.stats[0].panics.get(), 0, "no panic was caught");
    }

    /// Sends one read.
    fn send(&mut self, bytes: &[u8]) {
        let kept = self.dispatch.restore(&mut self.stream, &mut self.buffer);
        assert_eq!(kept, self.kept, "what was kept is put back");
        let len = kept + bytes.len();
        self.buffer[kept..len].copy_from_slice(bytes);
        let received = Padded::new(&mut self.buffer, len);
        self.kept = self.dispatch.stream(0, &mut self.stream, received, kept);
        self.read_bytes += bytes.len() as u64;
    }
}
