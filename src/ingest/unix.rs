//! A worker's unix sockets: the listeners that it shares with the others, and its own connections.
//!
//! ```text
//!  accept ─▶ balancer ─▶ kept here ─────────▶ connections: read by turns
//!                └──▶ another worker's queue ─▶ take_over there
//! ```
//!
//! At the bound of connections a newcomer takes the place of the one that has been idle for the longest time. If all
//! are active, its messages are refused, each with a reason. In no case are bytes left unread that a client has
//! written with success: it may close at once, and never learn of it.

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use mio::Registry;
use mio::net::UnixListener;
use socket2::SockRef;

use crate::ingest::turn::Turn;
use crate::ingest::{Handler, Settings};
use crate::stats::{Stats, WorkerStats};
pub use balancer::Balancer;
use connection::{NewConnection, NewcomerPlace};
pub(crate) use connections::FIRST_CONNECTION;
use connections::UnixConnections;
use idle_lists::ACTIVE_NS;

mod balancer;
mod connection;
mod connections;
mod idle_lists;
mod placing;

/// Accepts in a turn.
const ACCEPTS_PER_TURN: usize = 64;
/// Connections that a worker may have past the bound, those about to close and those that are refused: as many as
/// one turn accepts, so that each of them can evict another. Further clients wait in the listener's queue.
const PAST_BOUND_MAX: u64 = ACCEPTS_PER_TURN as u64;

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
    /// Whether the server stops: all connections are closed when they are read, so all bounds but that of
    /// descriptors are off.
    sealed: bool,
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
        let padding = (!listeners.is_empty()).then_some(padding);
        let connections = UnixConnections::new(worker, Arc::clone(&stats), padding, settings);
        let descriptors_room = settings.descriptors_room as u64;
        Self { worker, listeners, connections, stats, balancer, descriptors_room, sealed: false }
    }

    /// How many listeners there are.
    pub(super) fn listeners(&self) -> usize {
        self.listeners.len()
    }

    /// The listeners' descriptors.
    pub(super) fn listener_fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.listeners.iter().map(|listener| listener.socket.as_fd())
    }

    fn stats(&self) -> &WorkerStats {
        &self.stats[self.worker]
    }

    /// Accepts what waits, up to a turn's worth. The tokens of connections that are to be read are told to `ready`.
    pub(super) fn accept(
        &mut self,
        index: usize,
        registry: &Registry,
        now_ns: u64,
        ready: &mut impl FnMut(usize),
    ) -> Turn {
        let NumberedListener { socket, number: listener } = self.listeners[index].clone();
        for _ in 0..ACCEPTS_PER_TURN {
            if self.balancer.open() >= self.descriptors_room {
                return self.starve(now_ns, ready);
            }
            let has_room = self.sealed || self.balancer.has_room_for_accepted();
            let place =
                if has_room { NewcomerPlace::Free } else { self.place_at_bound(now_ns, true) };
            if self.must_pause(place) {
                self.stats().accept_pauses.add(1);
                return Turn::Starved;
            }
            match socket.accept() {
                Ok((stream, _)) => {
                    self.stats().connections_accepted.add(1);
                    let connection = NewConnection::new(stream, listener);
                    self.settle(connection, place, registry, now_ns, ready);
                    if place == NewcomerPlace::Refused {
                        // Those that are ready are read before the next: one of them may be at its end.
                        return Turn::More;
                    }
                }
                Err(error) => match error.kind() {
                    // EINVAL: shut down and empty.
                    io::ErrorKind::WouldBlock | io::ErrorKind::InvalidInput => {
                        return Turn::Drained;
                    }
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                    _ => return self.starve(now_ns, ready),
                },
            }
        }
        Turn::More
    }

    /// Lets clients wait in the listener's queue for want of descriptors; scrapes and logs keep theirs. An idle
    /// connection makes room, unless others are about to close.
    #[cold]
    fn starve(&mut self, now_ns: u64, ready: &mut impl FnMut(usize)) -> Turn {
        self.stats().accept_errors.add(1);
        if !self.sealed && self.connections.past_bound() == 0 {
            // Since the client waits and loses nothing, one that has sent nothing yet has its second to do so.
            self.connections.evict(ACTIVE_NS, now_ns, ready);
        }
        Turn::Starved
    }

    /// Takes over what others have handed here. The tokens are told to `ready`.
    pub(super) fn take_over(
        &mut self,
        registry: &Registry,
        now_ns: u64,
        ready: &mut impl FnMut(usize),
    ) {
        while (self.sealed || self.connections.past_bound() < PAST_BOUND_MAX)
            && let Some(connection) = self.balancer.take_over(self.worker)
        {
            if self.sealed || self.balancer.has_room_for_handed_over() {
                self.connections.admit(connection, registry, now_ns, ready);
                continue;
            }
            self.connections.publish_evictable(); // so that nobody hands one here in vain until the turn ends
            let may_hand_over = self.balancer.may_hand_over(&connection);
            let place = self.place_at_bound(now_ns, may_hand_over);
            self.settle(connection, place, registry, now_ns, ready);
            if place == NewcomerPlace::Refused {
                return; // as in `accept`
            }
        }
    }

    /// When the worker has something to do here next, though no event may tell.
    pub(super) fn next_due_ns(&self) -> Option<u64> {
        let may_take_over = self.connections.past_bound() < PAST_BOUND_MAX;
        if may_take_over && self.balancer.hands_over_to(self.worker) {
            return Some(0); // there was no room for it when it came
        }
        self.connections.next_due_ns()
    }

    /// Takes no new data: later connects are refused, later writes fail at the client. What is queued
    /// can still be read. Returns the tokens of all connections, to be drained.
    pub(super) fn seal(&mut self) -> Vec<usize> {
        self.sealed = true;
        for listener in &self.listeners {
            // Fails only if another worker has done it already.
            drop(SockRef::from(&*listener.socket).shutdown(Shutdown::Read));
        }
        self.connections.seal()
    }
}
