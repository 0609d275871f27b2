//! The bounds of what one worker's unix connections leave unfinished.

use std::mem::MaybeUninit;

use mio::net::UnixStream;
use socket2::SockRef;

use super::UnixConnections;
use crate::ingest::Handler;
use crate::ingest::unix::connection::Standing;
use crate::ingest::unix::idle_lists::IdleList;
use crate::metric::Rejection;

/// Less than a page of memory that is freed gives nothing back to the system.
const PAGE_BYTES: usize = 4096;
/// A message may stay unfinished for this long.
const PARTIAL_NS_MAX: u64 = 30_000_000_000;

impl<H: Handler> UnixConnections<H> {
    /// Books the memory of a connection's unfinished message after a change; it was `before` bytes.
    pub(super) fn change_partial_bytes(&mut self, before: usize, after: usize) {
        self.partial_bytes = self.partial_bytes + after as u64 - before as u64;
        let stats = self.stats();
        stats.partial_bytes.set(self.partial_bytes);
        let freed = before.saturating_sub(after);
        if freed >= PAGE_BYTES {
            stats.partial_bytes_freed.add(freed as u64);
        }
    }

    /// Whether the unfinished messages of all workers together have reached their bound.
    pub(super) fn partials_full(&self) -> bool {
        let bytes = self.stats.iter().map(|worker| worker.partial_bytes.get());
        bytes.sum::<u64>() > self.partials_max_bytes
    }

    /// Refuses the unfinished message of a connection; the connection goes on, idle from now on.
    pub(super) fn refuse_partial(
        &mut self,
        index: usize,
        handler: &mut H,
        reason: Rejection,
        now_ns: u64,
    ) {
        let Some(Some(connection)) = self.connections.get_mut(index) else { return };
        handler.refuse(connection.listener, &mut connection.state, reason);
        connection.kept = 0;
        let held = std::mem::take(&mut connection.held);
        if connection.standing == Standing::Admitted {
            self.idle.put_last(IdleList::Idle, index, now_ns);
        }
        self.change_partial_bytes(held, 0);
    }

    /// Whether any message is unfinished: then [`Self::time_out`] has to be called now and then.
    pub(crate) fn has_partials(&self) -> bool {
        self.partial_bytes > 0
    }

    /// Refuses messages that have been unfinished for too long, unless more of them waits to be read: then this
    /// worker is late, and not the client. Their connections go on.
    pub(crate) fn time_out(&mut self, handler: &mut H, now_ns: u64) {
        for index in 0..self.connections.len() {
            if let Some(connection) = &self.connections[index]
                && connection.kept > 0
                && now_ns.saturating_sub(connection.since_ns) > PARTIAL_NS_MAX
                && !has_more(&connection.stream)
            {
                self.refuse_partial(index, handler, Rejection::TimedOut, now_ns);
            }
        }
    }
}

/// Whether there are bytes to read.
fn has_more(stream: &UnixStream) -> bool {
    SockRef::from(stream).peek(&mut [MaybeUninit::uninit()]).is_ok_and(|bytes| bytes > 0)
}
