//! The body of a response: one buffer, or a page that arrives piece by piece.
//!
//! hyper polls it on the thread `http`. While hyper writes one piece, the next is asked for, so that it is there in time.
//! No more than these two pieces are held for a response, however slowly its client reads.

use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};

use super::pages::{PageError, PageRest, Piece, PieceReceiver};
use super::progress::ResponseGuard;

/// The body of a response.
#[derive(Debug)]
pub(super) struct ResponseBody {
    /// Bytes that have arrived and that hyper has not taken yet.
    ready: Bytes,
    /// Where the piece that follows them will arrive; `None` where none follows.
    next: Option<PieceReceiver>,
    /// When it is dropped with the body, the connection and the counters of scrapes learn that the body has ended.
    _guard: ResponseGuard,
}

impl ResponseBody {
    /// A body of which all bytes are there.
    pub(super) fn whole(bytes: impl Into<Bytes>, guard: ResponseGuard) -> Self {
        Self { ready: bytes.into(), next: None, _guard: guard }
    }

    /// A page whose first piece is there.
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

    /// The exact size once all bytes are there. While a piece is missing the size is unknown: then hyper sends the body
    /// in chunks, or closes the connection at its end where the client does not know chunks.
    fn size_hint(&self) -> SizeHint {
        if self.next.is_none() {
            SizeHint::with_exact(self.ready.len() as u64)
        } else {
            SizeHint::default()
        }
    }
}
