//! One connection, from accept to close: TLS, then one request after the other by hyper, under deadlines.
//!
//! A task on the thread `http`.

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

/// The answer to a client that begins with HTTP/2. hyper would give it none.
const VERSION_NOT_SUPPORTED: &[u8] =
    b"HTTP/1.1 505 HTTP Version Not Supported\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// Serves a connection to its end.
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
            // Not logged: a client that keeps a connection for later does no wrong.
            ConnectionPhase::Idle => connection.shared.stats.count_idle_timeout(),
        }
    }
}

/// Waits for something, or for the begin of the stop: `None` then.
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

/// An open connection, but for its bytes.
struct ServedConnection {
    shared: Rc<ServerState>,
    peer: SocketAddr,
    progress: Rc<Progress>,
}

impl ServedConnection {
    /// Runs to the end, or to the deadline of the connection's phase; `None` then.
    async fn within_deadlines<T>(&self, served: impl Future<Output = T>) -> Option<T> {
        let deadline = || self.progress.deadline(&self.shared.limits);
        let mut served = pin!(served);
        let mut sleep = pin!(sleep_until(deadline()));
        poll_fn(|cx| {
            if let Poll::Ready(result) = served.as_mut().poll(cx) {
                return Poll::Ready(Some(result));
            }
            // What was done above may have begun another phase.
            let deadline = deadline();
            if sleep.deadline() != deadline {
                sleep.as_mut().reset(deadline);
            }
            sleep.as_mut().poll(cx).map(|()| None)
        })
        .await
    }

    /// Waits for the client's first byte, and serves it. It may take as long as the client likes.
    async fn serve(&self, stream: TcpStream) {
        // Until the first byte is there, a connection needs no buffer. tokio says of each new stream that it is
        // readable, so that `readable` would not wait for a byte. Looking at the byte does.
        let peek = unless_stopping(&self.shared.stopping, stream.peek(&mut [0])).await;
        if matches!(peek, Some(Ok(1))) {
            // In a box of its own, so that the task of a silent connection has no room for it.
            Box::pin(self.serve_client(stream)).await;
        }
    }

    /// Shakes hands where there is TLS, and answers requests.
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
        drop(config); // each request takes the configuration that is in force by then
        self.serve_http(ClientStream::new(transport, Rc::clone(&self.progress))).await;
    }

    /// Answers requests until the client or the stop ends the connection.
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
                // The response that is being made or written is the last one.
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
                // The client has gone, or the page broke off. Without an orderly end the client does not take
                // what it has for a whole page.
                return;
            }
            if error.is_parse_version_h2() {
                // A client that does not read this gets no answer.
                drop(io.write_all(VERSION_NOT_SUPPORTED).await);
            }
        }
        drop(io.shutdown().await);
    }
}

/// hyper's settings. The time for a head is ours: hyper's would run between requests as well.
fn settings() -> http1::Builder {
    let mut settings = http1::Builder::new();
    settings
        .header_read_timeout(None)
        .max_headers(HEAD_FIELDS_MAX)
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .half_close(true) // a client may send its request, close its side, and read the response
        .title_case_headers(true); // as scripts that look for `Content-Type` expect
    settings
}

/// Why a connection that failed was refused; `None` where its client went away, or its page failed.
fn refusal(error: &hyper::Error) -> Option<Refusal> {
    if error.is_parse_too_large() {
        Some(Refusal::HeadTooLarge)
    } else if error.is_parse_version_h2() || is_version(error) {
        Some(Refusal::Version)
    } else {
        error.is_parse().then_some(Refusal::Syntax)
    }
}

/// Whether the request has another version of HTTP. hyper tells this by the text of its error only.
fn is_version(error: &hyper::Error) -> bool {
    error.is_parse() && error.to_string() == "invalid HTTP version parsed"
}
