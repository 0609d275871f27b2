//! One worker's unix connections: reading them by turns, and the bounds of what they leave unfinished.
//!
//! Owned by an ingest worker. It must not know where connections come from.

use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::AsFd;

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};

use crate::ingest::turn::Turn;
use crate::ingest::{Handler, Settings};
use crate::metric::Rejection;
use crate::stats::{Stats, WorkerStats};
use crate::sys::socket;
use crate::wire::padded::Padded;

/// Bytes of one read.
pub(super) const READ_BYTES: usize = 64 << 10;
/// Reads of one connection in a turn: 256 KiB, about a millisecond, then it is the others' turn.
const READS_PER_TURN: usize = 4;
/// A message may stay unfinished for this long.
const PARTIAL_NS_MAX: u64 = 30_000_000_000;

/// Tokens of connections begin here; those below are listeners, UDP and the waker.
pub(crate) const FIRST_CONNECTION: usize = 1 << 16;

/// A connection that nobody reads yet.
#[derive(Debug)]
pub(super) struct NewConnection {
    pub(super) stream: UnixStream,
    /// The number of the listener that it came to.
    pub(super) listener: usize,
}

#[derive(Debug)]
struct Connection<S> {
    stream: UnixStream,
    listener: usize,
    state: S,
    /// Bytes kept of an unfinished message.
    kept: usize,
    /// When the unfinished message began; 0 without one.
    since_ns: u64,
}

/// All of one worker's connections.
#[derive(Debug)]
pub(crate) struct UnixConnections<H: Handler> {
    worker: usize,
    stats: Stats,
    connections: Vec<Option<Connection<H::Stream>>>,
    vacant: Vec<usize>,
    buffer: Vec<u8>,
    /// Bytes kept of unfinished messages.
    partial_bytes: u64,
    /// The bound of the same, all workers together.
    partials_max_bytes: u64,
    /// Whether to ask who has connected.
    peer_uids: bool,
    /// Whether a connection has closed since this was asked last.
    freed: bool,
}

impl<H: Handler> UnixConnections<H> {
    /// None yet. All are read into one buffer of this size.
    pub(super) fn new(
        worker: usize,
        stats: Stats,
        buffer_bytes: usize,
        settings: &Settings,
    ) -> Self {
        Self {
            worker,
            stats,
            connections: Vec::new(),
            vacant: Vec::new(),
            buffer: vec![0; buffer_bytes],
            partial_bytes: 0,
            partials_max_bytes: settings.partials_max_bytes as u64,
            peer_uids: settings.peer_uids,
            freed: false,
        }
    }

    fn stats(&self) -> &WorkerStats {
        &self.stats[self.worker]
    }

    /// Takes a connection in and tells its token to `ready`.
    pub(super) fn keep(
        &mut self,
        NewConnection { mut stream, listener }: NewConnection,
        registry: &Registry,
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
        let connections = &self.stats().connections;
        connections.set(connections.get() + 1);
        // Whom the kernel does not tell is on no list.
        let peer_uid = if self.peer_uids { socket::peer_uid(stream.as_fd()).ok() } else { None };
        let state = H::open(peer_uid);
        self.connections[index] =
            Some(Connection { stream, listener, state, kept: 0, since_ns: 0 });
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
        let mut turn = Turn::More;
        let mut ended = false;
        let before = connection.kept;
        for _ in 0..READS_PER_TURN {
            let kept = handler.restore(&mut connection.state, &mut self.buffer);
            match connection.stream.read(&mut self.buffer[kept..kept + READ_BYTES]) {
                Ok(0) => ended = true,
                Ok(n) => {
                    let (listener, state) = (connection.listener, &mut connection.state);
                    let filled = kept + n;
                    let received = Padded::new(&mut self.buffer, filled);
                    connection.kept = handler.stream(listener, state, received, kept);
                    if kept == 0 || connection.kept < filled {
                        connection.since_ns = now_ns; // another message is the unfinished one now
                    }
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => turn = Turn::Drained,
                    io::ErrorKind::Interrupted => continue,
                    _ => ended = true,
                },
            }
            if ended || turn == Turn::Drained {
                break;
            }
        }
        let after = connection.kept;
        self.change_partial_bytes(before, after);
        if after > before && self.partials_full() {
            self.refuse_partial(index, handler, Rejection::PartialsLimit);
        }
        if ended {
            self.close(index, handler, registry);
            turn = Turn::Drained;
        }
        turn
    }

    /// Books what is kept of a connection's unfinished message after a change; it was `before` bytes.
    fn change_partial_bytes(&mut self, before: usize, after: usize) {
        self.partial_bytes = self.partial_bytes + after as u64 - before as u64;
        self.stats().partial_bytes.set(self.partial_bytes);
    }

    /// Whether the unfinished messages of all workers together have reached their bound.
    fn partials_full(&self) -> bool {
        let bytes = self.stats.iter().map(|worker| worker.partial_bytes.get());
        bytes.sum::<u64>() > self.partials_max_bytes
    }

    /// Refuses the unfinished message of a connection; the connection goes on.
    fn refuse_partial(&mut self, index: usize, handler: &mut H, reason: Rejection) {
        let Some(Some(connection)) = self.connections.get_mut(index) else { return };
        handler.refuse(connection.listener, &mut connection.state, reason);
        let kept = std::mem::take(&mut connection.kept);
        self.change_partial_bytes(kept, 0);
    }

    fn close(&mut self, index: usize, handler: &mut H, registry: &Registry) {
        let Some(mut connection) = self.connections[index].take() else { return };
        handler.end(connection.listener, &mut connection.state);
        self.change_partial_bytes(connection.kept, 0);
        drop(registry.deregister(&mut connection.stream)); // closing does the same
        self.vacant.push(index);
        self.freed = true;
        let connections = &self.stats().connections;
        connections.set(connections.get() - 1);
    }

    /// Whether a connection has closed since this was asked last, so that there is a descriptor again.
    pub(crate) fn take_freed(&mut self) -> bool {
        std::mem::take(&mut self.freed)
    }

    /// Whether any message is unfinished: then [`Self::time_out`] has to be called now and then.
    pub(crate) fn has_partials(&self) -> bool {
        self.partial_bytes > 0
    }

    /// Refuses messages that have been unfinished for too long. Their connections go on.
    pub(crate) fn time_out(&mut self, handler: &mut H, now_ns: u64) {
        for index in 0..self.connections.len() {
            if let Some(connection) = &self.connections[index]
                && connection.kept > 0
                && now_ns.saturating_sub(connection.since_ns) > PARTIAL_NS_MAX
            {
                self.refuse_partial(index, handler, Rejection::TimedOut);
            }
        }
    }

    /// Lets no new data in: later writes fail at the client. What is queued can still be read. Returns the
    /// tokens of all connections, to be drained.
    pub(super) fn seal(&self) -> Vec<usize> {
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
