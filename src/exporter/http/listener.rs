//! The listening socket: its options, whether another thread still holds it, and descriptors in reserve.
//!
//! Options of a listening socket pass to the connections that it accepts, the only way to set them
//! on sockets that a library accepts.

use std::fs::{File, read_link};
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

use crate::sys::tcp;

/// A single write to a reader that takes nothing returns after this time, so that deadlines are seen.
const WRITE_TIMEOUT: Duration = Duration::from_millis(500);
/// Silent connections are accepted only after this time, in seconds.
const DEFER_ACCEPT_SECONDS: u16 = 10;
/// Peers that are gone without a word are noticed after this time and ten probes more.
const KEEPALIVE: Duration = Duration::from_mins(1);
/// Descriptors kept open only to be closed when there are no others: a cloned listener and some clients.
const RESERVED: usize = 16;

/// Sets what accepted connections inherit.
///
/// # Errors
/// Those of `setsockopt(2)`.
pub(super) fn prepare(listener: &TcpListener) -> io::Result<()> {
    // A non-blocking accept would fail at once, and a failed accept ends the library's thread.
    listener.set_nonblocking(false)?;
    let socket = SockRef::from(listener);
    socket.set_write_timeout(Some(WRITE_TIMEOUT))?;
    socket.set_tcp_nodelay(true)?;
    let keepalive =
        TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 10).with_retries(10);
    socket.set_tcp_keepalive(&keepalive)?;
    tcp::defer_accept(listener.as_fd(), DEFER_ACCEPT_SECONDS)
}

/// Whether the number `descriptor` stands for the same socket as `listener`.
///
/// A thread that ends by a panic tells nobody, but closes its listener. `true` also where it cannot be told.
pub(super) fn is_same_socket(descriptor: RawFd, listener: &TcpListener) -> bool {
    let link = |descriptor: RawFd| read_link(format!("/proc/self/fd/{descriptor}"));
    match link(listener.as_raw_fd()) {
        Ok(ours) => link(descriptor).is_ok_and(|theirs| theirs == ours),
        Err(_) => true,
    }
}

/// Open files that stand for descriptors to be had when the process has run out of them.
#[derive(Debug, Default)]
pub(super) struct Reserve(Vec<File>);

impl Reserve {
    /// Opens what is missing, as far as it can be had.
    pub(super) fn refill(&mut self) {
        while self.0.len() < RESERVED
            && let Ok(file) = File::open("/dev/null")
        {
            self.0.push(file);
        }
    }

    /// Gives all of them up.
    pub(super) fn release(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_clone_is_noticed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let clone = listener.try_clone().unwrap();
        let descriptor = clone.as_raw_fd();
        assert!(is_same_socket(descriptor, &listener));
        drop(clone);
        assert!(!is_same_socket(descriptor, &listener));
    }

    #[test]
    fn accepted_connections_inherit_the_options() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        prepare(&listener).unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        io::Write::write_all(&mut &client, b"x").unwrap();
        let (accepted, _) = listener.accept().unwrap();
        assert_eq!(accepted.write_timeout().unwrap(), Some(WRITE_TIMEOUT));
        assert!(accepted.nodelay().unwrap());
        assert!(SockRef::from(&accepted).keepalive().unwrap());
    }
}
