//! How `main` tells the workers to end, how threads wake each other, and how a message asks for the shutdown.
//!
//! Any thread may write here, but rarely does. Each worker reads the phase once per turn of its loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// What the workers are told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// To read what comes.
    Run = 0,
    /// To let nothing new in, read what is queued, and end.
    Drain = 1,
}

/// What `main` and the workers share to tell each other.
#[derive(Debug)]
pub struct Control {
    phase: AtomicU8,
    shutdown_asked: AtomicBool,
    /// One for each worker, which wakes its poll.
    wakers: Vec<mio::Waker>,
    /// Wakes the poll of `main`.
    main: Arc<mio::Waker>,
}

impl Control {
    /// With the wakers of all workers, in their order, and of `main`.
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

    /// Tells all workers to read what is queued and end.
    pub fn drain(&self) {
        self.phase.store(Phase::Drain as u8, Ordering::Release);
        (0..self.wakers.len()).for_each(|worker| self.wake(worker));
    }

    /// Wakes one worker. That fails only if the worker's poll is closed: then the worker has ended, and there is
    /// nothing to wake.
    pub fn wake(&self, worker: usize) {
        if let Some(waker) = self.wakers.get(worker) {
            drop(waker.wake());
        }
    }

    /// Wakes `main`, so that it looks at what the caller has left for it.
    pub fn wake_main(&self) {
        drop(self.main.wake());
    }

    /// Tells `main` that a message with `op: shutdown` has come.
    pub fn ask_shutdown(&self) {
        self.shutdown_asked.store(true, Ordering::Release);
        self.wake_main();
    }

    /// Whether a message has asked for the shutdown.
    pub fn shutdown_asked(&self) -> bool {
        self.shutdown_asked.load(Ordering::Acquire)
    }
}
