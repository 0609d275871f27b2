//! How far a connection is with its request and response. Its deadline and its eviction depend on this.
//!
//! The parts of one connection share it through `Rc` and `Cell`, all on the thread `http`.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::limits::HttpLimits;
use super::stats::InFlight;

/// What a connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConnectionPhase {
    /// A request's head: the first one from accept on, a later one from its first byte on.
    Head,
    /// The response, which is being made or written.
    Response,
    /// The first byte of a further request.
    Idle,
}

/// The phase of one connection, and how long it has lasted.
#[derive(Debug)]
pub(super) struct Progress {
    phase: Cell<ConnectionPhase>,
    since: Cell<Instant>,
    /// Whether hyper has taken all of the response's body.
    body_taken: Cell<bool>,
    /// Since when the client has taken no bytes although some wait for it; `None` while it takes them.
    blocked_since: Cell<Option<Instant>>,
}

impl Progress {
    /// The progress of a connection that was just accepted.
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self {
            phase: Cell::new(ConnectionPhase::Head),
            since: Cell::new(Instant::now()),
            body_taken: Cell::new(false),
            blocked_since: Cell::new(None),
        })
    }

    /// The present phase.
    pub(super) fn phase(&self) -> ConnectionPhase {
        self.phase.get()
    }

    /// When the present phase began.
    pub(super) fn since(&self) -> Instant {
        self.since.get()
    }

    /// Since when the client has taken no bytes although some wait for it; `None` while it takes them.
    pub(super) fn blocked_since(&self) -> Option<Instant> {
        self.blocked_since.get()
    }

    /// The end of the time that the present phase may last.
    pub(super) fn deadline(&self, limits: &HttpLimits) -> Instant {
        self.since.get()
            + match self.phase.get() {
                ConnectionPhase::Head => limits.head_time,
                ConnectionPhase::Response => limits.response_time,
                ConnectionPhase::Idle => limits.idle_time,
            }
    }

    /// Begins the phase of the response, since a request's head has arrived. The caller keeps the guard until the
    /// response's body has ended.
    pub(super) fn begin_response(self: &Rc<Self>) -> ResponseGuard {
        self.enter(ConnectionPhase::Response);
        self.body_taken.set(false);
        self.blocked_since.set(None);
        ResponseGuard { progress: Rc::clone(self), in_flight: None }
    }

    /// Called when bytes have come from the client.
    pub(super) fn received(&self) {
        if self.phase.get() == ConnectionPhase::Idle {
            self.enter(ConnectionPhase::Head);
        }
    }

    /// Called when the kernel has taken bytes for the client.
    pub(super) fn wrote(&self) {
        self.blocked_since.set(None);
    }

    /// Called when the kernel takes no more bytes, since the client has not read those before.
    pub(super) fn blocked(&self) {
        if self.blocked_since.get().is_none() {
            self.blocked_since.set(Some(Instant::now()));
        }
    }

    /// Called when the kernel has taken all bytes that were to be sent.
    pub(super) fn flushed(&self) {
        if self.phase.get() == ConnectionPhase::Response && self.body_taken.get() {
            self.enter(ConnectionPhase::Idle);
        }
    }

    fn enter(&self, phase: ConnectionPhase) {
        self.phase.set(phase);
        self.since.set(Instant::now());
    }

    /// How long the client has taken no bytes although some wait for it; zero while it takes them.
    pub(super) fn stalled_for(&self, now: Instant) -> Duration {
        self.blocked_since().map_or(Duration::ZERO, |since| now - since)
    }
}

/// Part of a response's body. It is dropped with the body, when hyper has taken all of it or has given it up, and tells
/// the [`Progress`] so.
#[derive(Debug)]
pub(super) struct ResponseGuard {
    progress: Rc<Progress>,
    in_flight: Option<InFlight>,
}

impl ResponseGuard {
    /// Counts the response as a scrape in flight until the guard is dropped.
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
