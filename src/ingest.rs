//! Ingest: worker threads that own sockets and do everything a message needs.
//!
//! ```text
//!  poll ─▶ ready list ─▶ udp: one recvmmsg per batch ──┐
//!              ▲         unix: accept, read ───────────┴▶ Handler (dispatch: frame, parse, count)
//!              └── not drained: stays, and the next poll does not sleep
//! ```
//!
//! A worker never waits on anything but its poll and the batch wait; it may drop, it may not block.
//! What is done with the bytes is a [`Handler`], so that the same loop without one is the limit that
//! speed is measured against.

use std::time::Duration;

use crate::metric::Rejection;
use crate::stats::Transport;
use crate::sys::recv::Datagrams;
use crate::text::labels::ConstantLabel;
use crate::wire::padded::ReadBytes;

pub(crate) mod barrier;
pub(crate) mod dispatch;
pub(crate) mod log_slots;
pub(crate) mod null;
mod turn;
pub(crate) mod udp;
pub(crate) mod unix;
pub(crate) mod unixgram;
pub(crate) mod worker;

/// Where messages come from, as they are labelled: all that a message's meaning may depend on.
#[derive(Debug)]
pub struct Listener {
    /// The flag's text: the `data_source`.
    data_source: String,
    transport: Transport,
    /// Labels that override the message's, sorted by name.
    constants: Vec<ConstantLabel>,
    /// The same for rows; those of a router have `instance` as well.
    row_constants: Vec<ConstantLabel>,
}

impl Listener {
    /// The one that a flag with this text asks for; its messages and rows get these labels, sorted by name.
    pub fn new(data_source: &str, transport: Transport, constants: Vec<ConstantLabel>) -> Self {
        let row_constants = constants.clone();
        Self { data_source: data_source.to_owned(), transport, constants, row_constants }
    }

    /// The same with other labels for rows, sorted by name.
    pub(crate) fn with_row_constants(self, row_constants: Vec<ConstantLabel>) -> Self {
        Self { row_constants, ..self }
    }
}

/// What a worker does with what it has read. Runs on that worker.
pub trait Handler: std::fmt::Debug {
    /// What is kept of one unix connection between reads.
    type Stream: std::fmt::Debug;

    /// What is kept of a connection at its beginning. `peer_uid` is the user who has connected, where
    /// `Settings::peer_uids` asks for it and the kernel tells it. With a `refusal` each of its messages is refused
    /// for that reason.
    fn open(peer_uid: Option<u32>, refusal: Option<Rejection>) -> Self::Stream;

    /// Between batches.
    fn between(&mut self, now_ns: u64);

    /// A batch of datagrams, all of one listener.
    fn datagrams(&mut self, listener: usize, batch: &mut Datagrams, now_ns: u64);

    /// What was read from a connection to a listener, with room before it for the longest message. Returns how many
    /// bytes are kept of an unfinished message.
    fn stream(&mut self, listener: usize, stream: &mut Self::Stream, read: ReadBytes<'_>) -> usize;

    /// Bytes of memory that the unfinished message of a stream takes; 0 without one, and never less than are kept.
    fn held_bytes(stream: &Self::Stream) -> usize;

    /// The stream has ended.
    fn end(&mut self, listener: usize, stream: &mut Self::Stream);

    /// What is kept of the stream is refused, unfinished; the stream goes on.
    fn refuse(&mut self, listener: usize, stream: &mut Self::Stream, reason: Rejection);

    /// Everything is read; what the handler holds is handed on.
    fn finish(self);
}

/// How many unix connections there may be, all workers together, and how long each may be idle.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    connections_max: usize,
    descriptors_room: usize,
    idle_timeout: Option<Duration>,
}

impl ConnectionLimits {
    /// At most `connections_max`; past `descriptors_room`, which descriptors leave room for, others wait to be accepted.
    pub fn new(
        connections_max: usize,
        descriptors_room: usize,
        idle_timeout: Option<Duration>,
    ) -> Self {
        Self { connections_max, descriptors_room, idle_timeout }
    }

    /// The most connections.
    pub fn connections_max(&self) -> usize {
        self.connections_max
    }
}

/// Limits of unix connections and of what is read from them, the same for all workers.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Bytes that one read of a stream takes at most, before what is kept.
    message_max_bytes: usize,
    /// Unix connections that descriptors leave room for; those beyond it wait to be accepted.
    descriptors_room: usize,
    /// Bytes of memory that unfinished messages of all workers take.
    partials_max_bytes: usize,
    /// Whether the kernel is asked, once for each unix connection, who has connected.
    peer_uids: bool,
    /// How long a unix connection may be idle.
    idle_timeout: Option<Duration>,
}

impl Settings {
    /// For messages of up to `message_max_bytes`, of which those that are unfinished take up to `partials_max_bytes`
    /// together. With `peer_uids` the kernel is asked who has connected.
    pub fn new(
        message_max_bytes: usize,
        partials_max_bytes: usize,
        connections: ConnectionLimits,
        peer_uids: bool,
    ) -> Self {
        let ConnectionLimits { descriptors_room, idle_timeout, .. } = connections;
        Self { message_max_bytes, descriptors_room, partials_max_bytes, peer_uids, idle_timeout }
    }
}
