//! Parsing: from the bytes of one object to a sample, for messages of 124 and 177 bytes.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use metrics_server::testing::wire::{PADDING, Parser};

#[path = "support/lines.rs"]
mod lines;

const MESSAGES: usize = 1000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("json");
    let kinds =
        [("counter", lines::counter as fn(usize) -> String, 3), ("histogram", lines::histogram, 4)];
    for (name, line, labels) in kinds {
        let mut messages: Vec<(Vec<u8>, usize)> = (0..MESSAGES)
            .map(|series| {
                let mut bytes = line(series).into_bytes();
                let len = bytes.len();
                bytes.resize(len + PADDING, 0);
                (bytes, len)
            })
            .collect();
        group.throughput(Throughput::ElementsAndBytes {
            elements: MESSAGES as u64,
            bytes: messages.iter().map(|message| message.1 as u64).sum(),
        });
        let mut parser = Parser::new(64);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut found = 0;
                for (bytes, len) in black_box(&mut messages) {
                    found += parser.parse(bytes, *len, false, |parsed| {
                        parsed.result.map_or(0, |sample| sample.labels.len())
                    });
                }
                assert_eq!(found, labels * MESSAGES);
            });
        });
    }
    group.finish();
    criterion.final_summary();
}
