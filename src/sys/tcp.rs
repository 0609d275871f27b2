//! TCP beyond socket2: deferred accept, and shutting down a connection that a library holds.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use socket2::SockRef;

/// Has the kernel accept a connection only when its first bytes are there; a silent client costs neither
/// a descriptor nor a thread until `seconds` have passed.
///
/// # Errors
/// Those of `setsockopt(2)`.
pub(crate) fn defer_accept(listener: BorrowedFd<'_>, seconds: u16) -> io::Result<()> {
    let value = libc::c_int::from(seconds);
    let length = libc::socklen_t::try_from(size_of_val(&value)).unwrap_or(0);
    // SAFETY: the pointer is to one c_int, and the length says so.
    let result = unsafe {
        libc::setsockopt(
            listener.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_DEFER_ACCEPT,
            (&raw const value).cast(),
            length,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Shuts down this process' connection to `peer` that was accepted on `local_port`; `false` where none is
/// found, also if no descriptor is left to look.
///
/// The caller keeps that connection open meanwhile, so that its descriptor cannot become another's between
/// the look and the call.
pub(crate) fn shutdown_accepted(local_port: u16, peer: SocketAddr, how: Shutdown) -> bool {
    open_descriptors().any(|descriptor| shutdown_if(descriptor, local_port, peer, how))
}

fn open_descriptors() -> impl Iterator<Item = RawFd> {
    std::fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

fn shutdown_if(descriptor: RawFd, local_port: u16, peer: SocketAddr, how: Shutdown) -> bool {
    // SAFETY: the descriptor was open a moment ago. If it was closed since, the calls below fail or see
    // another peer; the one that matches stays open, as the caller of `shutdown_accepted` holds it.
    let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
    let socket = SockRef::from(&descriptor);
    socket.peer_addr().is_ok_and(|addr| addr.as_socket() == Some(peer))
        && socket
            .local_addr()
            .is_ok_and(|addr| addr.as_socket().is_some_and(|local| local.port() == local_port))
        && socket.shutdown(how).is_ok()
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn only_the_connection_of_that_peer_is_shut_down() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let mut first = TcpStream::connect(addr).unwrap();
        let (_first_accepted, peer) = listener.accept().unwrap();
        let second = TcpStream::connect(addr).unwrap();
        let (_second_accepted, _) = listener.accept().unwrap();

        assert!(!shutdown_accepted(addr.port() ^ 1, peer, Shutdown::Both));
        assert!(shutdown_accepted(addr.port(), peer, Shutdown::Both));
        assert_eq!(first.read(&mut [0]).unwrap(), 0);
        second.set_nonblocking(true).unwrap();
        assert_eq!((&second).read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_listener_can_defer() {
        use std::os::fd::AsFd;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        defer_accept(listener.as_fd(), 5).unwrap();
        listener.set_nonblocking(true).unwrap();
        let _silent = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
