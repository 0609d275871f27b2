//! The numbers that one worker counts.

use std::sync::Arc;

use crossbeam::utils::CachePadded;

use super::counter::{Counter, Gauge};
use super::loop_lag::LoopLag;
use crate::metric::{Coercion, Coercions, Op, OpType, Rejection, reasons};

/// All workers' counters, each worker's on cache lines of its own.
pub type Stats = Arc<[CachePadded<WorkerStats>]>;

/// What bytes came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams over UDP.
    Udp,
    /// Streams over unix sockets.
    Unix,
    /// Datagrams over unix sockets.
    Unixgram,
}

impl Transport {
    /// Values of the label `transport`; a transport's own is the one at its number.
    pub const NAMES: [&'static str; 3] = ["udp", "unix", "unixgram"];
}

reasons! {
    /// Why the server has closed a unix connection of its own accord; its text is the `reason` label of
    /// `metrics_server_unix_connections_closed_total`.
    CloseReason {
        /// It came when `-uds-connections-max` others were active, and was read for as long as such ones are.
        ConnectionsLimit => "connections_limit",
        /// Another needed its place, and it had been idle for longer than all others.
        Evicted => "evicted",
        /// It had been idle for `-uds-idle-timeout`.
        IdleTimeout => "idle_timeout",
    }
}

/// One worker's counters, which that worker alone writes.
#[derive(Debug, Default)]
pub struct WorkerStats {
    /// UDP datagrams read, also those that were cut.
    pub datagrams: Counter,
    /// The same of unix datagrams.
    pub unix_datagrams: Counter,
    /// Bytes read, by [`Transport`].
    pub bytes: [Counter; Transport::NAMES.len()],
    /// Objects framed: accepted and rejected.
    pub framed: Counter,
    /// Framed objects by how they named their op.
    pub op_types: [Counter; OpType::COUNT],
    /// Framed objects that were accepted, by op.
    pub accepted: [Counter; Op::ALL.len()],
    /// Framed objects that were rejected, by reason.
    pub rejected: [Counter; Rejection::COUNT],
    /// Accepted objects in which something was put right, by what.
    pub coerced: [Counter; Coercion::COUNT],
    /// Bytes outside objects that are neither blanks nor line ends.
    pub garbage_bytes: Counter,
    /// Datagrams longer than their slot: read, not parsed.
    pub truncated: Counter,
    /// Unix connections that this worker holds.
    pub connections: Gauge,
    /// Unix connections accepted.
    pub connections_accepted: Counter,
    /// Unix connections handed over to a worker with fewer.
    pub connections_handed_over: Counter,
    /// Unix connections whose messages were refused, since as many others were open as may be, and active.
    pub connections_refused: Counter,
    /// Unix connections that the server has closed of its own accord, by reason.
    pub connections_closed: [Counter; CloseReason::COUNT],
    /// Unix connections of this worker that count towards their bound. Not on the page.
    pub connections_admitted: Gauge,
    /// From when on this worker has a unix connection that it could evict; 0 if it has none. Not on the page.
    pub evictable_from_ns: Gauge,
    /// Times that clients were left in the listener's queue, since this worker had as many unix connections past
    /// their bound as it may.
    pub accept_pauses: Counter,
    /// Times that accepting a unix connection failed for want of descriptors or memory.
    pub accept_errors: Counter,
    /// Bytes of memory that messages of this worker take which have not arrived whole.
    pub partial_bytes: Gauge,
    /// Such bytes that were ever freed, after which the allocator has something to give back. Not on the page.
    pub partial_bytes_freed: Counter,
    /// How long the worker left its UDP socket unread, once for each turn of its loop that read datagrams.
    pub loop_lag: LoopLag,
    /// Times that the worker woke up.
    pub wakeups: Counter,
    /// Messages that were parsed, since no template fitted them.
    pub parsed: Counter,
    /// Templates in this worker's cache.
    pub templates: Gauge,
    /// Bytes of those templates.
    pub template_bytes: Gauge,
    /// Panics caught while a message was processed.
    pub panics: Counter,
}

impl WorkerStats {
    /// Counts a framed object that was accepted.
    #[inline]
    pub fn accept(&self, op: Op, coercions: Coercions) {
        self.framed.add(1);
        self.op_types[OpType::Known(op).index()].add(1);
        self.accepted[op as usize].add(1);
        if coercions != Coercions::default() {
            coercions.iter().for_each(|coercion| self.coerced[coercion as usize].add(1));
        }
    }

    /// Counts a framed object that was rejected.
    pub fn reject(&self, op_type: OpType, reason: Rejection) {
        self.framed.add(1);
        self.op_types[op_type.index()].add(1);
        self.rejected[reason as usize].add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_and_rejected_add_up_to_framed() {
        let stats = WorkerStats::default();
        stats.accept(Op::Inc, Coercions::default());
        stats.reject(OpType::Other, Rejection::Op);
        let rejected: u64 = stats.rejected.iter().map(Counter::get).sum();
        let accepted: u64 = stats.accepted.iter().map(Counter::get).sum();
        assert_eq!(stats.framed.get(), accepted + rejected);
        assert_eq!(stats.op_types.iter().map(Counter::get).sum::<u64>(), 2);
    }
}
