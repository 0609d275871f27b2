//! Senders that go on until they are told to stop, or until the server is gone.

use std::io::{self, Write};
use std::net::UdpSocket;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::common::Server;
use crate::common::send::Sent;

/// After so many writes most clients of a unix socket connect anew.
const WRITES_PER_CONNECTION: usize = 50;

/// A sender on a thread of its own. Dropping it stops it.
pub(crate) struct Flood {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<u64>>,
}

impl Flood {
    /// Calls `send` with a rising number until told to stop, or until it says that the server is gone.
    #[expect(clippy::disallowed_methods, reason = "the rule is about the server's threads")]
    fn start(mut send: impl FnMut(u64) -> io::Result<()> + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut sent = 0;
            while !is_over.load(Ordering::Relaxed) && send(sent).is_ok() {
                sent += 1;
            }
            sent
        });
        Self { stop, thread: Some(thread) }
    }

    /// Datagrams of one message each, from a new port now and then, so that each worker gets some; after each a pause.
    pub(crate) fn udp(server: &Server, pause: Duration, message: fn(u64) -> String) -> Self {
        let (port, sent) = (server.udp, Arc::clone(&server.sent));
        let mut socket = any_port();
        Self::start(move |number| {
            if number % 64 == 63 {
                socket = any_port();
            }
            let message = message(number);
            // A port that nobody has is no error of a socket that is not connected: the kernel counts it.
            socket.send_to(message.as_bytes(), ("127.0.0.1", port))?;
            sent.note_udp(1, message.len() as u64);
            rest(pause);
            Ok(())
        })
    }

    /// Messages over `ms.sock`, each one write, over connections that are made anew after some; after each a pause.
    /// A write that fails ends it: the server is gone.
    pub(crate) fn unix(server: &Server, pause: Duration, message: fn(u64) -> String) -> Self {
        Self::writes(server, WRITES_PER_CONNECTION, pause, message)
    }

    /// The same over one connection: what comes over several is read in no order.
    pub(crate) fn one_stream(server: &Server, pause: Duration, message: fn(u64) -> String) -> Self {
        Self::writes(server, usize::MAX, pause, message)
    }

    fn writes(
        server: &Server,
        writes_per_connection: usize,
        pause: Duration,
        message: fn(u64) -> String,
    ) -> Self {
        let (path, sent) = (server.path("ms.sock"), Arc::clone(&server.sent));
        let mut writer = UnixWriter { path, stream: None, writes: 0, writes_per_connection };
        Self::start(move |number| {
            let message = message(number);
            writer.write(message.as_bytes(), &sent)?;
            rest(pause);
            Ok(())
        })
    }

    /// Stops it; returns how many messages were sent with success.
    pub(crate) fn stop(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().expect("a sender does not panic")
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join()); // the row has failed already
        }
    }
}

fn any_port() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").expect("a free port")
}

fn rest(pause: Duration) {
    if !pause.is_zero() {
        thread::sleep(pause);
    }
}

/// A client that connects anew after some writes.
struct UnixWriter {
    path: PathBuf,
    stream: Option<UnixStream>,
    writes: usize,
    writes_per_connection: usize,
}

impl UnixWriter {
    /// One message is one segment in the kernel: it is written whole, or not at all.
    fn write(&mut self, message: &[u8], sent: &Sent) -> io::Result<()> {
        if self.writes.is_multiple_of(self.writes_per_connection) {
            self.stream = None;
        }
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => none.insert(UnixStream::connect(&self.path)?),
        };
        let written = stream.write(message)?;
        assert_eq!(written, message.len(), "a message was torn");
        sent.note_unix(written as u64);
        self.writes += 1;
        Ok(())
    }
}
