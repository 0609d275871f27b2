//! Which unix connections the server closes of its own accord, and how; all of them when it stops.
//!
//! A connection is sealed first (`shutdown(2)` with `SHUT_RD`), then read to its end, then closed. The kernel puts
//! written bytes into the reader's queue and looks for the shutdown under one lock (`unix_stream_sendmsg` holds that
//! of the reader's socket). So each write comes either before the seal, and its bytes are in the queue and get read,
//! or after it, and fails with `EPIPE`. No byte that was written with success is lost. A read of a sealed socket
//! tells its end, instead of `EAGAIN`, once the queue is empty.

use std::net::Shutdown;

use super::{FIRST_CONNECTION, UnixConnections};
use crate::ingest::Handler;
use crate::ingest::unix::connection::Standing;
use crate::ingest::unix::idle_lists::{ACTIVE_NS, IdleList, LongestIdle};
use crate::stats::CloseReason;

/// A connection whose messages are refused is read for so long. A client that connects to write does so within
/// milliseconds. With 64 of them at a time, a worker can so refuse 256 in a second by message even if each of
/// them stays as long as it may.
const REFUSED_NS_MAX: u64 = 250_000_000;

impl<H: Handler> UnixConnections<H> {
    /// How many connections do not count towards the bound: those that are refused, and those that are about to
    /// close.
    pub(in crate::ingest::unix) fn past_bound(&self) -> u64 {
        let stats = self.stats();
        stats.connections.get() - stats.connections_admitted.get()
    }

    /// Makes room for a newcomer: seals the connection that has been idle for the longest time, and tells its token
    /// to `ready`. One that has sent nothing yet must have been idle for `silent_ns`, others for [`ACTIVE_NS`].
    /// Returns whether there was one.
    pub(in crate::ingest::unix) fn evict(
        &mut self,
        silent_ns: u64,
        now_ns: u64,
        ready: &mut impl FnMut(usize),
    ) -> bool {
        let lists = [
            (IdleList::Silent, silent_ns),
            (IdleList::Idle, ACTIVE_NS),
            (IdleList::Partial, ACTIVE_NS),
        ];
        let longest_idle = lists.into_iter().filter_map(|(list, least_ns)| {
            let longest = self.idle.longest(list)?;
            (longest.since_ns + least_ns <= now_ns).then_some(longest)
        });
        let Some(evicted) = longest_idle.min_by_key(|longest| longest.since_ns) else {
            return false;
        };
        self.seal_for(evicted.index, CloseReason::Evicted);
        ready(FIRST_CONNECTION + evicted.index);
        true
    }

    /// From when on there is a connection to evict for a newcomer, which need not wait for longer.
    pub(in crate::ingest::unix) fn evictable_from_ns(&self) -> Option<u64> {
        let from = |list, least_ns| Some(self.idle.longest(list)?.since_ns + least_ns);
        from(IdleList::Silent, 0)
            .into_iter()
            .chain(from(IdleList::Idle, ACTIVE_NS))
            .chain(from(IdleList::Partial, ACTIVE_NS))
            .min()
    }

    /// Tells the other workers the same; 0: there is none.
    pub(crate) fn publish_evictable(&self) {
        self.stats().evictable_from_ns.set(self.evictable_from_ns().unwrap_or(0));
    }

    /// Ends connections that have been idle, or refused, for as long as they may. Their tokens are told to `ready`.
    pub(crate) fn expire(&mut self, now_ns: u64, ready: &mut impl FnMut(usize)) {
        while let Some(index) = self.first_due(IdleList::Refused, Some(REFUSED_NS_MAX), now_ns) {
            self.seal_for(index, CloseReason::ConnectionsLimit);
            ready(FIRST_CONNECTION + index);
        }
        // Where the worker was held up, bytes of an active client may wait unread. So a connection is read once
        // more before it is sealed.
        for list in [IdleList::Silent, IdleList::Idle] {
            while let Some(index) = self.first_due(list, self.idle_timeout_ns, now_ns) {
                let connection = self.connections[index].as_mut();
                connection.expect("only connections stand in lists").standing = Standing::Expiring;
                self.idle.remove(index);
                ready(FIRST_CONNECTION + index);
            }
        }
    }

    /// The longest idle of a list, if it has been so for the whole time.
    fn first_due(&self, list: IdleList, time_ns: Option<u64>, now_ns: u64) -> Option<usize> {
        let LongestIdle { index, since_ns } = self.idle.longest(list)?;
        (since_ns + time_ns? <= now_ns).then_some(index)
    }

    /// When [`Self::expire`] has something to do next; never without connections.
    pub(in crate::ingest::unix) fn next_due_ns(&self) -> Option<u64> {
        let due = |list, time_ns: Option<u64>| Some(self.idle.longest(list)?.since_ns + time_ns?);
        due(IdleList::Refused, Some(REFUSED_NS_MAX))
            .into_iter()
            .chain(due(IdleList::Silent, self.idle_timeout_ns))
            .chain(due(IdleList::Idle, self.idle_timeout_ns))
            .min()
    }

    /// Lets no new data in from a connection, for this reason; it has to be read to its end.
    pub(super) fn seal_for(&mut self, index: usize, reason: CloseReason) {
        self.seal_one(index);
        self.idle.remove(index);
        let connection = self.connections[index].as_mut();
        let connection = connection.expect("only open connections are sealed");
        let standing = std::mem::replace(&mut connection.standing, Standing::Sealed);
        self.leave(standing);
        self.stats().connections_closed[reason as usize].add(1);
    }

    /// Lets no new data in: later writes fail at the client. What is queued can still be read. Returns the
    /// tokens of all connections, to be drained.
    pub(in crate::ingest::unix) fn seal(&self) -> Vec<usize> {
        let mut open = Vec::new();
        for index in 0..self.connections.len() {
            if self.connections[index].is_some() {
                self.seal_one(index);
                open.push(FIRST_CONNECTION + index);
            }
        }
        open
    }

    /// Lets no new data in from one connection; needed for those that came while the others were being sealed.
    pub(crate) fn seal_one(&self, index: usize) {
        if let Some(Some(connection)) = self.connections.get(index) {
            drop(connection.stream.shutdown(Shutdown::Read)); // fails only if the peer has gone
        }
    }
}
