//! One worker's unix connections, and how they are read by turns.
//!
//! Owned by an ingest worker. It must not know where connections come from.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::time::Duration;

use mio::{Interest, Registry, Token};

use super::connection::{Connection, NewConnection, Standing};
use super::idle_lists::{IdleList, IdleLists};
use crate::ingest::turn::Turn;
use crate::ingest::{Handler, Settings};
use crate::metric::Rejection;
use crate::planted::{self, Fault};
use crate::stats::{CloseReason, Stats, WorkerStats};
use crate::sys::socket;
use crate::wire::padded::ReadBytes;

mod closing;
mod partials;

/// Bytes of one read.
const READ_BYTES: usize = 64 << 10;
/// Reads of one connection in a turn, all of them together of at most [`READ_BYTES`]: messages that are parsed take
/// a millisecond for that.
const READS_PER_TURN: usize = 4;
/// So much is read of a connection whose messages are refused. A client that connects to write some messages has
/// them in its socket's buffer, which holds 208 KiB unless it asks for more (`net.core.wmem_default`).
const REFUSED_BYTES_MAX: usize = 256 << 10;

/// Tokens of connections begin here; those below are listeners, UDP and the waker.
pub(crate) const FIRST_CONNECTION: usize = 1 << 16;

/// All of one worker's connections.
#[derive(Debug)]
pub(crate) struct UnixConnections<H: Handler> {
    worker: usize,
    stats: Stats,
    connections: Vec<Option<Connection<H::Stream>>>,
    vacant: Vec<usize>,
    /// Those that are not sealed.
    idle: IdleLists,
    idle_timeout_ns: Option<u64>,
    /// Room for the longest message that is kept, and behind it for one read and its padding.
    buffer: Vec<u8>,
    message_max_bytes: usize,
    /// Bytes of memory that unfinished messages take.
    partial_bytes: u64,
    /// The bound of the same, all workers together.
    partials_max_bytes: u64,
    /// Whether to ask who has connected.
    peer_uids: bool,
    /// Whether a connection has closed since this was asked last.
    freed: bool,
}

impl<H: Handler> UnixConnections<H> {
    /// None yet. All are read into one buffer, with `padding` bytes behind what is read; without it if nothing is ever
    /// read.
    pub(super) fn new(
        worker: usize,
        stats: Stats,
        padding: Option<usize>,
        settings: &Settings,
    ) -> Self {
        let message_max_bytes = settings.message_max_bytes;
        let buffer_bytes = padding.map_or(0, |padding| message_max_bytes + READ_BYTES + padding);
        let nanoseconds =
            |time: Duration| u64::try_from(time.as_nanos()).expect("flags hold at most 2^63 ns");
        Self {
            worker,
            stats,
            connections: Vec::new(),
            vacant: Vec::new(),
            idle: IdleLists::new(),
            idle_timeout_ns: settings.idle_timeout.map(nanoseconds),
            buffer: vec![0; buffer_bytes],
            message_max_bytes,
            partial_bytes: 0,
            partials_max_bytes: settings.partials_max_bytes as u64,
            peer_uids: settings.peer_uids,
            freed: false,
        }
    }

    fn stats(&self) -> &WorkerStats {
        &self.stats[self.worker]
    }

    /// Takes a connection in whose messages count, and tells its token to `ready`.
    pub(super) fn admit(
        &mut self,
        connection: NewConnection,
        registry: &Registry,
        now_ns: u64,
        ready: &mut impl FnMut(usize),
    ) {
        self.keep(connection, Standing::Admitted, registry, now_ns, ready);
        self.publish_evictable(); // at once: until the turn ends others may have to refuse many for want of it
    }

    /// Takes a connection in to refuse its messages, and tells its token to `ready`.
    pub(super) fn refuse(
        &mut self,
        connection: NewConnection,
        registry: &Registry,
        now_ns: u64,
        ready: &mut impl FnMut(usize),
    ) {
        self.keep(connection, Standing::Refused { bytes: 0 }, registry, now_ns, ready);
    }

    fn keep(
        &mut self,
        NewConnection { mut stream, listener, .. }: NewConnection,
        standing: Standing,
        registry: &Registry,
        now_ns: u64,
        ready: &mut impl FnMut(usize),
    ) {
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        let token = Token(FIRST_CONNECTION + index);
        if registry.register(&mut stream, token, Interest::READABLE).is_err() {
            // No memory for the watch: the connection closes and its client learns of it.
            self.stats().accept_errors.add(1);
            self.vacant.push(index);
            return;
        }
        let (list, refusal) = if standing.is_within_bound() {
            (IdleList::Silent, None)
        } else {
            (IdleList::Refused, Some(Rejection::ConnectionsLimit))
        };
        // Whom the kernel does not tell is on no list.
        let peer_uid = if self.peer_uids { socket::peer_uid(stream.as_fd()).ok() } else { None };
        let state = H::open(peer_uid, refusal);
        self.connections[index] =
            Some(Connection { stream, listener, standing, state, kept: 0, held: 0, since_ns: 0 });
        self.idle.put_last(list, index, now_ns);
        let stats = self.stats();
        stats.connections.set(stats.connections.get() + 1);
        if standing.is_within_bound() {
            stats.connections_admitted.set(stats.connections_admitted.get() + 1);
        }
        ready(token.0); // looked at once without an edge: most clients have written already
    }

