//! What all readers of a page share: how long it has taken, and whether others should wait for it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::http::pages::Encoding;

/// How long a page may be behind its making before others stop to wait for it: some hand-overs between
/// threads on a busy machine.
const GRACE: Duration = Duration::from_millis(20);

/// A page that was begun.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) encoding: Encoding,
    begun: Instant,
    /// Time spent making it.
    busy_ns: AtomicU64,
    finished: AtomicBool,
}

impl Page {
    pub(super) fn new(encoding: Encoding, begun: Instant) -> Self {
        Self { encoding, begun, busy_ns: AtomicU64::new(0), finished: AtomicBool::new(false) }
    }

    /// Adds the time since an instant to what making the page took, and returns the sum in ns.
    pub(super) fn took_since(&self, began: Instant) -> u64 {
        let ns = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.busy_ns.fetch_add(ns, Relaxed) + ns
    }

    /// Its last piece is made.
    pub(super) fn finish(&self) {
        self.finished.store(true, Relaxed);
    }

    /// From when on another page of its encoding may be begun; `None` for at once.
    ///
    /// While a page goes to its readers as fast as it can be made, those who come meanwhile wait for the next
    /// one, which they share. One that waits for its readers for more than half of the time is not waited for.
    pub(super) fn gives_way_at(&self) -> Option<Instant> {
        let busy = Duration::from_nanos(self.busy_ns.load(Relaxed));
        (!self.finished.load(Relaxed)).then(|| self.begun + 2 * busy + GRACE)
    }
}
