//! A random search for patterns that cost most instructions per byte when they are sent again and again.
//!
//! It climbs: of some patterns that differ a little from the best one, the dearest is the next best. The instructions of
//! all of them are counted in one run under callgrind, so a seed gives the same climbs each time, whatever else the
//! machine does. A pattern may hold marks for the number of the piece, so that no two pieces are the same, or only each
//! two.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::cost::{RATIO_MAX, per_byte, reads_of};
use crate::inputs::GOOD;
use crate::worker::StreamWorker;
use crate::{callgrind, calls};

/// Patterns are made of these, and of single bytes.
const PARTS: [&[u8]; 35] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b"\n",
    b" ",
    b",",
    b":",
    b"0",
    b"-",
    b"e999",
    b"1e-300",
    b"\xff",
    b"\\ud800",
    b"\\u0041",
    b"\"value\":1",
    b"\"op\":\"inc\"",
    b"\"op\":\"obs\"",
    b"\"name\":\"a\"",
    b"\"labels\":{",
    b"\"a\":1,",
    b"\"buckets\":1024",
    b"\"bucket_min\":1,\"bucket_max\":9",
    b"9007199254740993.0000001",
    b"\"help\":\"\x01\"",
    b"\"help\":\"\x02\"",
    b"\"l\x01\":\"\",",
    b"\"bucket_custom\":[1,2]",
    b"\"bucket_factor\":2",
    b"\"timestamp\":\"2026-01-02T03:04:05Z\"",
    b"\"index\":\"a-%Y\"",
    b"{\"op\":\"inc\",\"name\":\"a\",\"value\":1,\"labels\":{\"x\":\"1\"},\"help\":\"\x02\"}\n",
    b"{\"op\":\"obs\",\"name\":\"known\",\"value\":1,\"bucket_max\":\x01}\n",
];
/// In a pattern: the number of the piece, and half of it.
const NUMBER: u8 = 1;
const HALF_NUMBER: u8 = 2;
/// Bytes of the longest pattern.
const PATTERN_BYTES_MAX: usize = 4_000;
/// Most bytes that a change repeats, and how often at most.
const REPEATED_BYTES_MAX: usize = 24;
const REPEATS_MAX: usize = 64;
/// Changed patterns of one generation, and generations without gain after which a climb ends.
const CHILDREN: usize = 24;
const PATIENCE: usize = 8;
/// The function whose instructions are counted.
const MEASURED: &str = "*search::measured";

/// Searches for so long, and tells what each climb has found. Fails if a pattern is above the bound.
#[expect(clippy::print_stdout, reason = "what it finds is what the search is for")]
pub(crate) fn search(seconds: u64, seed: u64) -> ExitCode {
    assert!(callgrind::is_installed(), "missing: valgrind (Debian: apt install valgrind)");
    let mut random = Random(seed.max(1));
    let until = Instant::now() + Duration::from_secs(seconds);
    let good = per_byte("run", GOOD.name);
    let mut code = ExitCode::SUCCESS;
    while Instant::now() < until {
        let pattern = climb(&mut random, until);
        let ratio = per_byte("repeat", &to_hex(&pattern)) / good;
        println!("{ratio:.1} {} {}", to_hex(&pattern), pattern.escape_ascii());
        if ratio > RATIO_MAX {
            code = ExitCode::FAILURE;
        }
    }
    code
}

/// The dearest pattern that one climb comes to.
fn climb(random: &mut Random, until: Instant) -> Vec<u8> {
    let mut best = PARTS[random.below(PARTS.len())].to_vec();
    let mut best_count = 0;
    let mut failures = 0;
    while failures < PATIENCE && Instant::now() < until {
        let mut patterns: Vec<_> = (0..CHILDREN).map(|_| change(&best, random)).collect();
        let arguments = patterns.iter().map(|pattern| to_hex(pattern));
        let arguments: Vec<_> = std::iter::once("measure".to_owned()).chain(arguments).collect();
        let counts = calls::instructions(MEASURED, &arguments);
        assert_eq!(counts.len(), CHILDREN, "one call for each pattern");
        let (count, dearest) = counts.iter().zip(0..).max().expect("there is more than one");
        failures += 1;
        if *count > best_count {
            (best, best_count, failures) = (patterns.swap_remove(dearest), *count, 0);
        }
    }
    best
}

/// Sends each pattern to a worker of its own, and the second half of it to be counted.
pub(crate) fn measure(patterns: &[&str]) {
    for pattern in patterns {
        let pattern = from_hex(pattern);
        let read = reads_of(|number| piece(&pattern, number), 1).remove(0);
        let mut worker = StreamWorker::new();
        // The first half makes series and what else is made once.
        let (first, second) = read.split_at(read.len() / 2);
        worker.send(first);
        measured(&mut worker, second);
    }
}

#[inline(never)]
fn measured(worker: &mut StreamWorker, bytes: &[u8]) {
    worker.send(black_box(bytes));
}

/// The pattern with some parts put in and some bytes taken out or changed.
fn change(pattern: &[u8], random: &mut Random) -> Vec<u8> {
    let mut changed = pattern.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(changed.len() + 1);
        match random.below(6) {
            0 if at < changed.len() => drop(changed.remove(at)),
            1 if at < changed.len() => changed[at] = random.byte(),
            2 => changed.truncate(at),
            3 => {
                let end = (at + 1 + random.below(REPEATED_BYTES_MAX)).min(changed.len());
                let repeated = changed[at..end].repeat(random.below(REPEATS_MAX));
                drop(changed.splice(at..at, repeated));
            }
            4 => changed.insert(at, [NUMBER, HALF_NUMBER][random.below(2)]),
            _ => drop(changed.splice(at..at, PARTS[random.below(PARTS.len())].iter().copied())),
        }
    }
    changed.truncate(PATTERN_BYTES_MAX);
    if changed.is_empty() { pattern.to_vec() } else { changed }
}

/// The pattern with the number of the piece in it.
pub(crate) fn piece(pattern: &[u8], number: usize) -> Vec<u8> {
    let expand = |&byte: &u8| match byte {
        NUMBER => number.to_string().into_bytes(),
        HALF_NUMBER => (number / 2).to_string().into_bytes(),
        byte => vec![byte],
    };
    pattern.iter().flat_map(expand).collect()
}

/// A pattern as the argument of a program.
fn to_hex(pattern: &[u8]) -> String {
    pattern.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// The pattern that [`to_hex`] has written.
pub(crate) fn from_hex(hex: &str) -> Vec<u8> {
    let (pairs, _) = hex.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| {
        let pair = str::from_utf8(pair).expect("ASCII");
        u8::from_str_radix(pair, 16).expect("hexadecimal digits")
    };
    pairs.iter().map(byte).collect()
}

/// The generator xorshift64, so that a seed gives the same changes each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        ((self.next() >> 16) % bound as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }
}
