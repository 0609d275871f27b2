//! A page that was begun: how much time making it has taken, and until when those who ask for another page wait
//! for its end.
//!
//! Shared by the threads `exporter` and `exporter-gzip`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::http::pages::Encoding;
use crate::planted::{self, Fault};

/// How long others wait for a page beyond twice the time spent making it. It allows for some hand-overs between
/// threads on a busy machine, so that a small page is waited for as well.
const GRACE: Duration = Duration::from_millis(20);

/// A page that was begun.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) encoding: Encoding,
    begun: Instant,
    /// Time spent making it so far, without that in which it waited for its readers.
    busy_ns: AtomicU64,
    /// Whether its last piece is made.
    finished: AtomicBool,
}

impl Page {
    pub(super) fn new(encoding: Encoding, begun: Instant) -> Self {
        Self { encoding, begun, busy_ns: AtomicU64::new(0), finished: AtomicBool::new(false) }
    }

    /// Adds the time since `began` to the time spent making the page, and returns the sum in ns.
    pub(super) fn took_since(&self, began: Instant) -> u64 {
        let ns = u64::try_from(began.elapsed().as_nanos()).expect("u64 holds the ns of 584 years");
        self.busy_ns.fetch_add(ns, Relaxed) + ns
    }

    /// Its last piece is made.
    pub(super) fn finish(&self) {
        self.finished.store(true, Relaxed);
    }

    /// Until when another page of its encoding is not begun; `None` if one may be begun at once.
    ///
    /// Pieces are made as readers take them. While readers take a page as fast as it can be made, scrapes that
    /// come meanwhile wait for its end and then share the next page. But slow readers must not hold them up:
    /// once the page has waited for its readers for longer than it took to make, another one is begun.
    pub(super) fn gives_way_at(&self) -> Option<Instant> {
        if planted::is(Fault::PageWaitsForReaders) {
            return (!self.finished.load(Relaxed)).then(|| self.begun + Duration::from_hours(1));
        }
        let busy = Duration::from_nanos(self.busy_ns.load(Relaxed));
        (!self.finished.load(Relaxed)).then(|| self.begun + 2 * busy + GRACE)
    }
}
