//! What the exporter and the owners of cells tell each other about retirement.
//!
//! *The owner gives up, the exporter folds.* Nothing here is touched per sample: an owner reads one
//! flag between batches, on a line that is written only when a series goes.

use std::sync::Arc;

use crossbeam::utils::CachePadded;

use crate::registry::birth::Series;
use crate::registry::slab::{CellRef, Slot};
use crate::sync::{AtomicBool, Mutex, Ordering};

/// What the exporter asks of an owner.
#[derive(Debug)]
pub enum Request {
    /// Stop counting into the cell of this series.
    GiveUp(Arc<Series>),
    /// The cell is folded: its place may be used again.
    Reuse {
        /// The place in the owner's slab.
        slot: Slot,
        /// Its size.
        words: usize,
    },
}

/// An owner's answer: it has counted into this cell for the last time.
#[derive(Debug)]
pub struct GivenUp {
    /// The series.
    pub series: Arc<Series>,
    /// The cell, final.
    pub cell: CellRef,
    /// Its place, for [`Request::Reuse`].
    pub slot: Slot,
}

/// One owner's letter box.
#[derive(Debug, Default)]
struct Mailbox {
    /// Whether `requests` may hold something: spares the owner the lock.
    filled: AtomicBool,
    requests: Mutex<Vec<Request>>,
}

/// All letter boxes. Bounded by the number of series: one request per cell stands at most.
#[derive(Debug)]
pub struct Mailboxes {
    mailboxes: Vec<CachePadded<Mailbox>>,
    answers: Mutex<Vec<GivenUp>>,
}

impl Mailboxes {
    /// Boxes for this many workers.
    pub fn new(workers: usize) -> Self {
        let mailboxes = (0..workers).map(|_| CachePadded::default()).collect();
        Self { mailboxes, answers: Mutex::default() }
    }

    /// Leaves a request. The caller wakes the worker.
    pub fn ask(&self, worker: usize, request: Request) {
        let mailbox = &self.mailboxes[worker];
        mailbox.requests.lock().push(request);
        mailbox.filled.store(true, Ordering::Release); // pairs with the Acquire in `requests`
    }

    /// Takes an owner's requests; a single relaxed-cost load when there are none. Run by that owner.
    pub fn requests(&self, worker: usize) -> Vec<Request> {
        let mailbox = &self.mailboxes[worker];
        if !mailbox.filled.load(Ordering::Acquire) {
            return Vec::new();
        }
        // Cleared before the box is emptied: a request that comes in between sets it again.
        mailbox.filled.store(false, Ordering::Relaxed);
        std::mem::take(&mut *mailbox.requests.lock())
    }

    /// Leaves an answer. Run by the owner, after its last store to the cell; the lock publishes it.
    pub fn answer(&self, given_up: GivenUp) {
        self.answers.lock().push(given_up);
    }

    /// Takes all answers. Run by the exporter.
    pub fn answers(&self) -> Vec<GivenUp> {
        std::mem::take(&mut *self.answers.lock())
    }
}
