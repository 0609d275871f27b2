//! The sources of one worker: its UDP socket, its unix sockets, and the poll that they are registered in.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::ingest::Handler;
use crate::ingest::udp::UdpSource;
use crate::ingest::unix::{FIRST_CONNECTION, UnixSources};
use crate::ingest::unixgram::UnixgramSource;
use crate::sys::epoll;

/// Token of a worker's waker.
pub const WAKER: Token = Token(FIRST_CONNECTION - 1);
/// Token of the UDP socket; those of unix listeners follow it.
pub(super) const UDP: Token = Token(0);
pub(super) const FIRST_LISTENER: usize = 1;

/// What one worker reads.
#[derive(Debug)]
pub struct Sources<H: Handler> {
    pub(super) poll: Poll,
    pub(super) udp: Option<UdpSource>,
    pub(super) unix: UnixSources<H>,
    /// Those that are this worker's alone; their tokens follow those of unix listeners.
    pub(super) unixgram: Vec<UnixgramSource>,
}

impl<H: Handler> Sources<H> {
    /// Registers the sockets in the poll.
    ///
    /// # Errors
    /// Those of `epoll_ctl(2)`.
    pub fn new(poll: Poll, udp: Option<UdpSource>, unix: UnixSources<H>) -> io::Result<Self> {
        if let Some(udp) = &udp {
            let fd = udp.as_fd().as_raw_fd();
            poll.registry().register(&mut SourceFd(&fd), UDP, Interest::READABLE)?;
        }
        for (index, listener) in unix.listener_fds().enumerate() {
            epoll::add_exclusive(&poll, listener, FIRST_LISTENER + index)?;
        }
        Ok(Self { poll, udp, unix, unixgram: Vec::new() })
    }

    /// The same with these unix datagram sockets.
    ///
    /// # Errors
    /// Those of `epoll_ctl(2)`.
    pub(crate) fn with_unixgram(self, unixgram: Vec<UnixgramSource>) -> io::Result<Self> {
        let first = FIRST_LISTENER + self.unix.listeners();
        for (index, source) in unixgram.iter().enumerate() {
            let fd = source.as_fd().as_raw_fd();
            let token = Token(first + index);
            self.poll.registry().register(&mut SourceFd(&fd), token, Interest::READABLE)?;
        }
        Ok(Self { unixgram, ..self })
    }

    /// The tokens of unix listeners and of unix datagram sockets.
    pub(super) fn listener_tokens(&self) -> std::ops::Range<usize> {
        FIRST_LISTENER..FIRST_LISTENER + self.unix.listeners() + self.unixgram.len()
    }

    /// Polls. A signal that interrupts the call leaves no events.
    pub(super) fn poll(
        &mut self,
        events: &mut Events,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        match self.poll.poll(events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                events.clear();
                Ok(())
            }
            polled => polled,
        }
    }
}
