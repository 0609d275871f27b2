//! One unix connection, before it is read and while it is.

use mio::net::UnixStream;

/// A connection that nobody reads yet.
#[derive(Debug)]
pub(super) struct NewConnection {
    pub(super) stream: UnixStream,
    /// The number of the listener that it came to.
    pub(super) listener: usize,
    /// How many workers have handed it on.
    pub(super) hops: usize,
}

impl NewConnection {
    /// As accepted from the listener with this number.
    pub(super) fn new(stream: UnixStream, listener: usize) -> Self {
        Self { stream, listener, hops: 0 }
    }
}

/// Which place a newcomer gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NewcomerPlace {
    /// There is room.
    Free,
    /// That of an idle connection of this worker.
    EvictedHere,
    /// That of an idle connection of the worker with this number.
    Elsewhere(usize),
    /// None, since all connections are active: its messages are refused.
    Refused,
}

/// What becomes of a connection and of its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its messages count, and it counts towards the bound.
    Admitted,
    /// The same, but it has been idle for long enough: unless its next read finds something, it is closed.
    Expiring,
    /// It came when all others were active: its messages are refused. So many bytes of it are read.
    Refused { bytes: usize },
    /// Nothing new gets in. It closes when what has got in is read.
    Sealed,
}

impl Standing {
    /// Whether it counts towards the bound of connections.
    pub(super) fn is_within_bound(self) -> bool {
        matches!(self, Self::Admitted | Self::Expiring)
    }
}

/// A connection that is read.
#[derive(Debug)]
pub(super) struct Connection<S> {
    pub(super) stream: UnixStream,
    pub(super) listener: usize,
    pub(super) standing: Standing,
    pub(super) state: S,
    /// Bytes kept of an unfinished message.
    pub(super) kept: usize,
    /// Bytes of memory that they take.
    pub(super) held: usize,
    /// When the unfinished message began; 0 without one.
    pub(super) since_ns: u64,
}
