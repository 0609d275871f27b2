//! How the exporter requests cells from the workers that own them, and how these reply.
//!
//! *The owner gives up, the exporter folds*: `expiry` tells why. Nothing here is touched for each sample: an
//! owner reads one flag between batches, on a cache line that is written only when a cell is requested.

use std::sync::Arc;

use crossbeam::utils::CachePadded;

use crate::registry::series::{Family, Series};
use crate::registry::slab::{CellRef, Slot};
use crate::sync::{AtomicBool, Mutex, Ordering};

/// What the exporter requests from the owner of a cell.
#[derive(Debug)]
pub enum Request {
    /// Stop counting in the cell of this series.
    GiveUp(Arc<Series>),
    /// The cell is folded: its place in the owner's slab may be used again.
    Reuse(Slot),
    /// The last series of this family is gone.
    ForgetFamily(Arc<Family>),
}

/// An owner's reply: it has counted in this cell for the last time.
#[derive(Debug)]
pub struct GivenUp {
    /// The series.
    pub series: Arc<Series>,
    /// The cell, with its final numbers.
    pub cell: CellRef,
    /// Its place, for [`Request::Reuse`].
    pub slot: Slot,
}

/// The requests to one owner.
#[derive(Debug, Default)]
struct Mailbox {
    /// Whether `requests` may hold something. It spares the owner the lock.
    filled: AtomicBool,
    requests: Mutex<Vec<Request>>,
}

/// The mailboxes of all owners, and their replies. There is at most one request for each cell, and one for each
/// family that was removed since its owner looked last, which it does between any two batches.
#[derive(Debug)]
pub struct Mailboxes {
    mailboxes: Vec<CachePadded<Mailbox>>,
    replies: Mutex<Vec<GivenUp>>,
}

impl Mailboxes {
    /// Empty mailboxes for this many workers.
    pub fn new(workers: usize) -> Self {
        let mailboxes = (0..workers).map(|_| CachePadded::default()).collect();
        Self { mailboxes, replies: Mutex::default() }
    }

    /// Leaves a request to a worker. The caller must wake that worker.
    pub fn request(&self, worker: usize, request: Request) {
        let mailbox = &self.mailboxes[worker];
        mailbox.requests.lock().push(request);
        mailbox.filled.store(true, Ordering::Release); // pairs with the Acquire in `take_requests`
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.mailboxes.len()
    }

    /// Takes the requests to a worker. Called by that worker. It costs one load where there are none.
    pub fn take_requests(&self, worker: usize) -> Vec<Request> {
        let mailbox = &self.mailboxes[worker];
        if !mailbox.filled.load(Ordering::Acquire) {
            return Vec::new();
        }
        // Cleared before the mailbox is emptied: a request that comes in between sets it again.
        mailbox.filled.store(false, Ordering::Relaxed);
        std::mem::take(&mut *mailbox.requests.lock())
    }

    /// Leaves a reply. Called by the owner, after its last store to the cell; the lock publishes that store.
    pub fn reply(&self, given_up: GivenUp) {
        self.replies.lock().push(given_up);
    }

    /// Takes all replies. Called by the exporter.
    pub fn take_replies(&self) -> Vec<GivenUp> {
        std::mem::take(&mut *self.replies.lock())
    }
}
