//! What all workers' handlers share: listeners, counters, the log, and whose `op: shutdown` is obeyed.
//!
//! Read by ingest workers. Of rejected messages it leaves an excerpt for `main` to log, one for each reason at a time.

use std::sync::Arc;

use crate::config::ShutdownFrom;
use crate::control::Control;
use crate::ingest::Listener;
use crate::ingest::log_slots::LogSlots;
use crate::metric::Rejection;
use crate::stats::{Stats, Transport, WorkerStats};

/// What all workers' handlers share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// By the number under which a handler is told what came in by them.
    listeners: Arc<[Listener]>,
    stats: Stats,
    /// Excerpts of messages for `main` to log.
    log: Arc<LogSlots>,
    /// By which `main` is told of `op: shutdown`, and of excerpts.
    control: Arc<Control>,
    shutdown_from: ShutdownFrom,
}

impl Shared {
    /// For these listeners, by their numbers; `op: shutdown` is obeyed from `shutdown_from`.
    pub fn new(
        listeners: Arc<[Listener]>,
        shutdown_from: ShutdownFrom,
        stats: Stats,
        control: Arc<Control>,
        log: Arc<LogSlots>,
    ) -> Self {
        Self { listeners, stats, log, control, shutdown_from }
    }

    /// The listener with this number.
    #[inline]
    pub(super) fn listener(&self, number: usize) -> &Listener {
        &self.listeners[number]
    }

    /// What the messages of the listener with this number come in by.
    #[inline]
    pub(super) fn transport(&self, number: usize) -> Transport {
        self.listeners[number].transport
    }

    /// The counters of one worker.
    #[inline]
    pub(super) fn stats(&self, worker: usize) -> &WorkerStats {
        &self.stats[worker]
    }

    /// Whether each message is logged.
    #[inline]
    pub(super) fn debug(&self) -> bool {
        self.log.debug()
    }

    /// Leaves a message to be logged with `-debug`.
    #[cold]
    pub(super) fn show(&self, listener: usize, message: &[u8]) {
        self.log.show(&self.listeners[listener].data_source, message);
        self.control.wake_main();
    }

    /// Leaves an excerpt of a rejected message, unless one for this reason waits to be logged.
    pub(super) fn leave_excerpt(&self, listener: usize, reason: Rejection, bytes: &[u8]) {
        let data_source = &self.listeners[listener].data_source;
        if self.log.is_free(reason) && self.log.leave(reason, data_source, bytes) {
            self.control.wake_main();
        }
    }

    /// Asks `main` to stop the server, if whoever has sent the message may.
    ///
    /// # Errors
    /// [`Rejection::ShutdownRefused`]: it may not.
    pub(super) fn shut_down(
        &self,
        listener: &Listener,
        peer_uid: Option<u32>,
    ) -> Result<(), Rejection> {
        let may = match &self.shutdown_from {
            ShutdownFrom::Any => true,
            ShutdownFrom::Unix => listener.transport != Transport::Udp,
            ShutdownFrom::UnixUsers(allowed) => peer_uid.is_some_and(|uid| allowed.contains(&uid)),
            ShutdownFrom::None => false,
        };
        if !may {
            return Err(Rejection::ShutdownRefused);
        }
        self.control.ask_shutdown();
        Ok(())
    }
}
