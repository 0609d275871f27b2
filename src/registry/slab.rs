//! Where a worker's cells are: in chunks of words that this worker alone writes.
//!
//! Cells lie side by side inside a chunk, since they have the same writer; only the ends of a chunk are
//! padded against what other threads write. All cells of a chunk are of one size class, so that a place fits
//! whichever comes next, and a chunk whose last cell is freed goes back to the allocator. One worker owns the
//! slab; readers keep a chunk alive by its `Arc`. The slab knows nothing of what the words mean.

use std::sync::Arc;

use super::size_class::SizeClass;
use crate::sync::{AtomicU64, Ordering};

/// Words of a chunk: 4,096 words are 32 KiB, eight pages of memory, so a server with few series stays small.
/// Models and interpreters get by with less.
const CHUNK_WORDS: usize = if cfg!(any(model_loom, shuttle, miri)) { 64 } else { 4096 };
/// Words at either end that no cell uses: 16 words are 128 bytes, the two cache lines that the processor
/// fetches as a pair. The first word holds the owner's number, written before the chunk is shared.
const PAD_WORDS: usize = 16;
/// The largest cell that shares a chunk. A histogram with the default limit of 1,024 bounds takes 1,027
/// words, so three fit; larger cells get a chunk of their own.
const CELL_WORDS_MAX: usize = CHUNK_WORDS - 2 * PAD_WORDS;
const _: () = assert!(CELL_WORDS_MAX <= SizeClass::WORDS_MAX);

/// The class of a cell of so many words; `None` if it gets a chunk of its own.
fn shared_class(words: usize) -> Option<SizeClass> {
    SizeClass::of(words).filter(|class| class.words() <= CELL_WORDS_MAX)
}

/// Bytes that a cell of `words` words takes: its share of a chunk that is full.
pub(super) fn bytes_taken(words: usize) -> usize {
    let words = match shared_class(words) {
        Some(class) => CHUNK_WORDS.div_ceil(CELL_WORDS_MAX / class.words()),
        None => words + 2 * PAD_WORDS,
    };
    words * size_of::<AtomicU64>()
}

/// Words that one worker writes.
pub(crate) type Chunk = [AtomicU64];

/// A cell as readers see it: a chunk, and a place in it.
#[derive(Clone, Debug)]
pub struct CellRef {
    chunk: Arc<Chunk>,
    at: u32,
    words: u32,
}

impl CellRef {
    /// The number of the worker that owns the cell.
    #[expect(clippy::cast_possible_truncation, reason = "a usize was stored")]
    pub fn worker(&self) -> usize {
        self.chunk[0].load(Ordering::Relaxed) as usize // it was one when it was stored
    }

    /// Whether both are the same cell.
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.chunk, &other.chunk) && self.at == other.at
    }

    /// The words of the cell.
    pub fn words(&self) -> &[AtomicU64] {
        &self.chunk[self.at as usize..][..self.words as usize]
    }
}

/// A cell's place in its owner's slab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Slot {
    chunk: u32,
    at: u32,
}

/// A worker's chunks.
#[derive(Debug)]
pub(crate) struct Slab {
    worker: u64,
    /// The words of each chunk, which counting needs; a released one has [`Self::no_words`].
    chunks: Vec<Arc<Chunk>>,
    /// The places of each chunk, which only allocating and freeing need.
    places: Vec<Places>,
    /// Numbers of chunks with a free place, by size class.
    with_room: [Vec<u32>; SizeClass::COUNT],
    /// Numbers of released chunks.
    released: Vec<u32>,
    no_words: Arc<Chunk>,
    /// Bytes of all chunks that are not released.
    chunk_bytes: usize,
}

/// Bytes of a chunk beside its words: the counts of its `Arc`, its entries in the three lists, each of which may be
/// half empty, and what the allocator adds.
const CHUNK_BYTES: usize = 16 + 2 * (16 + size_of::<Places>() + 4) + 16;

/// Which places of a chunk are in use.
#[derive(Debug, Default)]
struct Places {
    /// The class of all its cells; `None` for the one cell of a chunk of its own.
    class: Option<SizeClass>,
    /// Where the places begin that were never used.
    fresh: usize,
    /// Places that are free again.
    free: Vec<u32>,
    /// How many places are in use.
    used: usize,
}

