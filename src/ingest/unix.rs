//! A worker's unix sockets: the listeners it shares with the others, and its own connections.
//!
//! A connect wakes one worker (`EPOLLEXCLUSIVE`), which alone does not spread: the same one may be
//! woken again and again. So a worker that holds some connections more than the least loaded one
//! hands a new one over.

use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use crossbeam::queue::ArrayQueue;
use mio::net::{UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use socket2::SockRef;

use crate::control::Control;
use crate::ingest::{Handler, Settings};
use crate::metric::Rejection;
use crate::stats::Stats;
use crate::wire::padded::Padded;

/// Connections that a worker may hold more than the least loaded one before it hands over.
const SKEW_MAX: u64 = 8;
/// Connections that wait to be taken over by one worker; past it the one that accepted keeps them.
const HAND_OVER_QUEUE: usize = 1024;
/// Bytes of one read.
pub(crate) const READ_BYTES: usize = 64 << 10;
/// Reads of one connection in a turn: 256 KiB, about a millisecond, then it is the others' turn.
const READS_PER_TURN: usize = 4;
/// Accepts in a turn.
const ACCEPTS_PER_TURN: usize = 64;
/// A message may stay unfinished for this long.
const PARTIAL_NS_MAX: u64 = 30_000_000_000;

/// Tokens of connections begin here; those below are listeners, UDP and the waker.
pub(crate) const FIRST_CONNECTION: usize = 1 << 16;

/// Connections on their way from the worker that accepted them to another.
#[derive(Debug)]
pub struct HandOver {
    queues: Vec<ArrayQueue<(UnixStream, usize)>>,
}

impl HandOver {
    /// Queues for this many workers.
    pub fn new(workers: usize) -> Arc<Self> {
        let queues = (0..workers).map(|_| ArrayQueue::new(HAND_OVER_QUEUE)).collect();
        Arc::new(Self { queues })
    }
}

/// What a turn has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing waits: the next edge tells.
    Drained,
    /// More may wait: it stays on the ready list.
    More,
    /// The listener could not accept for want of descriptors or memory: no edge will tell.
    Starved,
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
pub struct UnixSources<H: Handler> {
    worker: usize,
    listeners: Vec<(Arc<UnixListener>, usize)>,
    connections: Vec<Option<Connection<H::Stream>>>,
    vacant: Vec<usize>,
    buffer: Vec<u8>,
    partial_bytes: u64,
    stats: Stats,
    control: Arc<Control>,
    hand_over: Arc<HandOver>,
    connections_max: u64,
    descriptors_room: u64,
    partials_max_bytes: u64,
    /// Whether a connection has closed since this was asked last.
    freed: bool,
}

impl<H: Handler> UnixSources<H> {
    /// Over listeners with their numbers. `padding` bytes are kept behind what is read.
    pub fn new(
        worker: usize,
        listeners: Vec<(Arc<UnixListener>, usize)>,
        (stats, control, hand_over): (Stats, Arc<Control>, Arc<HandOver>),
        settings: &Settings,
        padding: usize,
    ) -> Self {
        // Without listeners nothing is ever read.
        let bytes = settings.message_max_bytes + READ_BYTES + padding;
        Self {
            worker,
            buffer: if listeners.is_empty() { Vec::new() } else { vec![0; bytes] },
            listeners,
            connections: Vec::new(),
            vacant: Vec::new(),
            partial_bytes: 0,
            stats,
            control,
            hand_over,
            connections_max: settings.connections_max as u64,
            descriptors_room: settings.descriptors_room as u64,
            partials_max_bytes: settings.partials_max_bytes as u64,
            freed: false,
        }
    }

    /// How many listeners there are.
    pub fn listeners(&self) -> usize {
        self.listeners.len()
    }

    /// The listeners' descriptors.
    pub fn listener_fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.listeners.iter().map(|(listener, _)| listener.as_fd())
    }

    /// Accepts what waits, up to a turn's worth. Connections that stay are told to `ready`.
    pub fn accept(
        &mut self,
        index: usize,
        registry: &Registry,
        ready: &mut impl FnMut(usize),
    ) -> Turn {
        let (socket, listener) = (Arc::clone(&self.listeners[index].0), self.listeners[index].1);
        for _ in 0..ACCEPTS_PER_TURN {
            if self.load() >= self.descriptors_room {
                // They wait in the listener's queue; scrapes and logs keep their descriptors.
                self.stats[self.worker].accept_errors.add(1);
                return Turn::Starved;
            }
            match socket.accept() {
                Ok((stream, _)) => self.place(stream, listener, registry, ready),
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

    /// Connections of one worker.
    fn load_of(&self, worker: usize) -> u64 {
        self.stats[worker].connections.get() + self.hand_over.queues[worker].len() as u64
    }

    /// Connections of all workers.
    fn load(&self) -> u64 {
        (0..self.stats.len()).map(|worker| self.load_of(worker)).sum()
    }

    /// Keeps a new connection, hands it over, or closes it past the bound.
    fn place(
        &mut self,
        stream: UnixStream,
        listener: usize,
        registry: &Registry,
        ready: &mut impl FnMut(usize),
    ) {
        let stats = &self.stats[self.worker];
        stats.connections_accepted.add(1);
        // Those on their way count for the worker that will take them over.
        let load = |worker| self.load_of(worker);
        let loads = || (0..self.stats.len()).map(load);
        if self.load() >= self.connections_max {
            stats.connections_refused.add(1);
            return;
        }
        let mine = load(self.worker);
        let least = loads().enumerate().min_by_key(|&(_, load)| load);
        let mut kept = Some(stream);
        if let Some((other, load)) = least
            && mine >= load + SKEW_MAX
            && let Some(stream) = kept.take()
        {
            match self.hand_over.queues[other].push((stream, listener)) {
                Ok(()) => {
                    stats.connections_handed_over.add(1);
                    self.control.wake(other);
                }
                Err((stream, _)) => kept = Some(stream),
            }
        }
        if let Some(stream) = kept {
            self.keep(stream, listener, registry, ready);
        }
    }

    /// Takes over what others have handed here.
    pub fn take_over(&mut self, registry: &Registry, ready: &mut impl FnMut(usize)) {
        while let Some((stream, listener)) = self.hand_over.queues[self.worker].pop() {
            self.keep(stream, listener, registry, ready);
        }
    }

    fn keep(
        &mut self,
        mut stream: UnixStream,
        listener: usize,
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
            self.stats[self.worker].accept_errors.add(1);
            self.vacant.push(index);
            return;
        }
        let connections = &self.stats[self.worker].connections;
        connections.set(connections.get() + 1);
        let state = H::Stream::default();
        self.connections[index] =
            Some(Connection { stream, listener, state, kept: 0, since_ns: 0 });
        ready(token.0); // looked at once without an edge: most clients have written already
    }

    /// Reads one connection for a turn.
    pub fn read(
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
        self.partial_bytes = self.partial_bytes + connection.kept as u64 - before as u64;
        self.stats[self.worker].partial_bytes.set(self.partial_bytes);
        if connection.kept > before && self.partials_full() {
            self.refuse_partial(index, handler, Rejection::PartialsLimit);
        }
        if ended {
            self.close(index, handler, registry);
            turn = Turn::Drained;
        }
        turn
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
        self.partial_bytes -= connection.kept as u64;
        connection.kept = 0;
        self.stats[self.worker].partial_bytes.set(self.partial_bytes);
    }

    fn close(&mut self, index: usize, handler: &mut H, registry: &Registry) {
        let Some(mut connection) = self.connections[index].take() else { return };
        handler.end(connection.listener, &mut connection.state);
        self.partial_bytes -= connection.kept as u64;
        self.stats[self.worker].partial_bytes.set(self.partial_bytes);
        drop(registry.deregister(&mut connection.stream)); // closing does the same
        self.vacant.push(index);
        self.freed = true;
        let connections = &self.stats[self.worker].connections;
        connections.set(connections.get() - 1);
    }

    /// Whether a connection has closed since this was asked last, so that there is a descriptor again.
    pub fn take_freed(&mut self) -> bool {
        std::mem::take(&mut self.freed)
    }

    /// Whether any message is unfinished: then [`Self::time_out`] has to be called now and then.
    pub fn has_partials(&self) -> bool {
        self.partial_bytes > 0
    }

    /// Refuses messages that have been unfinished for too long. Their connections go on.
    pub fn time_out(&mut self, handler: &mut H, now_ns: u64) {
        for index in 0..self.connections.len() {
            if let Some(connection) = &self.connections[index]
                && connection.kept > 0
                && now_ns.saturating_sub(connection.since_ns) > PARTIAL_NS_MAX
            {
                self.refuse_partial(index, handler, Rejection::TimedOut);
            }
        }
    }

    /// Takes no new data: later connects are refused, later writes fail at the client. What is queued
    /// can still be read. Returns the numbers of all sources, to be drained.
    pub fn seal(&mut self) -> Vec<usize> {
        for (listener, _) in &self.listeners {
            // Fails only if another worker has done it already.
            drop(SockRef::from(&**listener).shutdown(Shutdown::Read));
        }
        let mut open = Vec::new();
        for (index, connection) in self.connections.iter().enumerate() {
            if let Some(connection) = connection {
                drop(connection.stream.shutdown(Shutdown::Read)); // fails only if the peer has gone
                open.push(FIRST_CONNECTION + index);
            }
        }
        open
    }

    /// Shuts one connection that came while the others were being sealed.
    pub fn seal_one(&mut self, index: usize) {
        if let Some(Some(connection)) = self.connections.get(index) {
            drop(connection.stream.shutdown(Shutdown::Read));
        }
    }
}
