//! The body of a response: one buffer, or a page that arrives piece by piece.
//!
//! Polled by hyper on the thread `http`. While one piece is being written, the next is asked for: so much
//! is prefetched for a response, and no more, however slowly its client reads.

use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};

use super::pages::{PageError, PageRest, Piece, PieceReceiver};
use super::progress::ResponseGuard;

/// The body of a response.
#[derive(Debug)]
pub(super) struct ResponseBody {
    /// The bytes that are there and not taken yet.
    ready: Bytes,
    /// The piece that follows them.
    next: Option<PieceReceiver>,
    /// Tells the connection, and the counters of scrapes, that the body has ended.
    _guard: ResponseGuard,
}

impl ResponseBody {
    /// A body that is there as a whole.
    pub(super) fn whole(bytes: impl Into<Bytes>, guard: ResponseGuard) -> Self {
        Self { ready: bytes.into(), next: None, _guard: guard }
    }

    /// A page of which the first piece is there.
    pub(super) fn page(first: Piece, guard: ResponseGuard) -> Self {
        let next = first.rest.map(PageRest::ask);
        Self { ready: first.bytes, next, _guard: guard }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = PageError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, PageError>>> {
        if !self.ready.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.ready)))));
        }
        let Some(next) = &mut self.next else { return Poll::Ready(None) };
        let Poll::Ready(answer) = Pin::new(next).poll(cx) else { return Poll::Pending };
        self.next = None;
        let piece = answer.unwrap_or(Err(PageError::Stopping))?;
        self.next = piece.rest.map(PageRest::ask);
        Poll::Ready(Some(Ok(Frame::data(piece.bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.ready.is_empty() && self.next.is_none()
    }

    /// Exact where all is there; otherwise hyper sends the body in chunks, or to the connection's end.
    fn size_hint(&self) -> SizeHint {
        if self.next.is_none() {
            SizeHint::with_exact(self.ready.len() as u64)
        } else {
            SizeHint::default()
        }
    }
}
