//! Which worker a new unix connection goes to, or none: the bound of connections and the balance of workers.
//!
//! A connect wakes one worker (`EPOLLEXCLUSIVE`), which alone does not spread: the same one may be
//! woken again and again. So a worker that holds some connections more than the least loaded one
//! hands a new one over. All ingest workers share it; it must not know how a connection is read.

use std::sync::Arc;

use crossbeam::queue::ArrayQueue;

use crate::control::Control;
use crate::ingest::log_slots::LogSlots;
use crate::ingest::unix::connections::NewConnection;
use crate::stats::Stats;

/// Connections that a worker may hold more than the least loaded one before it hands over.
const SKEW_MAX: u64 = 8;
/// Connections that wait to be taken over by one worker; past it the one that accepted keeps them.
const HAND_OVER_QUEUE: usize = 1024;

/// Places new connections; one for all workers.
#[derive(Debug)]
pub struct Balancer {
    /// By worker: connections on their way to it.
    queues: Vec<ArrayQueue<NewConnection>>,
    stats: Stats,
    control: Arc<Control>,
    log: Arc<LogSlots>,
    connections_max: u64,
}

impl Balancer {
    /// For the workers that these counters are of; they hold at most `connections_max` together.
    pub fn new(
        stats: Stats,
        control: Arc<Control>,
        log: Arc<LogSlots>,
        connections_max: usize,
    ) -> Arc<Self> {
        let queues = stats.iter().map(|_| ArrayQueue::new(HAND_OVER_QUEUE)).collect();
        let connections_max = connections_max as u64;
        Arc::new(Self { queues, stats, control, log, connections_max })
    }

    /// Connections of one worker. Those on their way count for the worker that will take them over.
    fn load_of(&self, worker: usize) -> u64 {
        self.stats[worker].connections.get() + self.queues[worker].len() as u64
    }

    /// Connections of all workers.
    pub(super) fn load(&self) -> u64 {
        (0..self.queues.len()).map(|worker| self.load_of(worker)).sum()
    }

    /// Places a connection that this worker has accepted. It comes back if the worker is to keep it; otherwise
    /// it was handed over, or closed past the bound.
    pub(super) fn place(&self, worker: usize, connection: NewConnection) -> Option<NewConnection> {
        let stats = &self.stats[worker];
        stats.connections_accepted.add(1);
        if self.load() >= self.connections_max {
            stats.connections_refused.add(1);
            if self.log.note_refused_connection() {
                self.control.wake_main();
            }
            return None;
        }
        let least_loaded = (0..self.queues.len()).fold(worker, |least, other| {
            if self.load_of(other) < self.load_of(least) { other } else { least }
        });
        if self.load_of(worker) < self.load_of(least_loaded) + SKEW_MAX {
            return Some(connection);
        }
        match self.queues[least_loaded].push(connection) {
            Ok(()) => {
                stats.connections_handed_over.add(1);
                self.control.wake(least_loaded);
                None
            }
            Err(connection) => Some(connection),
        }
    }

    /// The next connection that another worker has handed to this one.
    pub(super) fn take_over(&self, worker: usize) -> Option<NewConnection> {
        self.queues[worker].pop()
    }
}
