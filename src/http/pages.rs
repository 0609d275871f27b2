//! What the server shows, and how a page comes from the threads that make it.
//!
//! The seam between connections, which only move bytes, and whoever makes those bytes. A page is asked for
//! piece by piece, and each answer comes over a channel, so that the thread `http` never waits for a page.
//! Knows nothing of how a page is made.

use std::fmt::Debug;
use std::sync::Arc;

pub use hyper::body::Bytes;
use tokio::sync::oneshot;

/// What the server shows; called on the thread `http`, so nothing here may block.
pub trait Pages: Debug + Send + Sync {
    /// Asks for a page of metrics; the answer is its first piece.
    fn begin(&self, encoding: Encoding) -> PieceReceiver;
    /// Whether the process is well (`/-/healthy`).
    fn live(&self) -> bool;
    /// Whether traffic should be sent here (`/health`, `/-/ready`); `false` from the begin of a stop.
    fn ready(&self) -> bool;
    /// The landing page, as HTML.
    fn landing(&self) -> String;
}

/// The encodings that a page is served in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Plain text.
    Identity,
    /// One gzip member.
    Gzip,
}

impl Encoding {
    /// Every encoding.
    pub const ALL: [Self; 2] = [Self::Gzip, Self::Identity];

    /// Its name in HTTP.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
        }
    }
}

/// A part of a page, as it is sent.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Its bytes.
    pub bytes: Bytes,
    /// How the next piece is asked for; `None` for the last piece.
    pub rest: Option<Arc<dyn PageRest>>,
}

/// The part of a page that has not been sent yet.
pub trait PageRest: Debug + Send + Sync {
    /// Asks for the next piece.
    fn ask(self: Arc<Self>) -> PieceReceiver;
}

/// An answer that is there already.
pub fn answered(result: Result<Piece, PageError>) -> PieceReceiver {
    let (sender, receiver) = oneshot::channel();
    drop(sender.send(result)); // the receiver is held here
    receiver
}

/// Where a piece arrives. A sender that is dropped without an answer means that the server is stopping.
pub type PieceReceiver = oneshot::Receiver<Result<Piece, PageError>>;

/// Why there is no page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageError {
    /// The code that makes pages panicked.
    Panicked,
    /// More is asked for than can be queued.
    Busy,
    /// The server is stopping.
    Stopping,
}

impl std::fmt::Display for PageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Panicked => "fault in the server",
            Self::Busy => "too many scrapes at once",
            Self::Stopping => "the server is stopping",
        })
    }
}

impl std::error::Error for PageError {}
