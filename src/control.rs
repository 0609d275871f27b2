//! What main tells workers and they tell main: written rarely, read once per wake-up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// How far the workers are told to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Read on.
    Run = 0,
    /// Take nothing new, drain what is queued, end.
    Drain = 1,
}

/// Main's word to workers, and theirs to main.
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
