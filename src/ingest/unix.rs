//! A worker's unix sockets: the listeners that it shares with the others, and its own connections.
//!
//! ```text
//!  accept ─▶ balancer ─▶ kept here ─────────▶ connections: read by turns
//!                │  └──▶ another worker's queue ─▶ take_over there
//!                └─────▶ closed: past the bound
//! ```

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use mio::Registry;
use mio::net::UnixListener;
use socket2::SockRef;

use crate::ingest::turn::Turn;
use crate::ingest::{Handler, Settings};
use crate::stats::Stats;
pub use balancer::Balancer;
pub(crate) use connections::FIRST_CONNECTION;
use connections::{NewConnection, READ_BYTES, UnixConnections};

mod balancer;
mod connections;

/// Accepts in a turn.
const ACCEPTS_PER_TURN: usize = 64;

/// A listener that all workers share, and the number by which its messages are labelled.
#[derive(Clone, Debug)]
pub struct NumberedListener {
    socket: Arc<UnixListener>,
    number: usize,
}

impl NumberedListener {
    /// Over a listener that does not block.
    pub fn new(socket: UnixListener, number: usize) -> Self {
        Self { socket: Arc::new(socket), number }
    }
}

/// What one worker has of unix sockets.
#[derive(Debug)]
pub struct UnixSources<H: Handler> {
    worker: usize,
    listeners: Vec<NumberedListener>,
    pub(super) connections: UnixConnections<H>,
    stats: Stats,
    balancer: Arc<Balancer>,
    descriptors_room: u64,
}

impl<H: Handler> UnixSources<H> {
    /// Over listeners. `padding` bytes are kept behind what is read.
    pub fn new(
        worker: usize,
        listeners: Vec<NumberedListener>,
        stats: Stats,
        balancer: Arc<Balancer>,
        settings: &Settings,
        padding: usize,
    ) -> Self {
        // Without listeners nothing is ever read.
        let used = !listeners.is_empty();
        let buffer_bytes = if used { settings.message_max_bytes + READ_BYTES + padding } else { 0 };
        let connections = UnixConnections::new(worker, Arc::clone(&stats), buffer_bytes, settings);
        let descriptors_room = settings.descriptors_room as u64;
        Self { worker, listeners, connections, stats, balancer, descriptors_room }
    }

    /// How many listeners there are.
    pub(super) fn listeners(&self) -> usize {
        self.listeners.len()
    }

    /// The listeners' descriptors.
    pub(super) fn listener_fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.listeners.iter().map(|listener| listener.socket.as_fd())
    }

    /// Accepts what waits, up to a turn's worth. The tokens of connections that stay are told to `ready`.
    pub(super) fn accept(
        &mut self,
        index: usize,
        registry: &Registry,
        ready: &mut impl FnMut(usize),
    ) -> Turn {
        let NumberedListener { socket, number: listener } = self.listeners[index].clone();
        for _ in 0..ACCEPTS_PER_TURN {
            if self.balancer.load() >= self.descriptors_room {
                // They wait in the listener's queue; scrapes and logs keep their descriptors.
                self.stats[self.worker].accept_errors.add(1);
                return Turn::Starved;
            }
            match socket.accept() {
                Ok((stream, _)) => {
                    let connection = NewConnection { stream, listener };
                    if let Some(connection) = self.balancer.place(self.worker, connection) {
                        self.connections.keep(connection, registry, ready);
                    }
                }
                Err(error) => match error.kind() {
                    // EINVAL: shut down and empty.
                    io::ErrorKind::WouldBlock | io::ErrorKind::InvalidInput => {
                        return Turn::Drained;
                    }
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                    _ => {
                        self.stats[self.worker].accept_errors.add(1);
                        return Turn::Starved;
                    }
                },
            }
        }
        Turn::More
    }

    /// Takes over what others have handed here. The tokens are told to `ready`.
    pub(super) fn take_over(&mut self, registry: &Registry, ready: &mut impl FnMut(usize)) {
        while let Some(connection) = self.balancer.take_over(self.worker) {
            self.connections.keep(connection, registry, ready);
        }
    }

    /// Takes no new data: later connects are refused, later writes fail at the client. What is queued
    /// can still be read. Returns the tokens of all connections, to be drained.
    pub(super) fn seal(&self) -> Vec<usize> {
        for listener in &self.listeners {
            // Fails only if another worker has done it already.
            drop(SockRef::from(&*listener.socket).shutdown(Shutdown::Read));
        }
        self.connections.seal()
    }
}
