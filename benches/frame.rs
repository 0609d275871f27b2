//! Framing: finding objects in bytes that were read, for each message of 124 bytes.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use metrics_server::testing::wire::{Frame, Framer};

#[path = "support/lines.rs"]
mod lines;

const MESSAGES: usize = 1000;

/// The number of complete objects in the bytes.
fn count(framer: &mut Framer, bytes: &[u8]) -> usize {
    let (mut pos, mut objects) = (0, 0);
    while let Some(frame) = framer.next(bytes, &mut pos) {
        objects += usize::from(matches!(frame, Frame::Object { .. }));
    }
    objects
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("frame");
    for (name, line) in
        [("counter", lines::counter as fn(usize) -> String), ("histogram", lines::histogram)]
    {
        let text: Vec<String> = (0..MESSAGES).map(line).collect();
        let bytes = text.join("\n").into_bytes();
        group.throughput(Throughput::ElementsAndBytes {
            elements: MESSAGES as u64,
            bytes: bytes.len() as u64,
        });
        let mut framer = Framer::new(128 << 10);
        group.bench_function(name, |bencher| {
            bencher.iter(|| assert_eq!(count(&mut framer, black_box(&bytes)), MESSAGES));
        });
        assert_eq!(framer.garbage_bytes(), 0);
    }
    group.finish();
    criterion.final_summary();
}
