//! Looking up 1,000 templates, in the order in which their messages came before and in another.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use metrics_server::testing::wire::{Hit, Lookup, Miss, PADDING, Padded, TemplateCache};

#[path = "support/lines.rs"]
mod lines;

const TEMPLATES: usize = 1000;
/// Messages in a datagram.
const BATCH: usize = 10;

/// Messages that are received together, with padding behind them, and which ones they are.
struct Received<'o> {
    order: &'o [usize],
    buffer: Vec<u8>,
    len: usize,
}

impl<'o> Received<'o> {
    fn new(order: &'o [usize], messages: &[String]) -> Self {
        let text: String = order.iter().map(|&number| messages[number].as_str()).collect();
        let len = text.len();
        let mut buffer = text.into_bytes();
        buffer.resize(len + PADDING, 0);
        Self { order, buffer, len }
    }

    fn padded(&mut self) -> Padded<'_> {
        Padded::new(&mut self.buffer, self.len)
    }
}

/// A cache that knows these messages by their number.
fn cache(messages: &[String]) -> TemplateCache<usize> {
    let mut cache = TemplateCache::new(1 << 24);
    for (number, message) in messages.iter().enumerate() {
        let mut received = Received::new(&[0], std::slice::from_ref(message));
        let mut cursor = cache.read(0, received.padded());
        let Lookup::Miss(Miss::Admissible(key)) = cursor.lookup(0, |_| {}) else {
            panic!("{message} cannot become a template");
        };
        cursor.admit(key, 0..message.len(), number);
    }
    cache
}

fn main() {
    let messages: Vec<String> = (0..TEMPLATES).map(lines::counter).collect();
    let bytes = messages.iter().map(|message| message.len() as u64).sum();
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("template");
    group.throughput(Throughput::ElementsAndBytes { elements: TEMPLATES as u64, bytes });
    // Of the other order there are several passes, so that no message is followed by the same one each time.
    let any: Vec<usize> =
        lines::shuffled(8 * TEMPLATES).iter().map(|place| place % TEMPLATES).collect();
    let same: Vec<usize> = (0..8 * TEMPLATES).map(|place| place % TEMPLATES).collect();
    for (name, order) in [("same order", same), ("any order", any)] {
        let mut cache = cache(&messages);
        let mut datagrams: Vec<Received<'_>> =
            order.chunks_exact(BATCH).map(|batch| Received::new(batch, &messages)).collect();
        let passes = datagrams.len() / (TEMPLATES / BATCH);
        let mut pass = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let from = pass % passes * (TEMPLATES / BATCH);
                pass += 1;
                let mut wrong = 0;
                for received in &mut datagrams[from..from + TEMPLATES / BATCH] {
                    let order = received.order;
                    let mut cursor = cache.read(0, black_box(received.padded()));
                    let mut at = 0;
                    for &number in order {
                        let right = |Hit { meaning, len, .. }: Hit<usize>| {
                            meaning == number && len == messages[number].len()
                        };
                        let lookup = cursor.lookup(at, |_| {});
                        wrong += usize::from(!matches!(lookup, Lookup::Hit(hit) if right(hit)));
                        at += messages[number].len();
                    }
                }
                assert_eq!(wrong, 0);
            });
        });
    }
    group.finish();
    criterion.final_summary();
}
