//! Clients of the server, with the books of what was sent.

use std::io::{self, Write};
use std::net::{Shutdown, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::wait::deadline;

/// What the test has sent to one server.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    pub(crate) datagrams: AtomicU64,
    pub(crate) udp_bytes: AtomicU64,
    pub(crate) unix_bytes: AtomicU64,
    pub(crate) unix_open: AtomicU64,
}

impl Sent {
    /// Notes datagrams that somebody else sends, all of them together so many bytes.
    pub(crate) fn note_udp(&self, datagrams: u64, bytes: u64) {
        self.datagrams.fetch_add(datagrams, Ordering::Relaxed);
        self.udp_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Notes bytes that somebody else sends over a unix connection.
    pub(crate) fn note_unix(&self, bytes: u64) {
        self.unix_bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Sends one datagram from a socket, and so a port, of its own. Too long a datagram is the kernel's error.
pub(crate) fn udp(sent: &Sent, port: u16, bytes: &[u8]) -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.send_to(bytes, ("127.0.0.1", port))?;
    sent.note_udp(1, bytes.len() as u64);
    Ok(())
}

/// One connection to a unix socket; closed when dropped.
#[derive(Debug)]
pub(crate) struct Client {
    stream: UnixStream,
    sent: Arc<Sent>,
}

impl Client {
    /// Connects; a path that begins with `@` is in the abstract name space.
    pub(crate) fn connect(sent: &Arc<Sent>, path: &Path) -> io::Result<Self> {
        let abstract_name = path.to_str().and_then(|path| path.strip_prefix('@'));
        let stream = match abstract_name {
            Some(name) => UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)?,
            None => UnixStream::connect(path)?,
        };
        // A server that stops reading must fail the test, not hang it.
        stream.set_write_timeout(Some(deadline()))?;
        stream.set_read_timeout(Some(deadline()))?;
        sent.unix_open.fetch_add(1, Ordering::Relaxed);
        Ok(Self { stream, sent: Arc::clone(sent) })
    }

    /// Writes all bytes.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server takes what is written to its unix socket");
        self.sent.note_unix(bytes.len() as u64);
    }

    /// Ends the writing side; the server sees the end of the stream.
    pub(crate) fn half_close(&self) {
        self.stream.shutdown(Shutdown::Write).expect("shutdown of the writing side");
    }

    /// The stream itself.
    pub(crate) fn stream(&mut self) -> &mut UnixStream {
        &mut self.stream
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.sent.unix_open.fetch_sub(1, Ordering::Relaxed);
    }
}
