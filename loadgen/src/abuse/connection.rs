//! One connection of an attack: carries out its script without ever blocking.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use mio::net::TcpStream;
use socket2::{Domain, SockRef, Socket, Type};

use crate::script::{ReadMode, Script, SendMode};

/// `HTTP/1.1 200`: what is kept of an answer.
const STATUS_BYTES: usize = 12;
/// Less than the kernel grants, which then gives its smallest receive buffer.
const SMALL_BUFFER: usize = 1;
/// Reads, and as many writes, of one turn: others have theirs before it goes on.
const TURN: usize = 16;
/// `connect(2)` of a non-blocking socket: in progress.
const EINPROGRESS: i32 = 115;

/// A connection that stands or is being made.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    script: Rc<Script>,
    sent: usize,
    received: usize,
    status: Vec<u8>,
}

/// Whether a connection is still open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionState {
    Open,
    /// Open, and there is more to do without waiting for the poll.
    Busy,
    /// By the server, or because the script said so.
    Closed,
}

impl Connection {
    /// Begins to connect.
    ///
    /// # Errors
    /// Those of `socket(2)` and `connect(2)`: no descriptor, no port, refused.
    pub(crate) fn open(to: SocketAddr, script: Rc<Script>) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM.nonblocking(), None)?;
        if script.reads() == ReadMode::ByteASecond {
            socket.set_recv_buffer_size(SMALL_BUFFER)?;
        }
        if let Err(error) = socket.connect(&to.into())
            && error.raw_os_error() != Some(EINPROGRESS)
        {
            return Err(error);
        }
        let stream = TcpStream::from_std(socket.into());
        Ok(Self { stream, script, sent: 0, received: 0, status: Vec::new() })
    }

    /// For the poll.
    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Bytes that came from the server.
    pub(crate) fn received(&self) -> usize {
        self.received
    }

    /// `HTTP/1.1 200` or whatever else the server's first bytes were.
    pub(crate) fn status(&self) -> String {
        self.status.escape_ascii().to_string()
    }

    /// Does what can be done since the poll says that something can, or since it is [`ConnectionState::Busy`].
    pub(crate) fn ready(&mut self, buffer: &mut [u8]) -> ConnectionState {
        let sent = match self.script.sends() {
            SendMode::AtOnce => self.send_on(),
            SendMode::ByteASecond => Ok(ConnectionState::Open),
        };
        // What the server said before it closed is read even if it takes nothing more.
        let read = match self.script.reads() {
            ReadMode::AtOnce => self.read_on(buffer),
            ReadMode::ByteASecond => Ok(ConnectionState::Open),
            ReadMode::ThenResets(bytes) => self.read_then_reset(&mut buffer[..1024], bytes),
        };
        match (sent, read) {
            (Err(_), _) | (_, Err(_) | Ok(ConnectionState::Closed)) => ConnectionState::Closed,
            (Ok(ConnectionState::Busy), _) | (_, Ok(ConnectionState::Busy)) => {
                ConnectionState::Busy
            }
            _ => ConnectionState::Open,
        }
    }

    /// Does what is done once a second.
    pub(crate) fn tick(&mut self) -> ConnectionState {
        let mut done = Ok(ConnectionState::Open);
        if self.script.sends() == SendMode::ByteASecond
            && let [first, ..] = self.script.after(self.sent)
        {
            let first = [*first];
            done = self.send(&first).map(|_| ConnectionState::Open);
        }
        if self.script.reads() == ReadMode::ByteASecond {
            done = done.and(self.read(&mut [0]).map(|(state, _)| state));
        }
        done.unwrap_or(ConnectionState::Closed)
    }

    fn send_on(&mut self) -> io::Result<ConnectionState> {
        let script = Rc::clone(&self.script);
        for _ in 0..TURN {
            let more = script.after(self.sent);
            if more.is_empty() || self.send(more)? == 0 {
                return Ok(ConnectionState::Open);
            }
        }
        Ok(ConnectionState::Busy)
    }

    /// How many bytes the kernel took; 0 if none for now.
    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = match self.stream.write(bytes) {
            Err(error) if not_now(&error) => 0,
            result => result?,
        };
        self.sent += sent;
        Ok(sent)
    }

    fn read_on(&mut self, buffer: &mut [u8]) -> io::Result<ConnectionState> {
        for _ in 0..TURN {
            match self.read(buffer)? {
                (ConnectionState::Open, 1..) => {}
                (state, _) => return Ok(state),
            }
        }
        Ok(ConnectionState::Busy)
    }

    fn read_then_reset(&mut self, buffer: &mut [u8], bytes: usize) -> io::Result<ConnectionState> {
        loop {
            let (state, read) = self.read(buffer)?;
            if self.received >= bytes {
                // Closing a socket that lingers for no time sends a reset instead of an end.
                SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))?;
                return Ok(ConnectionState::Closed);
            }
            if state == ConnectionState::Closed || read == 0 {
                return Ok(state);
            }
        }
    }

    /// Reads once; how many bytes came.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<(ConnectionState, usize)> {
        match self.stream.read(buffer) {
            Ok(0) => Ok((ConnectionState::Closed, 0)),
            Ok(read) => {
                let room = STATUS_BYTES.saturating_sub(self.status.len());
                self.status.extend_from_slice(&buffer[..read.min(room)]);
                self.received += read;
                Ok((ConnectionState::Open, read))
            }
            Err(error) if not_now(&error) => Ok((ConnectionState::Open, 0)),
            Err(error) => Err(error),
        }
    }
}

/// Whether to try again later: nothing there, no room, or not connected yet.
fn not_now(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected | ErrorKind::Interrupted)
}
