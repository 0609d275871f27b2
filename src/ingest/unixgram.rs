//! A unix datagram socket, which one worker reads by turns with its connections.
//!
//! The kernel drops nothing that comes to such a socket: while its queue is full the sender waits, or is told so. It has
//! one queue, so it is one worker's.

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;

use crate::ingest::Handler;
use crate::ingest::turn::Turn;
use crate::sys::recv::{BATCH, Datagrams};

/// A bound socket and its batch.
#[derive(Debug)]
pub(crate) struct UnixgramSource {
    socket: UnixDatagram,
    /// The listener's number.
    listener: usize,
    batch: Datagrams,
}

impl UnixgramSource {
    /// Over a bound socket of the listener with this number.
    pub(crate) fn new(socket: UnixDatagram, listener: usize) -> Self {
        Self { socket, listener, batch: Datagrams::new() }
    }

    /// Takes one batch of datagrams and has the handler process it.
    pub(crate) fn read<H: Handler>(&mut self, handler: &mut H, now_ns: u64) -> Turn {
        match self.batch.receive(self.socket.as_fd(), BATCH) {
            // Out of datagrams the call fails, so one that was cut short has seen the queue empty.
            Ok(received) => {
                handler.datagrams(self.listener, &mut self.batch, now_ns);
                if received == BATCH { Turn::More } else { Turn::Drained }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Turn::More,
            Err(_) => Turn::Drained,
        }
    }

    /// Lets nothing more in: who sends from now on is told so.
    ///
    /// # Errors
    /// Those of `shutdown(2)`.
    pub(crate) fn seal(&self) -> io::Result<()> {
        self.socket.shutdown(Shutdown::Read)
    }
}

impl AsFd for UnixgramSource {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
