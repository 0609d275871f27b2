//! A random search for patterns that cost most time per byte when they are sent again and again.
//!
//! It climbs: a pattern is changed at random, and the change is kept if it costs more. Time stands for instructions,
//! as these cannot be counted from within; the best pattern of each climb is then counted under callgrind. A pattern
//! may hold marks for the number of the piece, so that no two pieces are the same, or only each two.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::callgrind;
use crate::cost::{RATIO_MAX, per_byte, reads_of};
use crate::inputs::GOOD;
use crate::worker::StreamWorker;

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
/// Changes without gain after which a climb ends.
const PATIENCE: usize = 400;
/// Reads of a pattern that are timed; the shortest time counts.
const TIMED_READS: usize = 3;

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
    let mut best_time = time(&best);
    let mut failures = 0;
    while failures < PATIENCE && Instant::now() < until {
        let changed = change(&best, random);
        let time = time(&changed);
        // A gain below a twentieth is noise, and so is one that is gone the next time.
        if time > best_time + best_time / 20 && self::time(&changed) > self::time(&best) {
            (best, best_time, failures) = (changed, time, 0);
        } else {
            failures += 1;
        }
    }
    best
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

/// The time for one read full of the pattern, in a new worker.
fn time(pattern: &[u8]) -> Duration {
    let mut worker = StreamWorker::new();
    let one = |read: Vec<u8>| {
        let began = Instant::now();
        worker.send(&read);
        began.elapsed()
    };
    let reads = reads_of(|number| piece(pattern, number), 1 + TIMED_READS);
    // The first read makes series and what else is made once.
    reads.into_iter().map(one).skip(1).min().expect("there is more than one")
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
