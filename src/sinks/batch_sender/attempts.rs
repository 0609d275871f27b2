//! One request after another: what the sink is asked, and what is counted of its answers.
//!
//! Runs on the sender. It must not know what becomes of rows.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::patience::Patience;
use crate::logger::throttle::Throttle;
use crate::planted::{self, Fault};
use crate::sinks::backoff::Backoff;
use crate::sinks::block::Block;
use crate::sinks::counters::RequestOutcome;
use crate::sinks::queue::SinkQueue;
use crate::sinks::{Outcome, RejectReason, Row, RowResult, Sink, Trigger};

/// The sink, and how it does.
#[derive(Debug)]
pub(super) struct Attempts {
    sink: Box<dyn Sink>,
    queue: Arc<SinkQueue>,
    /// How long its answers may take.
    pub(super) patience: Patience,
    /// Makes random numbers for the waits between tries, as hashes of `tries`.
    chance: ahash::RandomState,
    tries: u64,
    /// For log lines about failures, and about rows that are set aside.
    throttle: Throttle,
    aside_throttle: Throttle,
}

/// What a request came to.
pub(super) struct Attempt {
    pub(super) outcome: Outcome,
    /// One for each row if the outcome is [`Outcome::Rows`].
    pub(super) results: Vec<RowResult>,
    pub(super) took: Duration,
}

impl Attempt {
    /// Whether the far end took rows, or refused some for good.
    pub(super) fn has_verdict(&self) -> bool {
        match self.outcome {
            Outcome::Rows => self.results.iter().any(|result| *result != RowResult::Retry),
            Outcome::Split { .. } => true,
            Outcome::Retry { .. } | Outcome::NoVerdict { .. } => false,
        }
    }
}

impl Attempts {
    /// Sends to this sink the rows of this queue.
    pub(super) fn new(sink: Box<dyn Sink>, queue: Arc<SinkQueue>) -> Self {
        let chance = ahash::RandomState::new();
        Self {
            sink,
            queue,
            patience: Patience::default(),
            chance,
            tries: 0,
            throttle: Throttle::default(),
            aside_throttle: Throttle::default(),
        }
    }

    /// The sink, to ask what it knows of rows.
    pub(super) fn sink(&self) -> &dyn Sink {
        &*self.sink
    }

    /// Lets the sink send one request, which may take so long.
    pub(super) fn send(&mut self, rows: &Block, trigger: Trigger, limit: Duration) -> Attempt {
        let rows: Vec<Row<'_>> = rows.iter().collect();
        let mut results = Vec::with_capacity(rows.len());
        let began = Instant::now();
        let sink = &mut self.sink;
        sink.limit_time(limit);
        // A panic in the sink must not end the sender. One row may be its cause, so the batch is halved until that
        // row is alone.
        let deliver = AssertUnwindSafe(|| sink.deliver(&rows, trigger, &mut results));
        let mut outcome = catch_unwind(deliver).unwrap_or_else(|_| Outcome::Split {
            why: "a fault of the server; the line before names the place".to_owned(),
            reason: RejectReason::Unreadable,
        });
        if planted::is(Fault::SilenceIsDelivered) && began.elapsed() > Duration::from_secs(4) {
            outcome = Outcome::Rows;
            results.resize(rows.len(), RowResult::Delivered);
        }
        if outcome == Outcome::Rows && results.len() != rows.len() {
            let why = format!("{} results for {} rows", results.len(), rows.len());
            outcome = Outcome::Retry { why, after: None };
        }
        let took = began.elapsed();
        let sent = match &outcome {
            Outcome::Rows => RequestOutcome::Done,
            Outcome::Retry { .. } | Outcome::NoVerdict { .. } => RequestOutcome::Retried,
            Outcome::Split { .. } => RequestOutcome::Split,
        };
        self.queue.counters().count_request(sent, rows.len(), took);
        let attempt = Attempt { outcome, results, took };
        if attempt.has_verdict() {
            self.patience.answered(took);
        }
        attempt
    }

    /// Notes whether the far end judged rows.
    pub(super) fn note_up(&self, up: bool) {
        let counters = self.queue.counters();
        if counters.up.swap(up, Relaxed) != up && up {
            log::info!("{} takes rows again", counters.sink);
        }
    }

    /// Whether the far end answers a request that has nothing to do with rows.
    pub(super) fn is_well(&mut self) -> bool {
        self.sink.is_well()
    }

    /// Waits before the next try; `why` is logged first. `asked` is the wait that the far end asks for.
    pub(super) fn pause(
        &mut self,
        backoff: &mut Backoff,
        asked: Option<Duration>,
        why: Option<&str>,
    ) {
        self.tries += 1;
        let wait = backoff.next(self.chance.hash_one(self.tries), asked);
        if let Some(why) = why {
            self.complain(&format!("{why}; tried again after {wait:.1?}"));
        }
        self.queue.pause(wait);
    }

    /// Logs that rows are set aside, as often as the throttle allows.
    pub(super) fn tell_aside(&mut self, what: &str) {
        if self.aside_throttle.allows() {
            let left_out = self.aside_throttle.left_out();
            log::warn!("{}: {what}{left_out}", self.queue.counters().sink);
        }
    }

    /// Logs a failure, as often as the throttle allows, with the number of those that it did not.
    pub(super) fn complain(&mut self, what: &str) {
        if self.throttle.allows() {
            let left_out = self.throttle.left_out();
            log::warn!("{}: {what}{left_out}", self.queue.counters().sink);
        }
    }
}
