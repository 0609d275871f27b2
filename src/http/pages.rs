//! The interface between the HTTP server, which sends pages, and the threads that make them.
//!
//! The server asks for a page piece by piece, and each answer comes over a channel, so that the thread `http` never
//! blocks while a page is made. It must not know how pages are made.

use std::fmt::Debug;
use std::sync::Arc;

pub use hyper::body::Bytes;
use tokio::sync::oneshot;

/// The pages that the server shows. They are called on the thread `http`, so none of them may block.
pub trait Pages: Debug + Send + Sync {
    /// Asks for a page of metrics; the answer is its first piece.
    fn begin(&self, encoding: Encoding) -> PieceReceiver;
    /// Whether the process works, which `/-/healthy` tells.
    fn live(&self) -> bool;
    /// Whether traffic should be sent here, which `/health` and `/-/ready` tell; `false` once the server is stopping.
    fn ready(&self) -> bool;
    /// The landing page, as HTML.
    fn landing(&self) -> String;
}

/// The encodings that a page is served in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Plain text.
    Identity,
    /// Compressed as one gzip member.
    Gzip,
}

impl Encoding {
    /// Every encoding.
    pub const ALL: [Self; 2] = [Self::Gzip, Self::Identity];

    /// The name of the encoding in HTTP.
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
    /// The bytes to send.
    pub bytes: Bytes,
    /// With this the next piece is asked for; `None` in the last piece.
    pub rest: Option<Arc<dyn PageRest>>,
}

/// The part of a page that has not been sent yet.
pub trait PageRest: Debug + Send + Sync {
    /// Asks for the next piece.
    fn ask(self: Arc<Self>) -> PieceReceiver;
}

/// A receiver whose answer is there already.
pub fn answered(result: Result<Piece, PageError>) -> PieceReceiver {
    let (sender, receiver) = oneshot::channel();
    drop(sender.send(result)); // it cannot fail, since the receiver is still here
    receiver
}

/// Where a piece arrives. If the sender is dropped without an answer, the server is stopping.
pub type PieceReceiver = oneshot::Receiver<Result<Piece, PageError>>;

/// Why there is no page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageError {
    /// The code that makes pages panicked.
    Panicked,
    /// The queue of questions to the threads that make pages is full.
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