impl Places {
    fn has_room(&self) -> bool {
        let end = |class: SizeClass| self.fresh + class.words() + PAD_WORDS;
        !self.free.is_empty() || self.class.is_some_and(|class| end(class) <= CHUNK_WORDS)
    }
}

impl Slab {
    /// An empty slab of the worker with this number.
    pub(crate) fn new(worker: usize) -> Self {
        Self {
            worker: worker as u64,
            chunks: Vec::new(),
            places: Vec::new(),
            with_room: std::array::from_fn(|_| Vec::new()),
            released: Vec::new(),
            no_words: Arc::new([]),
            chunk_bytes: 0,
        }
    }

    /// A zeroed cell of `words` words.
    pub(crate) fn allocate(&mut self, words: usize) -> Slot {
        let Some(class) = shared_class(words) else {
            let chunk = self.add_chunk(words + 2 * PAD_WORDS, None);
            self.places[chunk as usize].used = 1;
            return Slot { chunk, at: to_u32(PAD_WORDS) };
        };
        let chunk = match self.with_room[class.index()].last() {
            Some(&chunk) => chunk,
            None => self.add_chunk(CHUNK_WORDS, Some(class)),
        };
        let places = &mut self.places[chunk as usize];
        places.used += 1;
        let again = places.free.pop();
        let at = again.unwrap_or_else(|| {
            let at = to_u32(places.fresh);
            places.fresh += class.words();
            at
        });
        if !places.has_room() {
            self.with_room[class.index()].pop(); // it is the last one, as chosen above
        }
        let slot = Slot { chunk, at };
        if again.is_some() {
            for word in self.words(slot, words) {
                word.store(0, Ordering::Relaxed);
            }
        }
        slot
    }

    /// A zeroed chunk of so many words, with room for cells of this class.
    #[cold]
    fn add_chunk(&mut self, words: usize, class: Option<SizeClass>) -> u32 {
        let chunk: Arc<Chunk> = (0..words).map(|_| AtomicU64::new(0)).collect();
        chunk[0].store(self.worker, Ordering::Relaxed); // shared later, through a lock
        self.chunk_bytes += CHUNK_BYTES + size_of_val(&*chunk);
        let places = Places { class, fresh: PAD_WORDS, ..Places::default() };
        let number = if let Some(number) = self.released.pop() {
            self.chunks[number as usize] = chunk;
            self.places[number as usize] = places;
            number
        } else {
            self.chunks.push(chunk);
            self.places.push(places);
            to_u32(self.chunks.len() - 1)
        };
        if let Some(class) = class {
            self.with_room[class.index()].push(number);
        }
        number
    }

    /// Takes a place back, to be used again. No reader may be left: the exporter has folded the cell.
    pub(crate) fn free(&mut self, slot: Slot) {
        let places = &mut self.places[slot.chunk as usize];
        assert!(places.used > 0, "a place is freed once");
        places.used -= 1;
        if places.used == 0 {
            return self.release(slot.chunk);
        }
        let had_room = places.has_room();
        places.free.push(slot.at);
        if let Some(class) = places.class.filter(|_| !had_room) {
            self.with_room[class.index()].push(slot.chunk);
        }
    }

    /// Gives a chunk without cells back to the allocator.
    #[cold]
    fn release(&mut self, number: u32) {
        let places = std::mem::take(&mut self.places[number as usize]);
        if let Some(class) = places.class {
            self.with_room[class.index()].retain(|&other| other != number);
        }
        let chunk = &mut self.chunks[number as usize];
        self.chunk_bytes -= CHUNK_BYTES + size_of_val(&**chunk);
        *chunk = Arc::clone(&self.no_words);
        self.released.push(number);
    }

    /// Bytes that all cells take, with the rest of their chunks.
    pub(crate) fn bytes(&self) -> usize {
        self.chunk_bytes
    }

    /// The words of a cell.
    #[inline]
    pub(crate) fn words(&self, slot: Slot, words: usize) -> &[AtomicU64] {
        &self.chunks[slot.chunk as usize][slot.at as usize..][..words]
    }

