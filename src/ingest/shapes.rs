//! What shapes stand for, and the proof that admits them.
//!
//! Runs on an ingest worker. The look-up is hot; admission is cold and happens once per series.

use std::sync::Arc;

use crate::metric::{Coercions, Op};
use crate::registry::Registry;
use crate::registry::local::{CellHandle, LocalRegistry};
use crate::stats::WorkerStats;
use crate::wire::json::{PADDING, Parsed, Parser};
use crate::wire::shape::{Found, Key, ShapeCache};

/// What a known message means apart from its number: all that its books need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meaning {
    /// Its op.
    pub op: Op,
    /// What is put right in it each time.
    pub coercions: Coercions,
    /// The cell that it counts into.
    pub cell: CellHandle,
}

/// A worker's shapes. `None` stands for messages whose proof has failed: they are parsed each time.
#[derive(Debug)]
pub(crate) struct Shapes {
    cache: ShapeCache<Option<Meaning>>,
    registry: Arc<Registry>,
}

impl Shapes {
    /// At most `bytes_max` bytes of them; 0 turns them off.
    pub(crate) fn new(bytes_max: usize, registry: Arc<Registry>) -> Self {
        Self { cache: ShapeCache::new(bytes_max), registry }
    }

    /// Begins another datagram or read.
    #[inline]
    pub(crate) fn begin(&mut self) {
        self.cache.begin();
    }

    /// Begins the datagram of this number in the batch of [`Self::foresee`].
    #[inline]
    pub(crate) fn begin_foreseen(&mut self, datagram: usize) {
        self.cache.begin_foreseen(datagram);
    }

    /// Looks at the first message of each datagram of a batch, before they are counted one by one.
    pub(crate) fn foresee<'a>(
        &mut self,
        listener: usize,
        datagrams: impl Iterator<Item = &'a [u8]>,
        local_registry: &LocalRegistry,
    ) {
        self.cache.foresee(listener, datagrams, |meaning| touch(meaning, local_registry));
    }

    /// Shapes and their bytes.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.cache.len(), self.cache.bytes())
    }

    /// Counts the message that begins at `bytes[at]` if it is known, and returns how long it is;
    /// otherwise its key, if it could become known. `bytes` are the same for all messages between two
    /// calls of [`Self::begin`].
    #[inline]
    pub(crate) fn count(
        &mut self,
        listener: usize,
        (bytes, at): (&[u8], usize),
        local_registry: &LocalRegistry,
        stats: &WorkerStats,
        now_ns: u64,
    ) -> Result<usize, Option<Key>> {
        let touch = |meaning: Option<Meaning>| {
            meaning.map_or(0, |meaning| local_registry.touch(meaning.cell))
        };
        match self.cache.find(listener, bytes, at, touch) {
            Found::Miss(key) => Err(key),
            Found::Hit { stands_for: None, .. } => Err(None),
            Found::Hit { index, stands_for: Some(meaning), value, len } => {
                if meaning.op == Op::Inc && value < 0.0 {
                    return Err(None); // refused, with all its books, by the parse path
                }
                if !local_registry.count_in(meaning.cell, value, now_ns) {
                    self.forget(index, stats);
                    return Err(None);
                }
                stats.accept(meaning.op, meaning.coercions);
                Ok(len)
            }
        }
    }

    /// Looks through some shapes for those whose series are gone. Called with each series that is given
    /// up, it looks through all of them before as many series have gone as there are shapes.
    #[cold]
    pub(crate) fn sweep(&mut self, given_up: usize, local_registry: &LocalRegistry) {
        /// A series has one shape as a rule; some have a few, from several listeners or programs.
        const SHAPES_PER_SERIES: usize = 8;
        let before = self.cache.bytes();
        self.cache.sweep(given_up * SHAPES_PER_SERIES, |meaning| {
            meaning.is_some_and(|meaning| !local_registry.owns(meaning.cell))
        });
        self.registry.change_bytes(before, self.cache.bytes());
    }

    /// Whether a message that was missed and counted comes again, so that it is worth admitting.
    pub(crate) fn seen_before(&mut self, key: Key, listener: usize, message: &[u8]) -> bool {
        self.cache.seen_before(key, listener, message)
    }

    /// Admits a counted message, if it can be proved that its number alone makes its value.
    #[cold]
    pub(crate) fn admit(
        &mut self,
        key: Key,
        listener: usize,
        (message, value): (&[u8], f64),
        meaning: Meaning,
        parser: &mut Parser,
    ) {
        if self.registry.memory_is_full() {
            return; // what room there is belongs to series
        }
        let before = self.cache.bytes();
        let stands_for = is_shape(key, message, value, parser).then_some(meaning);
        self.cache.admit(key, listener, message, stands_for);
        self.registry.change_bytes(before, self.cache.bytes());
    }

    #[cold]
    fn forget(&mut self, index: usize, stats: &WorkerStats) {
        let before = self.cache.bytes();
        self.cache.remove(index);
        self.registry.change_bytes(before, self.cache.bytes());
        let (shapes, bytes) = self.size();
        stats.shapes.set(shapes as u64);
        stats.shape_bytes.set(bytes as u64);
    }
}

/// Reads what counting will need.
#[inline]
fn touch(meaning: Option<Meaning>, local_registry: &LocalRegistry) -> u64 {
    meaning.map_or(0, |meaning| local_registry.touch(meaning.cell))
}

/// Whether the message, given another number in its place, says the same but for that number.
fn is_shape(key: Key, message: &[u8], value: f64, parser: &mut Parser) -> bool {
    let mut probe = Vec::with_capacity(message.len() + PADDING + 4);
    let other = ShapeCache::<Option<Meaning>>::probe(key, message, value, &mut probe);
    let (said, first) = say(message.to_vec(), parser);
    let (said_of_probe, second) = say(probe, parser);
    first == Some(value) && second == Some(other) && said == said_of_probe
}

/// All that a message says but its value, as text; and its value, if it counts.
fn say(mut message: Vec<u8>, parser: &mut Parser) -> (String, Option<f64>) {
    let len = message.len();
    let escaped = message.contains(&b'\\');
    message.resize(len + PADDING, 0);
    parser.parse(&mut message, len, escaped, |Parsed { op_type, coercions, result }| {
        let value = result.ok().map(|sample| sample.value);
        let rest = result.map(|sample| crate::metric::Sample { value: 0.0, ..sample });
        (format!("{op_type:?} {coercions:?} {rest:?}"), value)
    })
}
