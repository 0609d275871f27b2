//! Why a request has no answer, and whether the far end may have been given it.
//!
//! Pure. It matters for the rows of the request: one that never left speaks of nothing but the way.

use std::fmt;
use std::io::ErrorKind;

use ureq::Timeout;

/// Why a request has no answer.
#[derive(Debug)]
pub(crate) struct NoAnswer {
    cause: String,
    may_have_arrived: bool,
}

impl NoAnswer {
    /// The request was not sent.
    pub(super) fn unsent(cause: &anyhow::Error) -> Self {
        Self { cause: format!("{cause:#}"), may_have_arrived: false }
    }

    /// The client gave up with this error.
    pub(super) fn of(error: &ureq::Error) -> Self {
        Self { cause: error.to_string(), may_have_arrived: may_have_arrived(error) }
    }

    /// Whether the far end may have been given the request.
    pub(crate) fn may_have_arrived(&self) -> bool {
        self.may_have_arrived
    }
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

impl std::error::Error for NoAnswer {}

/// Whether there was a connection, which then gave no answer or half of one.
fn may_have_arrived(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Timeout(timeout) => !matches!(timeout, Timeout::Connect | Timeout::Resolve),
        ureq::Error::Io(error) => matches!(
            error.kind(),
            ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
                | ErrorKind::UnexpectedEof
                | ErrorKind::TimedOut
                | ErrorKind::WouldBlock
        ),
        ureq::Error::Protocol(_)
        | ureq::Error::BodyExceedsLimit(_)
        | ureq::Error::BodyStalled
        | ureq::Error::LargeResponseHeader(..)
        | ureq::Error::Decompress(..) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_far_end_that_cannot_be_reached_was_given_nothing() {
        let io = |kind: ErrorKind| ureq::Error::Io(io::Error::from(kind));
        for error in [
            ureq::Error::Timeout(Timeout::Connect),
            ureq::Error::Timeout(Timeout::Resolve),
            ureq::Error::HostNotFound,
            ureq::Error::ConnectionFailed,
            io(ErrorKind::ConnectionRefused),
            io(ErrorKind::InvalidData),
        ] {
            assert!(!NoAnswer::of(&error).may_have_arrived(), "{error}");
        }
        for error in [
            ureq::Error::Timeout(Timeout::Global),
            ureq::Error::Timeout(Timeout::RecvResponse),
            io(ErrorKind::ConnectionReset),
            io(ErrorKind::UnexpectedEof),
            ureq::Error::BodyExceedsLimit(1),
        ] {
            assert!(NoAnswer::of(&error).may_have_arrived(), "{error}");
        }
    }
}
