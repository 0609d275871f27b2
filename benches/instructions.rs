//! Instructions per message: a figure that does not depend on what else the machine does.
//!
//! Runs itself under `valgrind --tool=callgrind`, for each case with few messages and with many. The difference of
//! the two counts, divided by that of the numbers of messages, leaves out the start of the program and the admission
//! of templates. No sockets are involved: the count begins with bytes that were read.

use std::process::ExitCode;

use crossbeam::utils::CachePadded;
use metrics_server::testing::ingest::{Handler as _, Stream};
use metrics_server::testing::stats::Stats;
use metrics_server::testing::wire::{PADDING, ReadBytes};
use simd_json::{Buffers, Tape, fill_tape_padded};

#[path = "support/callgrind.rs"]
mod callgrind;
#[path = "support/dispatch.rs"]
mod dispatch;
#[path = "support/lines.rs"]
mod lines;
#[path = "support/registry.rs"]
mod registry;

const SERIES: usize = 1000;
/// Messages in one read.
const BATCH: usize = 10;
/// Passes over all series before the messages count: in the first a message is seen, in the second admitted as a
/// template, and in the third it fits.
const WARM_UP: usize = 3;
/// Passes over all series in the two runs of a case.
const PASSES: [usize; 2] = [10, 60];

/// The case that parsing is compared with.
const TAPE: &str = "counter, simd-json's tape alone";

/// What is sent, and how.
struct Case {
    name: &'static str,
    line: fn(usize) -> String,
    /// Whether all passes have the same order; otherwise each has another.
    in_order: bool,
    /// Most bytes of templates. With 0 every message is parsed.
    templates_max_bytes: usize,
}

/// Room for templates of all series.
const TEMPLATES_MAX_BYTES: usize = 1 << 28;

