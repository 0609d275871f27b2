//! What a byte of hostile input costs beside a byte of good messages, in processor time of one run.

use std::fs;

use metrics_server::testing::planted::Fault;

use crate::books;
use crate::common::Server;
use crate::inputs::{self, GOOD, INPUTS, Input};
use crate::row::Row;

/// Bytes of one input in a turn.
const TURN_BYTES: usize = 128 << 10;
/// Turns of each input. The cheapest counts: what other programs do meanwhile can only add to it.
const TURNS: usize = 3;
/// A byte may cost so many times what a byte of good messages costs, as in `make bench-bytes`, which counts instructions
/// of an optimised server.
const RATIO_MAX: f64 = 5.0;
/// This server is not optimised, which makes these inputs dearer than that, since what reads them byte by byte loses
/// more than what reads good messages. They are held to some half more than what they cost so.
const DEARER_UNOPTIMISED: [(&str, f64); 5] = [
    ("lines of one byte in an object", 20.0),
    (r#"`{"?":1}` with a byte that is no UTF-8"#, 12.0),
    (r#"`{"op":"inc","?":1}` with such a byte, which is repaired"#, 8.0),
    ("a known histogram with 1,024 bounds by another field", 8.0),
    ("a label that is a number, and a byte that is no UTF-8: parsed three times", 6.0),
];

fn ratio_max(input: &str) -> f64 {
    let dearer = DEARER_UNOPTIMISED.iter().find(|(name, _)| *name == input);
    dearer.map_or(RATIO_MAX, |(_, ratio)| *ratio)
}

pub(crate) const BYTES: Row = Row {
    name: "dear bytes",
    what: "the dearest inputs that are known, each by a stream of its own, one after the other",
    holds: "a byte of each costs at most five times the processor time of a byte of good messages never seen; scaled \
            down: the server is not optimised, so five inputs are allowed more; `make bench-bytes` counts instructions \
            of all and allows none",
    planted: Fault::EmptyObjectsParsed,
    run: || {
        // No room is left for another histogram of 1,024 bounds, and series that come again are told from a flood.
        let server = Server::start(&[
            "-workers",
            "1",
            "-source-labels=false",
            "-lines-max",
            "2000",
            "-metric-clean-up",
        ]);
        server.send_unix(inputs::known().concat());
        server.settled();
        let good = nanoseconds_per_byte(&server, &GOOD);
        let costs = INPUTS.map(|input| {
            let ratio = nanoseconds_per_byte(&server, &input) / good;
            let Input { name, .. } = input;
            assert!(ratio <= ratio_max(name), "{ratio:.1} times as dear: {name}");
            ratio
        });
        let dearest = costs.into_iter().fold(0.0, f64::max);
        server.stop();
        format!("{} inputs; a byte costs {dearest:.1} times a good one at most", INPUTS.len())
    },
};

/// Processor time of the server for each byte of an input, at best.
fn nanoseconds_per_byte(server: &Server, input: &Input) -> f64 {
    let mut number = 0;
    let costs = (0..TURNS).map(|_| {
        let mut bytes = Vec::new();
        while bytes.len() < TURN_BYTES {
            bytes.extend((input.piece)(number));
            number += 1;
        }
        let before = processor_ns(server);
        server.send_unix(&bytes);
        books::closed(server);
        (processor_ns(server) - before) as f64 / bytes.len() as f64
    });
    costs.fold(f64::INFINITY, f64::min)
}

/// Processor time of the server's workers so far.
fn processor_ns(server: &Server) -> u64 {
    let threads = fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let times = threads.filter_map(|thread| {
        let path = thread.unwrap().path();
        let name = fs::read_to_string(path.join("comm")).ok()?;
        let times = fs::read_to_string(path.join("schedstat")).ok()?;
        let time = times.split(' ').next().unwrap().parse::<u64>().unwrap();
        name.starts_with("ingest-").then_some(time)
    });
    times.sum()
}
