//! Ingest: worker threads that own sockets and do everything a message needs.
//!
//! ```text
//!  poll ─▶ ready list ─▶ udp: one recvmmsg per batch ──┐
//!              ▲         unix: accept, read ───────────┴▶ Handler (dispatch: frame, parse, count)
//!              └── not drained: stays, and the next poll does not sleep
//! ```
//!
//! A worker never waits on anything but its poll and the batch wait; it may drop, it may not block.
//! What is done with the bytes is a [`Handler`], so that the same loop without one is the limit that
//! speed is measured against.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use crossbeam::utils::CachePadded;

use crate::metric::Rejection;
use crate::registry::label_text::Constant;
use crate::stats::WorkerStats;
use crate::sys::recv::Datagrams;

pub mod dispatch;
pub mod log_slots;
pub mod meeting;
pub mod null;
pub mod udp;
pub mod unix;
pub mod worker;

/// Where messages come from, as they are labelled: all that a message's meaning may depend on.
#[derive(Debug)]
pub struct Listener {
    /// The flag's text: the `data_source`.
    pub data_source: String,
    /// Whether it is a unix socket.
    pub unix: bool,
    /// Labels that override the message's, sorted by name.
    pub constants: Vec<Constant>,
}

/// What a worker does with what it has read. Runs on that worker.
pub trait Handler: std::fmt::Debug {
    /// What is kept of one unix connection between reads.
    type Stream: Default + std::fmt::Debug;

    /// Between batches.
    fn between(&mut self, now_ns: u64);

    /// A batch of datagrams, all of one listener.
    fn datagrams(&mut self, listener: usize, batch: &mut Datagrams, now_ns: u64);

    /// Puts what is kept of a stream at the head of the buffer; returns its length.
    fn restore(&mut self, stream: &mut Self::Stream, buffer: &mut [u8]) -> usize;

    /// What was kept and what was read: `buffer[..filled]`, of which the first `kept` bytes are what
    /// `restore` has put there. Returns how many bytes it keeps for the next read.
    fn stream(
        &mut self,
        listener: usize,
        stream: &mut Self::Stream,
        buffer: &mut [u8],
        kept: usize,
        filled: usize,
    ) -> usize;

    /// The stream has ended.
    fn end(&mut self, listener: usize, stream: &mut Self::Stream);

    /// What is kept of the stream is refused, unfinished; the stream goes on.
    fn refuse(&mut self, listener: usize, stream: &mut Self::Stream, reason: Rejection);
}

/// Settings of the loop, the same for all workers.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Time that a batch which was neither empty nor full is left to fill; zero for none.
    pub batch_wait: Duration,
    /// Bytes that one read of a stream takes at most, before what is kept.
    pub message_max_bytes: usize,
    /// Unix connections of all workers.
    pub connections_max: usize,
    /// Bytes of unfinished messages of all workers.
    pub partials_max_bytes: usize,
}

/// How far the workers are told to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Read on.
    Run = 0,
    /// Take nothing new, drain what is queued, end.
    Drain = 1,
}

/// What main tells workers and they tell main. Written rarely, read once per wake-up.
#[derive(Debug)]
pub struct Control {
    phase: AtomicU8,
    shutdown_asked: AtomicBool,
    /// One per worker: it wakes that worker's poll.
    wakers: Vec<mio::Waker>,
    /// Wakes main.
    main: Arc<mio::Waker>,
}

impl Control {
    /// Over the wakers of all workers and of main.
    pub fn new(wakers: Vec<mio::Waker>, main: Arc<mio::Waker>) -> Self {
        Self {
            phase: AtomicU8::new(Phase::Run as u8),
            shutdown_asked: AtomicBool::new(false),
            wakers,
            main,
        }
    }

    /// The phase now.
    pub fn phase(&self) -> Phase {
        if self.phase.load(Ordering::Acquire) == Phase::Run as u8 {
            Phase::Run
        } else {
            Phase::Drain
        }
    }

    /// Tells all workers to drain and end.
    pub fn drain(&self) {
        self.phase.store(Phase::Drain as u8, Ordering::Release);
        (0..self.wakers.len()).for_each(|worker| self.wake(worker));
    }

    /// Wakes one worker. A failure means that its poll is gone, and then so is the worker.
    pub fn wake(&self, worker: usize) {
        if let Some(waker) = self.wakers.get(worker) {
            drop(waker.wake());
        }
    }

    /// Wakes main, for what the caller has left for it.
    pub fn wake_main(&self) {
        drop(self.main.wake());
    }

    /// Passes `op: shutdown` on to main.
    pub fn ask_shutdown(&self) {
        self.shutdown_asked.store(true, Ordering::Release);
        self.wake_main();
    }

    /// Whether a message has asked for the shutdown.
    pub fn shutdown_asked(&self) -> bool {
        self.shutdown_asked.load(Ordering::Acquire)
    }
}

/// All workers' counters, each on lines of its own.
pub type Stats = Arc<[CachePadded<WorkerStats>]>;