    /// The cell as readers see it.
    pub(crate) fn share(&self, slot: Slot, words: usize) -> CellRef {
        let chunk = Arc::clone(&self.chunks[slot.chunk as usize]);
        CellRef { chunk, at: slot.at, words: to_u32(words) }
    }
}

/// A size, place or index in 32 bits. Limits keep all of them far below 2^32: `-buckets-max` the sizes of
/// cells, `-lines-max` their number, and memory the number of chunks.
#[expect(clippy::cast_possible_truncation, reason = "asserted")]
pub(super) fn to_u32(number: usize) -> u32 {
    assert!(u32::try_from(number).is_ok(), "a limit keeps {number} below 2^32");
    number as u32
}

#[cfg(test)]
#[cfg(not(any(model_loom, shuttle)))]
mod tests {
    use super::*;

    fn live_chunks(slab: &Slab) -> usize {
        slab.chunks.iter().filter(|chunk| !chunk.is_empty()).count()
    }

    #[test]
    fn cells_do_not_overlap_and_come_back_zeroed() {
        let mut slab = Slab::new(0);
        let cells = if cfg!(miri) { 200 } else { 5000 };
        let slots: Vec<_> = (0..cells).map(|i| (slab.allocate(2 + i % 50), 2 + i % 50)).collect();
        for &(slot, words) in &slots {
            for word in slab.words(slot, words) {
                assert_eq!(word.fetch_add(1, Ordering::Relaxed), 0, "a word has two cells");
            }
        }
        let (slot, words) = slots[17];
        slab.free(slot);
        let again = slab.allocate(words);
        assert_eq!(again, slot, "a free place is used again");
        assert!(slab.words(again, words).iter().all(|word| word.load(Ordering::Relaxed) == 0));
    }

    #[test]
    fn a_cell_larger_than_a_chunk_gets_its_own() {
        let mut slab = Slab::new(0);
        let small = slab.allocate(3);
        let large = slab.allocate(2 * CHUNK_WORDS);
        assert_eq!(slab.words(large, 2 * CHUNK_WORDS).len(), 2 * CHUNK_WORDS);
        let next = slab.allocate(3);
        assert_eq!(next.chunk, small.chunk, "the chunk in use goes on being filled");
        assert_eq!(slab.share(next, 3).words().len(), 3);
        slab.free(large);
        assert_eq!(live_chunks(&slab), 1, "its chunk goes with it");
    }

    #[test]
    #[cfg_attr(miri, ignore = "thousands of cells")]
    fn chunks_without_cells_are_released_whatever_the_order_and_the_sizes() {
        let mut slab = Slab::new(0);
        let mut most = 0;
        for round in 0..40 {
            let words = 2 + 97 * round;
            let mut slots: Vec<_> = (0..2000).map(|_| slab.allocate(words)).collect();
            most = most.max(live_chunks(&slab));
            slots.sort_by_key(|slot| slot.at.wrapping_mul(0x9e37_79b9)); // neighbours apart in time
            for slot in slots {
                slab.free(slot);
            }
            assert_eq!(live_chunks(&slab), 0, "cells of {words} words");
        }
        assert_eq!(slab.chunks.len(), most, "numbers of released chunks are used again");
        assert_eq!(slab.bytes(), 0);
    }

    #[test]
    #[cfg_attr(miri, ignore = "thousands of cells")]
    fn one_cell_keeps_its_chunk_and_no_other() {
        let mut slab = Slab::new(7);
        let slots: Vec<_> = (0..10_000).map(|_| slab.allocate(3)).collect();
        let kept = slots[5000];
        slab.words(kept, 3)[1].store(42, Ordering::Relaxed);
        for slot in slots.into_iter().filter(|&slot| slot != kept) {
            slab.free(slot);
        }
        assert_eq!(live_chunks(&slab), 1);
        assert_eq!(slab.bytes(), CHUNK_BYTES + CHUNK_WORDS * size_of::<AtomicU64>());
        let cell = slab.share(kept, 3);
        assert_eq!((cell.worker(), cell.words()[1].load(Ordering::Relaxed)), (7, 42));
    }
}
