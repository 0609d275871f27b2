//! Rendering: a page of 10,000 counters, and one of 2,000 histograms.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use metrics_server::testing::exposition::{PageWriter, Texts};
use metrics_server::testing::registry::Directory;
use metrics_server::testing::registry::label_text;
use metrics_server::testing::wire::{PADDING, Parser};

#[path = "support/lines.rs"]
mod lines;
#[path = "support/registry.rs"]
mod registry;

const LABELS_MAX: usize = 64;

/// All series of these messages, as the exporter sees them.
fn directory(messages: impl Iterator<Item = String>) -> Directory {
    let registry = registry::registry();
    let mut local_registry = registry::local_registry(&registry);
    let mut parser = Parser::new(LABELS_MAX);
    let constants = label_text::constants([("data_source", ":9999"), ("source_app", "shop")]);
    for (number, message) in messages.enumerate() {
        let mut bytes = message.into_bytes();
        let len = bytes.len();
        bytes.resize(len + PADDING, 0);
        parser.parse(&mut bytes, len, false, |parsed| {
            let sample = parsed.result.expect("is a sample");
            let kind = sample.op.kind().expect("is counted");
            // Counts of one to seven digits, as they stand on a page.
            let value = sample.value * 10_f64.powi(i32::try_from(number % 7).expect("below 7"));
            let sample = metrics_server::testing::metric::Sample { value, ..sample };
            local_registry.count(kind, &sample, &constants, 1).expect("is counted");
        });
    }
    let mut directory = Directory::new(registry);
    directory.merge_new_cells();
    directory
}

/// Bytes and lines of the page; its pieces are used again.
fn render(directory: &Directory, count_lines: bool) -> (usize, usize) {
    let (mut bytes, mut lines) = (0, 0);
    let (mut writer, mut piece) = (PageWriter::new(Texts::new()), Vec::new());
    while !writer.is_done() {
        piece.clear();
        writer.write(directory, &mut piece);
        bytes += piece.len();
        if count_lines {
            lines += memchr::memchr_iter(b'\n', &piece).count();
        }
        black_box(&piece);
    }
    (bytes, lines)
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("render");
    let pages = [
        ("10,000 counters", lines::counter as fn(usize) -> String, 10_000, 1),
        ("2,000 histograms", lines::histogram, 2_000, 8),
    ];
    for (name, line, series, lines_each) in pages {
        let directory = directory((0..series).map(line));
        let (bytes, lines) = render(&directory, true);
        assert_eq!(lines, 2 + series * lines_each);
        group.throughput(Throughput::ElementsAndBytes {
            elements: series as u64,
            bytes: bytes as u64,
        });
        group.bench_function(name, |bencher| {
            bencher.iter(|| assert_eq!(render(black_box(&directory), false).0, bytes));
        });
    }
    group.finish();
    criterion.final_summary();
}
