//! How far a connection is with its request and response: what its deadline and its eviction depend on.
//!
//! Lives on the thread `http`, shared by the parts of one connection through `Rc` and `Cell`.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::limits::HttpLimits;
use super::stats::InFlight;

/// What a connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConnectionPhase {
    /// For a request's head: from accept, or from the first byte of a later request.
    Head,
    /// For the response to be made and written.
    Response,
    /// For the next request.
    Idle,
}

/// The phase of one connection, and since when.
#[derive(Debug)]
pub(super) struct Progress {
    phase: Cell<ConnectionPhase>,
    since: Cell<Instant>,
    /// Whether hyper has taken the last byte of the response's body.
    body_taken: Cell<bool>,
    /// Since when the client takes no bytes.
    blocked_since: Cell<Option<Instant>>,
}

impl Progress {
    /// Of a connection that was just accepted.
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self {
            phase: Cell::new(ConnectionPhase::Head),
            since: Cell::new(Instant::now()),
            body_taken: Cell::new(false),
            blocked_since: Cell::new(None),
        })
    }

    /// The phase now.
    pub(super) fn phase(&self) -> ConnectionPhase {
        self.phase.get()
    }

    /// Since when it lasts.
    pub(super) fn since(&self) -> Instant {
        self.since.get()
    }

    /// Since when the client has taken nothing of the response although there was something to take.
    pub(super) fn blocked_since(&self) -> Option<Instant> {
        self.blocked_since.get()
    }

    /// When the phase has lasted too long.
    pub(super) fn deadline(&self, limits: &HttpLimits) -> Instant {
        self.since.get()
            + match self.phase.get() {
                ConnectionPhase::Head => limits.head_time,
                ConnectionPhase::Response => limits.response_time,
                ConnectionPhase::Idle => limits.idle_time,
            }
    }

    /// A request's head is there. The guard is to be kept until the response's body has ended.
    pub(super) fn begin_response(self: &Rc<Self>) -> ResponseGuard {
        self.enter(ConnectionPhase::Response);
        self.body_taken.set(false);
        self.blocked_since.set(None);
        ResponseGuard { progress: Rc::clone(self), in_flight: None }
    }

    /// Bytes have come from the client.
    pub(super) fn received(&self) {
        if self.phase.get() == ConnectionPhase::Idle {
            self.enter(ConnectionPhase::Head);
        }
    }

    /// The client takes bytes.
    pub(super) fn wrote(&self) {
        self.blocked_since.set(None);
    }

    /// The client takes no bytes for now.
    pub(super) fn blocked(&self) {
        if self.blocked_since.get().is_none() {
            self.blocked_since.set(Some(Instant::now()));
        }
    }

    /// All bytes that there were are with the kernel.
    pub(super) fn flushed(&self) {
        if self.phase.get() == ConnectionPhase::Response && self.body_taken.get() {
            self.enter(ConnectionPhase::Idle);
        }
    }

    fn enter(&self, phase: ConnectionPhase) {
        self.phase.set(phase);
        self.since.set(Instant::now());
    }

    /// For how long the client has taken nothing.
    pub(super) fn stalled_for(&self, now: Instant) -> Duration {
        self.blocked_since().map_or(Duration::ZERO, |since| now - since)
    }
}

/// Goes with the body of a response: dropped when hyper has taken all of it, or has given it up.
#[derive(Debug)]
pub(super) struct ResponseGuard {
    progress: Rc<Progress>,
    in_flight: Option<InFlight>,
}

impl ResponseGuard {
    /// Counts the response as a scrape in flight.
    pub(super) fn count(mut self, in_flight: InFlight) -> Self {
        self.in_flight = Some(in_flight);
        self
    }
}

impl Drop for ResponseGuard {
    fn drop(&mut self) {
        drop(self.in_flight.take());
        self.progress.body_taken.set(true);
    }
}
