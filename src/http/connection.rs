//! One connection from accept to close: the TLS handshake, then one request after the other, each within its deadline.
//!
//! Each connection is a task on the thread `http`.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep_until;

use super::limits::{HEAD_BYTES_MAX, HEAD_FIELDS_MAX};
use super::progress::{ConnectionPhase, Progress};
use super::refusal::Refusal;
use super::router;
use super::state::ServerState;
use super::stream::{ClientStream, PlainOrTls};
use super::tls;

/// The answer to a client that begins with HTTP/2. hyper itself would close the connection without an answer.
const VERSION_NOT_SUPPORTED: &[u8] =
    b"HTTP/1.1 505 HTTP Version Not Supported\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// Serves a connection until it ends or misses a deadline.
pub(super) async fn serve(
    shared: Rc<ServerState>,
    stream: TcpStream,
    peer: SocketAddr,
    progress: Rc<Progress>,
) {
    let connection = ServedConnection { shared, peer, progress };
    if connection.within_deadlines(connection.serve(stream)).await.is_none() {
        match connection.progress.phase() {
            ConnectionPhase::Head => connection.shared.refuse(Refusal::HeadTime, peer),
            ConnectionPhase::Response => connection.shared.give_up_response(peer),
            // It is not logged, since a client that keeps a connection for later does nothing wrong.
            ConnectionPhase::Idle => connection.shared.stats.count_idle_timeout(),
        }
    }
}

/// Waits for something; `None` if the server is told to stop meanwhile.
pub(super) async fn unless_stopping<T>(
    stopping: &watch::Receiver<bool>,
    awaited: impl Future<Output = T>,
) -> Option<T> {
    let mut stopping = stopping.clone();
    let mut stopped = pin!(stopping.wait_for(|stopping| *stopping));
    let mut awaited = pin!(awaited);
    poll_fn(|cx| match awaited.as_mut().poll(cx) {
        Poll::Ready(result) => Poll::Ready(Some(result)),
        Poll::Pending => stopped.as_mut().poll(cx).map(|_| None),
    })
    .await
}

/// An open connection without its byte stream, which the functions below pass on.
struct ServedConnection {
    shared: Rc<ServerState>,
    peer: SocketAddr,
    progress: Rc<Progress>,
}

impl ServedConnection {
    /// Runs a future to its end; `None` if the connection's phase lasts past its deadline before that.
    async fn within_deadlines<T>(&self, served: impl Future<Output = T>) -> Option<T> {
        let deadline = || self.progress.deadline(&self.shared.limits);
        let mut served = pin!(served);
        let mut sleep = pin!(sleep_until(deadline()));
        poll_fn(|cx| {
            if let Poll::Ready(result) = served.as_mut().poll(cx) {
                return Poll::Ready(Some(result));
            }
            // The poll above may have begun another phase, which has another deadline.
            let deadline = deadline();
            if sleep.deadline() != deadline {
                sleep.as_mut().reset(deadline);
            }
            sleep.as_mut().poll(cx).map(|()| None)
        })
        .await
    }

    /// Waits for the client's first byte, then serves the client. It sets no time limit itself.
    async fn serve(&self, stream: TcpStream) {
        // A connection gets its buffers when the first byte is there, so that silent ones take little memory. `peek`
        // waits for that byte; `readable` would not, since tokio takes each new stream for readable.
        let peek = unless_stopping(&self.shared.stopping, stream.peek(&mut [0])).await;
        if matches!(peek, Some(Ok(1))) {
            // The box keeps this large future out of the task, which a silent connection has as well.
            Box::pin(self.serve_client(stream)).await;
        }
    }

    /// Does the TLS handshake if TLS is configured, then answers requests.
    async fn serve_client(&self, stream: TcpStream) {
        let stopping = &self.shared.stopping;
        let config = self.shared.web_config.get().await;
        let transport = match config.tls() {
            None => PlainOrTls::Plain(stream),
            Some(tls) => match unless_stopping(stopping, tls::accept(tls, stream)).await {
                Some(Ok(Some(stream))) => PlainOrTls::Tls(Box::new(stream)),
                Some(Err(_)) => return self.shared.refuse(Refusal::Tls, self.peer),
                Some(Ok(None)) | None => return,
            },
        };
        drop(config); // each request takes the configuration that is in force when it comes
        self.serve_http(ClientStream::new(transport, Rc::clone(&self.progress))).await;
    }

    /// Answers requests until the client ends the connection or the server is told to stop.
    async fn serve_http(&self, stream: ClientStream) {
        let Self { shared, peer, progress } = self;
        let service = service_fn(|request| {
            let response = router::respond(Rc::clone(shared), *peer, Rc::clone(progress), request);
            Box::pin(async { Ok::<_, Infallible>(response.await) })
        });
        let mut http = settings().serve_connection(TokioIo::new(stream), service);
        let mut stopping = shared.stopping.clone();
        let mut stopped = pin!(stopping.wait_for(|stopping| *stopping));
        let mut told = false;
        let result = poll_fn(|cx| {
            if let Poll::Ready(result) = http.poll_without_shutdown(cx) {
                return Poll::Ready(result);
            }
            if !told && stopped.as_mut().poll(cx).is_ready() {
                told = true;
                // hyper still finishes the response that is being made or written, and takes no request after it.
                Pin::new(&mut http).graceful_shutdown();
                if progress.phase() != ConnectionPhase::Response {
                    return Poll::Ready(Ok(()));
                }
                return http.poll_without_shutdown(cx);
            }
            Poll::Pending
        })
        .await;
        let mut io = http.into_parts().io.into_inner();
        if let Err(error) = result {
            if let Some(reason) = refusal(&error) {
                shared.refuse(reason, *peer);
            }
            if !error.is_parse() {
                // The client has gone, or making the page failed halfway. The TLS stream gets no orderly end, so that
                // the client does not take the part that it has for a whole page.
                return;
            }
            if error.is_parse_version_h2() {
                // An error means that the client has gone, and then there is nobody to tell.
                drop(io.write_all(VERSION_NOT_SUPPORTED).await);
            }
        }
        drop(io.shutdown().await);
    }
}

/// The settings of hyper. Its own time limit for a head is off, since it would run between two requests as well;
/// [`ServedConnection::within_deadlines`] has one that does not.
fn settings() -> http1::Builder {
    let mut settings = http1::Builder::new();
    settings
        .header_read_timeout(None)
        .max_headers(HEAD_FIELDS_MAX)
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        // A client may close its side once it has sent its request, and read the response after that.
        .half_close(true)
        // Scripts look for `Content-Type` in this letter case.
        .title_case_headers(true);
    settings
}

/// The reason to count where hyper refused a request; `None` where the client went away or making the page failed.
fn refusal(error: &hyper::Error) -> Option<Refusal> {
    if error.is_parse_too_large() {
        Some(Refusal::HeadTooLarge)
    } else if error.is_parse_version_h2() || is_version(error) {
        Some(Refusal::Version)
    } else {
        error.is_parse().then_some(Refusal::Syntax)
    }
}

/// Whether the request has an unknown version of HTTP. Only the text of hyper's error says so.
fn is_version(error: &hyper::Error) -> bool {
    error.is_parse() && error.to_string() == "invalid HTTP version parsed"
}
