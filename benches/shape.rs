//! Knowing a message again: looking up 1,000 shapes, in the order in which they came before and in another.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use metrics_server::testing::wire::{Found, ShapeCache};

#[path = "support/lines.rs"]
mod lines;

const SHAPES: usize = 1000;
/// Messages in a datagram.
const BATCH: usize = 10;

/// A cache that knows these messages by their place.
fn cache(messages: &[String]) -> ShapeCache<usize> {
    let mut cache = ShapeCache::new(1 << 24);
    for (place, message) in messages.iter().enumerate() {
        cache.begin();
        let Found::Miss(Some(key)) = cache.find(0, message.as_bytes(), 0, |_| 0) else {
            panic!("{message} cannot become a shape");
        };
        cache.admit(key, 0, message.as_bytes(), place);
    }
    cache
}

fn main() {
    let messages: Vec<String> = (0..SHAPES).map(lines::counter).collect();
    let bytes = messages.iter().map(|message| message.len() as u64).sum();
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("shape");
    group.throughput(Throughput::ElementsAndBytes { elements: SHAPES as u64, bytes });
    // Of the other order there are several passes, so that no message is followed by the same one each time.
    let any: Vec<usize> = lines::shuffled(8 * SHAPES).iter().map(|place| place % SHAPES).collect();
    let same: Vec<usize> = (0..8 * SHAPES).map(|place| place % SHAPES).collect();
    for (name, order) in [("same order", same), ("any order", any)] {
        let mut cache = cache(&messages);
        // The messages of a datagram, and the datagram.
        let datagrams: Vec<(&[usize], String)> = order
            .chunks_exact(BATCH)
            .map(|batch| (batch, batch.iter().map(|&place| messages[place].as_str()).collect()))
            .collect();
        let mut passes = datagrams.chunks_exact(SHAPES / BATCH).cycle();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let pass = passes.next().expect("a cycle");
                let mut wrong = 0;
                for (batch, datagram) in pass {
                    cache.begin();
                    let mut at = 0;
                    for &place in *batch {
                        let found = cache.find(0, black_box(datagram.as_bytes()), at, |_| 0);
                        let right = |stands_for: usize, len: usize| {
                            stands_for == place && len == messages[place].len()
                        };
                        wrong += usize::from(!matches!(
                            found,
                            Found::Hit { stands_for, len, .. } if right(stands_for, len)
                        ));
                        at += messages[place].len();
                    }
                }
                assert_eq!(wrong, 0);
            });
        });
    }
    group.finish();
    criterion.final_summary();
}
