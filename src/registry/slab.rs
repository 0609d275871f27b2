//! Where a worker's cells are: in chunks of words that this worker alone writes.
//!
//! Cells lie side by side inside a chunk, since they have the same writer. Only at the ends of a chunk there is
//! padding, so that no other thread writes to their cache lines. One worker owns the slab; readers keep a chunk
//! alive by its `Arc`. The slab knows nothing of what the words mean.

use std::sync::Arc;

use crate::sync::{AtomicU64, Ordering};

/// Words of a chunk: 4,096 words are 32 KiB, eight pages of memory, so a server with few series stays small.
/// Model checkers need few, and are faster with few.
const CHUNK_WORDS: usize = if cfg!(any(model_loom, shuttle)) { 64 } else { 4096 };
/// Words at either end that no cell uses: 16 words are 128 bytes, the two cache lines that the processor
/// fetches as a pair. The first word holds the owner's number, written before the chunk is shared.
const PAD_WORDS: usize = 16;
/// The largest cell that shares a chunk. A histogram with the default limit of 1,024 bounds takes 1,027
/// words, so three fit; larger cells get a chunk of their own.
const CELL_WORDS_MAX: usize = CHUNK_WORDS - 2 * PAD_WORDS;

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
        self.chunk[0].load(Ordering::Relaxed) as usize
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

/// A worker's chunks, and the places in them that are free.
#[derive(Debug)]
pub(crate) struct Slab {
    worker: u64,
    chunks: Vec<Arc<Chunk>>,
    /// The chunk that new cells go to, and its first unused word.
    filling: Option<Slot>,
    /// Places that are free, by size. There are few sizes: one for each number of buckets.
    free: Vec<FreeSlots>,
}

/// The free places of one size.
#[derive(Debug)]
struct FreeSlots {
    words: u32,
    slots: Vec<Slot>,
}

impl Slab {
    /// An empty slab of the worker with this number.
    pub(crate) fn new(worker: usize) -> Self {
        Self { worker: worker as u64, chunks: Vec::new(), filling: None, free: Vec::new() }
    }

    /// A zeroed cell of `words` words.
    pub(crate) fn allocate(&mut self, words: usize) -> Slot {
        let size = to_u32(words);
        let free = self.free.iter_mut().find(|free| free.words == size);
        if let Some(slot) = free.and_then(|free| free.slots.pop()) {
            for word in self.words(slot, words) {
                word.store(0, Ordering::Relaxed);
            }
            return slot;
        }
        match self.filling {
            Some(slot) if slot.at as usize + words + PAD_WORDS <= CHUNK_WORDS => {
                self.filling = Some(Slot { at: slot.at + size, ..slot });
                slot
            }
            _ => self.grow(words),
        }
    }

    #[cold]
    fn grow(&mut self, words: usize) -> Slot {
        let total = CHUNK_WORDS.max(words + 2 * PAD_WORDS);
        let chunk: Arc<Chunk> = (0..total).map(|_| AtomicU64::new(0)).collect();
        chunk[0].store(self.worker, Ordering::Relaxed); // shared later, through a lock
        self.chunks.push(chunk);
        let slot = Slot { chunk: to_u32(self.chunks.len() - 1), at: to_u32(PAD_WORDS) };
        if words <= CELL_WORDS_MAX {
            self.filling = Some(Slot { at: slot.at + to_u32(words), ..slot });
        }
        slot
    }

    /// Takes a place back, to be used again. No reader may be left: the exporter has folded the cell.
    pub(crate) fn free(&mut self, slot: Slot, words: usize) {
        let size = to_u32(words);
        match self.free.iter_mut().find(|free| free.words == size) {
            Some(free) => free.slots.push(slot),
            None => self.free.push(FreeSlots { words: size, slots: vec![slot] }),
        }
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

    #[test]
    fn cells_do_not_overlap_and_come_back_zeroed() {
        let mut slab = Slab::new(0);
        let slots: Vec<_> = (0..5000).map(|i| (slab.allocate(2 + i % 5), 2 + i % 5)).collect();
        for &(slot, words) in &slots {
            for word in slab.words(slot, words) {
                assert_eq!(word.fetch_add(1, Ordering::Relaxed), 0, "a word has two cells");
            }
        }
        let (slot, words) = slots[17];
        slab.free(slot, words);
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
    }
}
