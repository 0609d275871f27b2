//! Instructions per byte of what a hostile sender might send, held against those of good messages never seen before.
//!
//! `cargo bench --bench bytes` runs itself under callgrind, for each input with few reads and with many, and fails if
//! a byte of any input costs more than [`cost::RATIO_MAX`] bytes of good messages, or one of a StatsD line more than
//! [`cost::LINES_RATIO_MAX`]. It fails as well if a read of one
//! byte costs more behind a long unfinished object than behind a short one.
//! `cargo bench --bench bytes -- search 60 1` looks for dearer inputs, for 60 seconds from the seed 1.
//! No sockets are involved: the count begins with bytes that were read.

use std::process::ExitCode;

#[path = "support/callgrind.rs"]
mod callgrind;
#[path = "support/calls.rs"]
mod calls;
#[path = "support/cost.rs"]
mod cost;
#[path = "support/dispatch.rs"]
mod dispatch;
#[path = "support/inputs.rs"]
mod inputs;
#[path = "support/lines.rs"]
mod lines;
#[path = "support/search.rs"]
mod search;
#[path = "support/worker.rs"]
mod worker;

use cost::{LINES_RATIO_MAX, RATIO_MAX, READS, per_byte, reads_of};
use inputs::{GOOD, INPUTS, Input, LINES};
use worker::StreamWorker;

/// Bytes of a short and of a long unfinished object.
const OPEN_BYTES: [usize; 2] = [100, 100 << 10];
/// Reads of one byte in the two runs that are compared.
const ONE_BYTE_READS: [usize; 2] = [1000, 5000];
/// A read behind the long one may cost so many times what it costs behind the short one.
const OPEN_RATIO_MAX: f64 = 1.5;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["run", name, reads] => {
            let mut all = std::iter::once(&GOOD).chain(&INPUTS).chain(&LINES);
            let input = all.find(|input| input.name == *name).expect("an input");
            let all = reads_of(input.piece, READS[1]);
            StreamWorker::new().send_all(&all, reads.parse().expect("a number"));
            ExitCode::SUCCESS
        }
        ["repeat", hex, reads] => {
            let pattern = search::from_hex(hex);
            let all = reads_of(|number| search::piece(&pattern, number), READS[1]);
            StreamWorker::new().send_all(&all, reads.parse().expect("a number"));
            ExitCode::SUCCESS
        }
        ["byte-by-byte", open_bytes, reads] => {
            let open_bytes = open_bytes.parse().expect("a number");
            StreamWorker::new().send_byte_by_byte(open_bytes, reads.parse().expect("a number"));
            ExitCode::SUCCESS
        }
        ["measure", patterns @ ..] => {
            search::measure(patterns);
            ExitCode::SUCCESS
        }
        ["search", seconds, seed, ..] => {
            let seconds = seconds.parse().expect("seconds");
            search::search(seconds, seed.parse().expect("a seed"))
        }
        words if words.contains(&"--bench") => table(),
        // As a test the program only checks that each input is taken.
        _ => {
            for input in std::iter::once(&GOOD).chain(&INPUTS).chain(&LINES) {
                StreamWorker::new().send_all(&reads_of(input.piece, 1), 1);
            }
            StreamWorker::new().send_byte_by_byte(OPEN_BYTES[0], ONE_BYTE_READS[0]);
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
    let objects = INPUTS.iter().map(|input| (input, RATIO_MAX));
    for (input, ratio_max) in objects.chain(LINES.iter().map(|line| (line, LINES_RATIO_MAX))) {
        let own = each(input);
        let ratio = own / good;
        dear += usize::from(ratio > ratio_max);
        println!("| {} | {own:.0} | {ratio:.1} |", input.name);
    }
    let [short, long] = OPEN_BYTES.map(one_byte_read);
    println!();
    for (bytes, each) in OPEN_BYTES.into_iter().zip([short, long]) {
        println!("A read of one byte behind an open object of {bytes}: {each:.0} instructions.");
    }
    if long > OPEN_RATIO_MAX * short {
        eprintln!("a read of one byte costs more behind a long object");
        return ExitCode::FAILURE;
    }
    if dear == 0 {
        return ExitCode::SUCCESS;
    }
    eprintln!(
        "{dear} inputs cost more a byte than {RATIO_MAX} good bytes, or lines than {LINES_RATIO_MAX}"
    );
    ExitCode::FAILURE
}

/// Instructions of a read of one byte behind an unfinished object of so many bytes.
fn one_byte_read(open_bytes: usize) -> f64 {
    let [few, many] = ONE_BYTE_READS.map(|reads| {
        let words = ["byte-by-byte", &open_bytes.to_string(), &reads.to_string()];
        callgrind::instructions(&words)
    });
    many.saturating_sub(few) as f64 / (ONE_BYTE_READS[1] - ONE_BYTE_READS[0]) as f64
}