const CASES: [Case; 12] = [
    Case {
        name: "counter",
        line: lines::counter,
        in_order: true,
        templates_max_bytes: TEMPLATES_MAX_BYTES,
    },
    Case {
        name: "counter, any order",
        line: lines::counter,
        in_order: false,
        templates_max_bytes: TEMPLATES_MAX_BYTES,
    },
    Case { name: "counter, parsed", line: lines::counter, in_order: true, templates_max_bytes: 0 },
    Case {
        name: "gauge",
        line: lines::gauge,
        in_order: true,
        templates_max_bytes: TEMPLATES_MAX_BYTES,
    },
    Case { name: "gauge, parsed", line: lines::gauge, in_order: true, templates_max_bytes: 0 },
    Case {
        name: "histogram",
        line: lines::histogram,
        in_order: true,
        templates_max_bytes: TEMPLATES_MAX_BYTES,
    },
    Case {
        name: "histogram, parsed",
        line: lines::histogram,
        in_order: true,
        templates_max_bytes: 0,
    },
    Case {
        name: "StatsD counter",
        line: lines::statsd,
        in_order: true,
        templates_max_bytes: TEMPLATES_MAX_BYTES,
    },
    Case {
        name: "StatsD counter, any order",
        line: lines::statsd,
        in_order: false,
        templates_max_bytes: TEMPLATES_MAX_BYTES,
    },
    Case {
        name: "DogStatsD counter",
        line: lines::dogstatsd,
        in_order: true,
        templates_max_bytes: TEMPLATES_MAX_BYTES,
    },
    Case {
        name: "DogStatsD counter, parsed",
        line: lines::dogstatsd,
        in_order: true,
        templates_max_bytes: 0,
    },
    Case {
        name: "DogStatsD timer with a sample rate",
        line: lines::dogstatsd_timer,
        in_order: true,
        templates_max_bytes: TEMPLATES_MAX_BYTES,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [run, case, passes] if run == "run" && case == TAPE => {
            tape(passes.parse().expect("a number"));
            ExitCode::SUCCESS
        }
        [run, case, passes] if run == "run" => {
            let case = CASES.iter().find(|known| known.name == *case).expect("a case");
            work(case, passes.parse().expect("a number"));
            ExitCode::SUCCESS
        }
        // `cargo bench` passes `--bench`. As a test the program only checks that each case counts what it should.
        words if words.iter().any(|word| word == "--bench") => table(),
        _ => {
            for case in &CASES {
                work(case, 1);
            }
            tape(1);
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
    println!("| message | bytes | instructions |\n|---|---|---|");
    let rows = CASES.iter().map(|case| (case.name, (case.line)(17).len()));
    for (name, bytes) in rows.chain([(TAPE, lines::counter(17).len())]) {
        let [few, many] =
            PASSES.map(|passes| callgrind::instructions(&["run", name, &passes.to_string()]));
        let messages = (PASSES[1] - PASSES[0]) * SERIES;
        let each = many.saturating_sub(few) as f64 / messages as f64;
        println!("| {name} | {bytes} | {each:.0} |");
    }
    ExitCode::SUCCESS
}

/// Sends all series in this number of passes. Checks that each message was counted, and was parsed if it should be.
fn work(case: &Case, passes: usize) {
    let stats: Stats = [CachePadded::default()].into_iter().collect();
    let mut dispatch = dispatch::dispatch(
        &stats,
        registry::local_registry(&registry::registry()),
        case.templates_max_bytes,
    );
    let mut stream = Stream::default();
    // Several orders in turn, so that no message is followed by the same one each time.
    let orders = if case.in_order { 1 } else { 8 };
    let order: Vec<usize> = if case.in_order {
        (0..SERIES).collect()
    } else {
        lines::shuffled(orders * SERIES).iter().map(|place| place % SERIES).collect()
    };
    let mut reads: Vec<(Vec<u8>, usize)> =
        order.chunks_exact(BATCH).map(|batch| read(case.line, batch)).collect();
    let once = reads.len() / orders;
    let mut send = |reads: &mut [(Vec<u8>, usize)]| {
        for (bytes, len) in reads {
            let kept = dispatch.stream(0, &mut stream, ReadBytes::new(bytes, 0, *len));
            assert_eq!(kept, 0, "reads are whole messages");
        }
    };
    for _ in 0..WARM_UP {
        send(&mut reads);
    }
    let before = stats[0].parsed.get();
    for pass in 0..passes {
        let from = pass % orders * once;
        send(&mut reads[from..from + once]);
    }
    let messages = (passes * SERIES) as u64;
    let parsed = if case.templates_max_bytes == 0 { messages } else { 0 };
    assert_eq!(stats[0].parsed.get() - before, parsed, "{}", case.name);
    let accepted: u64 =
        stats[0].accepted.iter().map(metrics_server::testing::stats::Counter::get).sum();
    assert_eq!(accepted, messages + (WARM_UP * orders * SERIES) as u64, "{}", case.name);
}

/// simd-json alone reads a counter's message into a tape that is used again: the least that parsing can cost.
fn tape(passes: usize) {
    let mut messages: Vec<_> = (0..SERIES).map(|series| read(lines::counter, &[series])).collect();
    let mut buffers = Buffers::new(1024);
    let mut tape = Tape(Vec::new());
    let mut nodes = 0;
    for _ in 0..passes {
        for (bytes, len) in &mut messages {
            let mut own = tape.reset();
            fill_tape_padded(bytes, *len, &mut buffers, &mut own).expect("is JSON");
            nodes += own.0.len();
            tape = own.reset();
        }
    }
    // A node for the object itself, and two for key and value of each of its eight members.
    assert_eq!(nodes, passes * SERIES * 17);
}

/// Messages of one read with padding behind them, and their length without it.
fn read(line: fn(usize) -> String, batch: &[usize]) -> (Vec<u8>, usize) {
    let mut bytes = Vec::new();
    for &series in batch {
        bytes.extend_from_slice(line(series).as_bytes());
        bytes.push(b'\n');
    }
    let len = bytes.len();
    bytes.resize(len + PADDING, 0);
    (bytes, len)
}
