//! Which worker a new unix connection goes to: the bound of connections and the balance of workers.
//!
//! A connect wakes one worker (`EPOLLEXCLUSIVE`), which alone does not spread: the same one may be
//! woken again and again. So a worker that holds some connections more than the least loaded one
//! hands a new one over. At the bound of connections it goes to a worker that has an idle one to evict, so that each
//! closes its own connections alone. All ingest workers share it; it must not know how a connection is
//! read.

use std::sync::Arc;

use crossbeam::queue::ArrayQueue;

use crate::control::Control;
use crate::ingest::log_slots::LogSlots;
use crate::ingest::unix::connection::NewConnection;
use crate::stats::Stats;

/// Connections that a worker may hold more than the least loaded one before it hands over.
const SKEW_MAX: u64 = 8;
/// Connections that wait to be taken over by one worker; past it the one that accepted keeps them.
const HAND_OVER_QUEUE: usize = 1024;
/// Past the bound fewer may wait, since each takes a descriptor more than the bound says: as many as one turn accepts.
const PAST_BOUND_QUEUE: usize = 64;

/// Another worker that has an idle connection to evict.
#[derive(Clone, Copy, Debug)]
pub(super) struct IdleElsewhere {
    pub(super) worker: usize,
    /// From when on it has it.
    pub(super) from_ns: u64,
}

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

    /// Connections of all workers that count towards the bound.
    fn admitted(&self) -> u64 {
        self.stats.iter().map(|worker| worker.connections_admitted.get()).sum()
    }

    /// Connections on their way from one worker to another.
    fn handed_over(&self) -> u64 {
        self.queues.iter().map(|queue| queue.len() as u64).sum()
    }

    /// All connections of all workers, as many as there are descriptors for them.
    pub(super) fn open(&self) -> u64 {
        let open: u64 = self.stats.iter().map(|worker| worker.connections.get()).sum();
        open + self.handed_over()
    }

    /// Whether one more may be accepted without closing another.
    pub(super) fn has_room_for_accepted(&self) -> bool {
        self.admitted() + self.handed_over() < self.connections_max
    }

    /// Whether one more that was handed over may be taken in without closing another. Others on their way do not
    /// count: for each it is found out when it arrives.
    pub(super) fn has_room_for_handed_over(&self) -> bool {
        self.admitted() < self.connections_max
    }

    /// Whether connections wait to be taken over by this worker.
    pub(super) fn hands_over_to(&self, worker: usize) -> bool {
        !self.queues[worker].is_empty()
    }

    /// Connections of one worker. Those on their way count for the worker that will take them over.
    fn load_of(&self, worker: usize) -> u64 {
        self.stats[worker].connections_admitted.get() + self.queues[worker].len() as u64
    }

    /// Places a connection for which there is room. It comes back if the worker that has accepted it is to keep it.
    pub(super) fn place(&self, worker: usize, connection: NewConnection) -> Option<NewConnection> {
        let least_loaded = (0..self.queues.len()).fold(worker, |least, other| {
            if self.load_of(other) < self.load_of(least) { other } else { least }
        });
        if self.load_of(worker) < self.load_of(least_loaded) + SKEW_MAX {
            return Some(connection);
        }
        self.hand_over(worker, least_loaded, connection).err()
    }

    /// The other worker that has the longest idle connection to evict, by what they told last.
    pub(super) fn longest_idle(&self, worker: usize, now_ns: u64) -> Option<IdleElsewhere> {
        let others = (0..self.queues.len()).filter(|&other| other != worker);
        let evictable = others.filter_map(|worker| {
            let from_ns = self.stats[worker].evictable_from_ns.get();
            (1..=now_ns).contains(&from_ns).then_some(IdleElsewhere { worker, from_ns })
        });
        evictable.min_by_key(|idle| idle.from_ns)
    }

    /// Whether as many connections as may past the bound are on their way to this worker.
    pub(super) fn is_queue_full(&self, worker: usize) -> bool {
        self.queues[worker].len() >= PAST_BOUND_QUEUE
    }

    /// Whether the connection may be handed to one more worker: what they tell may be out of date by a turn, so it
    /// may take more than one, but no more than each of the others.
    pub(super) fn may_hand_over(&self, connection: &NewConnection) -> bool {
        connection.hops + 1 < self.queues.len()
    }

    /// Notes that the messages of a connection are going to be refused.
    #[cold]
    pub(super) fn note_refused(&self, worker: usize) {
        self.stats[worker].connections_refused.add(1);
        if self.log.note_refused_connection() {
            self.control.wake_main();
        }
    }

    /// Hands a connection to another worker.
    ///
    /// # Errors
    /// The connection, if the other's queue is full.
    pub(super) fn hand_over(
        &self,
        worker: usize,
        to: usize,
        mut connection: NewConnection,
    ) -> Result<(), NewConnection> {
        connection.hops += 1;
        self.queues[to].push(connection)?;
        self.stats[worker].connections_handed_over.add(1);
        self.control.wake(to);
        Ok(())
    }

    /// The next connection that another worker has handed to this one.
    pub(super) fn take_over(&self, worker: usize) -> Option<NewConnection> {
        self.queues[worker].pop()
    }
}