    /// Reads one connection for a turn.
    pub(crate) fn read(
        &mut self,
        index: usize,
        handler: &mut H,
        registry: &Registry,
        now_ns: u64,
    ) -> Turn {
        let Some(Some(connection)) = self.connections.get_mut(index) else { return Turn::Drained };
        if planted::is(Fault::ClosesUnread) && connection.standing == Standing::Sealed {
            self.close(index, handler, registry);
            return Turn::Drained;
        }
        let mut turn = Turn::More;
        let mut ended = false;
        let mut bytes = 0;
        let before = connection.held;
        let mut left = READ_BYTES;
        for _ in 0..READS_PER_TURN {
            let start = self.message_max_bytes;
            match connection.stream.read(&mut self.buffer[start..start + left]) {
                Ok(0) => ended = true,
                Ok(n) => {
                    left -= n;
                    let (listener, state) = (connection.listener, &mut connection.state);
                    let kept = connection.kept;
                    bytes += n;
                    let read = ReadBytes::new(&mut self.buffer, start, start + n);
                    connection.kept = handler.stream(listener, state, read);
                    if kept == 0 || connection.kept < kept + n {
                        connection.since_ns = now_ns; // another message is the unfinished one now
                    }
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => turn = Turn::Drained,
                    io::ErrorKind::Interrupted => continue,
                    _ => ended = true,
                },
            }
            if ended || turn == Turn::Drained || left == 0 {
                break;
            }
        }
        let after = H::held_bytes(&connection.state);
        connection.held = after;
        self.change_partial_bytes(before, after);
        if after > before && self.partials_full() {
            self.refuse_partial(index, handler, Rejection::PartialsLimit, now_ns);
        }
        if ended {
            self.close(index, handler, registry);
            return Turn::Drained;
        }
        if self.note_read(index, bytes, now_ns) { Turn::More } else { turn }
    }

    /// Notes that a turn has read so many bytes of a connection that goes on. Returns whether the connection is
    /// sealed by that, and so has to be read to its end.
    fn note_read(&mut self, index: usize, bytes: usize, now_ns: u64) -> bool {
        let Some(Some(connection)) = self.connections.get_mut(index) else { return false };
        match &mut connection.standing {
            Standing::Expiring if bytes == 0 => {
                self.seal_for(index, CloseReason::IdleTimeout);
                return true;
            }
            Standing::Admitted | Standing::Expiring if bytes > 0 => {
                connection.standing = Standing::Admitted;
                let list = if connection.kept > 0 { IdleList::Partial } else { IdleList::Idle };
                self.idle.put_last(list, index, now_ns);
            }
            Standing::Refused { bytes: read } => {
                *read += bytes;
                if *read > REFUSED_BYTES_MAX {
                    self.seal_for(index, CloseReason::ConnectionsLimit);
                    return true;
                }
            }
            Standing::Admitted | Standing::Expiring | Standing::Sealed => {}
        }
        false
    }

    fn close(&mut self, index: usize, handler: &mut H, registry: &Registry) {
        let Some(mut connection) = self.connections[index].take() else { return };
        handler.end(connection.listener, &mut connection.state);
        self.change_partial_bytes(connection.held, 0);
        drop(registry.deregister(&mut connection.stream)); // closing does the same
        self.idle.remove(index);
        self.vacant.push(index);
        self.freed = true;
        let connections = &self.stats().connections;
        connections.set(connections.get() - 1);
        self.leave(connection.standing);
    }

    /// Books that a connection of this standing is sealed or closed.
    fn leave(&self, standing: Standing) {
        if standing.is_within_bound() {
            let admitted = &self.stats().connections_admitted;
            admitted.set(admitted.get() - 1);
        }
    }

    /// Whether a connection has closed since [`Self::take_freed`] was called last.
    pub(crate) fn freed(&self) -> bool {
        self.freed
    }

    /// Whether a connection has closed since this was asked last, so that there is a descriptor again.
    pub(crate) fn take_freed(&mut self) -> bool {
        std::mem::take(&mut self.freed)
    }
}
