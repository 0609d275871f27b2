//! Writing a response: its head by the library, its body by us, piece by piece.
//!
//! A body whose length is not known goes out in chunks; to clients older than those, its end is that of
//! the connection.

use std::io::{self, ErrorKind, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tiny_http::{HTTPVersion, Header, Method, Response, StatusCode};

use super::Incoming;
use super::answer::Answer;
use super::body::{Content, Made};
use super::paced::Paced;

/// How a response ended; told while the connection is still open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// With so many bytes of body.
    Whole(u64),
    /// All is written, and the client waits for the connection's end.
    ByClosing,
    /// Before its end.
    Failed(ErrorKind),
}

impl Incoming {
    /// Writes the answer within `limit` in all, then calls `end` while the connection is still open.
    pub(super) fn respond(self, answer: Answer<'_>, limit: Duration, end: impl FnOnce(Ending)) {
        let version = self.0.http_version().clone();
        let head_only = *self.0.method() == Method::Head;
        let head = head(&answer, &version);
        let mut writer = Paced::new(self.0.into_writer(), limit);
        let write = || {
            writer.write_all(&head?)?;
            let ending = match answer.body {
                _ if head_only => Ending::Whole(0),
                Content::Whole(body) => {
                    body.pieces().iter().try_for_each(|piece| writer.write_all(piece))?;
                    Ending::Whole(body.len() as u64)
                }
                Content::Made(mut body) if takes_chunks(&version) => {
                    chunks(&mut *body, &mut writer)?
                }
                Content::Made(mut body) => to_the_end(&mut *body, &mut writer)?,
            };
            writer.flush()?;
            Ok(ending)
        };
        // A fault in the middle of a body must not leave the client waiting for the rest.
        match catch_unwind(AssertUnwindSafe(write)) {
            Ok(Ok(ending)) => end(ending),
            Ok(Err(error)) => end(Ending::Failed(io::Error::kind(&error))),
            Err(panic) => {
                end(Ending::Failed(ErrorKind::Other));
                std::panic::resume_unwind(panic);
            }
        }
    }
}

fn takes_chunks(version: &HTTPVersion) -> bool {
    *version >= HTTPVersion(1, 1)
}

/// The head of a response.
fn head(answer: &Answer<'_>, version: &HTTPVersion) -> io::Result<Vec<u8>> {
    const NO_LENGTH: &[u8] = b"Content-Length: 0\r\n";
    let headers = answer.headers.iter().copied().chain([("Server", "metrics-server")]);
    let headers =
        headers.filter_map(|(name, value)| Header::from_bytes(name, value).ok()).collect();
    // Without a length the library writes a length of 0 for old clients: cut out again below.
    let length = answer.body.len();
    let response = Response::new(StatusCode(answer.status), headers, io::empty(), length, None)
        .with_chunked_threshold(usize::MAX);
    let mut head = Vec::with_capacity(256);
    // The request's headers are kept from the library, lest it chooses a transfer coding by them.
    response.raw_print(&mut head, version.clone(), &[], true, None)?;
    if length.is_none()
        && let Some(at) = head.windows(NO_LENGTH.len()).position(|bytes| bytes == NO_LENGTH)
    {
        head.drain(at..at + NO_LENGTH.len());
    }
    Ok(head)
}

/// A body in chunks, each of which is one piece with its length before it.
fn chunks(body: &mut dyn Made, writer: &mut impl Write) -> io::Result<Ending> {
    const LENGTH: &[u8] = b"00000000\r\n";
    let (mut piece, mut sent) = (Vec::new(), 0);
    loop {
        piece.clear();
        piece.extend_from_slice(LENGTH);
        body.next(&mut piece);
        let len = piece.len() - LENGTH.len();
        if len == 0 {
            writer.write_all(b"0\r\n\r\n")?;
            return Ok(Ending::Whole(sent));
        }
        sent += len as u64;
        piece[..8].copy_from_slice(format!("{len:08x}").as_bytes());
        piece.extend_from_slice(b"\r\n");
        writer.write_all(&piece)?;
    }
}

/// A body that ends with the connection.
fn to_the_end(body: &mut dyn Made, writer: &mut impl Write) -> io::Result<Ending> {
    let mut piece = Vec::new();
    loop {
        piece.clear();
        body.next(&mut piece);
        if piece.is_empty() {
            return Ok(Ending::ByClosing);
        }
        writer.write_all(&piece)?;
    }
}
