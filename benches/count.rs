//! Counting into a worker's own cells: 1,000 series of each kind, known already.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use metrics_server::testing::metric::{BucketParams, Hops, Kind, Label, Op, Sample};
use metrics_server::testing::registry::cell::Total;
use metrics_server::testing::registry::{Directory, FamilyView};

#[path = "support/registry.rs"]
mod registry;

const SERIES: usize = 1000;
const BOUNDS: [f64; 5] = [0.05, 0.1, 0.5, 1.0, 5.0];

/// What the samples of a kind add up to: the sum of increments, the gauges that hold the value that all were set
/// to, the number of observations.
fn amount(total: &Total) -> f64 {
    match total {
        Total::Histogram { counts, .. } => counts.iter().sum::<u64>() as f64,
        total => total.value(),
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("count");
    for (kind, op) in [(Kind::Counter, Op::Inc), (Kind::Gauge, Op::Set), (Kind::Histogram, Op::Obs)]
    {
        let registry = registry::registry();
        let mut local_registry = registry::local_registry(&registry);
        let cells: Vec<_> = (0..SERIES)
            .map(|series| {
                let route = format!("/r/{series}");
                let sample = Sample {
                    op,
                    name: "requests",
                    labels: &[Label { name: "route", value: &route }],
                    help: "",
                    value: 1.0,
                    buckets: BucketParams { custom: &BOUNDS, ..BucketParams::default() },
                    timestamp: None,
                    hops: Hops::default(),
                    index: "",
                };
                local_registry.count(kind, &sample, &[], 1).expect("is counted")
            })
            .collect();
        // A cell's words are read and written: stamp and value, or stamp, sum and one bucket.
        let words = if kind == Kind::Histogram { 3 } else { 2 };
        let bytes = (SERIES * words * size_of::<u64>()) as u64;
        group.throughput(Throughput::ElementsAndBytes { elements: SERIES as u64, bytes });
        let mut passes = 1_u32;
        group.bench_function(kind.as_str(), |bencher| {
            bencher.iter(|| {
                passes += 1;
                let now_ns = u64::from(passes);
                let count = |cell: &&_| local_registry.count_in(**cell, black_box(1.0), now_ns);
                assert_eq!(cells.iter().filter(count).count(), SERIES);
            });
        });
        let mut directory = Directory::new(registry);
        directory.merge_new_cells();
        let each = if kind == Kind::Gauge { 1.0 } else { f64::from(passes) };
        let entries = directory.families().flat_map(FamilyView::series);
        let sum: f64 = entries.map(|entry| amount(&entry.total())).sum();
        assert!((sum - each * SERIES as f64).abs() < 0.5, "{sum}, not {SERIES} times {each}");
    }
    group.finish();
    criterion.final_summary();
}
