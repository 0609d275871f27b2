//! The reasons for which logins are refused, their responses, and how often each has happened.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use hyper::StatusCode;

/// Why a request may not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoginRefusal {
    /// The request has no credentials.
    Missing,
    /// Its credentials cannot be read.
    Malformed,
    /// User or password is wrong. Clients are not told which of them.
    Wrong,
    /// The client has sent too many wrong passwords and has to wait.
    SlowedDown {
        /// How long it still has to wait, at least 1.
        retry_after_seconds: u64,
    },
    /// The queue of passwords that wait to be checked is full, or the server is stopping.
    QueueFull,
}

impl LoginRefusal {
    /// The refusal of a client that still has to wait for this long. Seconds are rounded up.
    pub(super) fn slowed_down(wait: Duration) -> Self {
        Self::SlowedDown {
            retry_after_seconds: wait.as_secs() + u64::from(wait.subsec_nanos() > 0),
        }
    }

    /// The status of the response.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Missing | Self::Malformed | Self::Wrong => StatusCode::UNAUTHORIZED,
            Self::SlowedDown { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::QueueFull => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The value of the response's header `Retry-After`, if it has one.
    pub(crate) fn retry_after_seconds(self) -> Option<u64> {
        match self {
            Self::SlowedDown { retry_after_seconds } => Some(retry_after_seconds),
            Self::QueueFull => Some(1),
            Self::Missing | Self::Malformed | Self::Wrong => None,
        }
    }

    fn index(self) -> usize {
        match self {
            Self::Missing => 0,
            Self::Malformed => 1,
            Self::Wrong => 2,
            Self::SlowedDown { .. } => 3,
            Self::QueueFull => 4,
        }
    }
}

/// The values of the label `reason`, in the order of [`LoginRefusal::index`].
const REASONS: [&str; 5] = ["missing", "malformed", "wrong", "slowed_down", "queue_full"];

/// Counts refused logins by reason.
#[derive(Debug, Default)]
pub(crate) struct RefusedLogins([AtomicU64; REASONS.len()]);

impl RefusedLogins {
    /// Counts one refused login.
    pub(super) fn count(&self, refusal: LoginRefusal) {
        self.0[refusal.index()].fetch_add(1, Relaxed);
    }

    /// Each reason, and how many logins were refused for it.
    pub(crate) fn by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REASONS.into_iter().zip(self.0.iter().map(|count| count.load(Relaxed)))
    }
}
