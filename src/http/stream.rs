//! The byte stream of a connection, with or without TLS. It tells the connection's [`Progress`] when bytes come and go.
//!
//! hyper polls it on the thread `http`.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::progress::{ConnectionPhase, Progress};

/// The transport of a connection.
#[derive(Debug)]
pub(super) enum PlainOrTls {
    /// Without TLS.
    Plain(TcpStream),
    /// With TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

/// A byte stream that tells its connection's [`Progress`] when bytes come and go.
#[derive(Debug)]
pub(super) struct ClientStream {
    transport: PlainOrTls,
    progress: Rc<Progress>,
}

impl ClientStream {
    pub(super) fn new(transport: PlainOrTls, progress: Rc<Progress>) -> Self {
        Self { transport, progress }
    }

    fn pinned(&mut self) -> Pin<&mut dyn AsyncBytes> {
        match &mut self.transport {
            PlainOrTls::Plain(stream) => Pin::new(stream) as Pin<&mut dyn AsyncBytes>,
            PlainOrTls::Tls(stream) => Pin::new(&mut **stream) as Pin<&mut dyn AsyncBytes>,
        }
    }

    fn told<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match &result {
            Poll::Ready(Ok(_)) => self.progress.wrote(),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.progress.blocked(),
        }
        result
    }
}

impl Drop for ClientStream {
    /// Closes the connection with a reset where the client takes no bytes of its response. After an ordinary close the
    /// kernel would try for minutes to deliver what is in the socket's buffer.
    fn drop(&mut self) {
        if self.progress.phase() == ConnectionPhase::Response
            && self.progress.blocked_since().is_some()
        {
            let stream = match &self.transport {
                PlainOrTls::Plain(stream) => stream,
                PlainOrTls::Tls(stream) => stream.get_ref().0,
            };
            drop(stream.set_zero_linger());
        }
    }
}

trait AsyncBytes: AsyncRead + AsyncWrite {}
impl<T: AsyncRead + AsyncWrite> AsyncBytes for T {}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = self.pinned().poll_read(cx, buf);
        if buf.filled().len() > before {
            self.progress.received();
        }
        result
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = self.pinned().poll_write(cx, bytes);
        self.told(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = self.pinned().poll_write_vectored(cx, slices);
        self.told(result)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            PlainOrTls::Plain(stream) => stream.is_write_vectored(),
            PlainOrTls::Tls(stream) => stream.is_write_vectored(),
        }
    }

    /// hyper calls this when it has nothing more to write.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = self.pinned().poll_flush(cx);
        if let Poll::Ready(Ok(())) = result {
            self.progress.flushed();
        }
        self.told(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pinned().poll_shutdown(cx)
    }
}
