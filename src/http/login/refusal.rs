//! Why a login was refused, and how often.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use hyper::StatusCode;

/// Why a request may not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoginRefusal {
    /// It has no credentials.
    Missing,
    /// Its credentials cannot be read.
    Malformed,
    /// User or password is wrong; which of them is not told.
    Wrong,
    /// Too many wrong passwords came from this address.
    SlowedDown {
        /// When it may try again, at least 1.
        retry_after_seconds: u64,
    },
    /// Too many passwords wait to be checked.
    QueueFull,
}

impl LoginRefusal {
    /// For an address that has to wait.
    pub(super) fn slowed_down(wait: Duration) -> Self {
        Self::SlowedDown {
            retry_after_seconds: wait.as_secs() + u64::from(wait.subsec_nanos() > 0),
        }
    }

    /// The answer's status.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Missing | Self::Malformed | Self::Wrong => StatusCode::UNAUTHORIZED,
            Self::SlowedDown { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::QueueFull => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The answer's `Retry-After`.
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

/// Values of the label `reason`, by [`LoginRefusal::index`].
const REASONS: [&str; 5] = ["missing", "malformed", "wrong", "slowed_down", "queue_full"];

/// Counts refused logins by reason.
#[derive(Debug, Default)]
pub(crate) struct RefusedLogins([AtomicU64; REASONS.len()]);

impl RefusedLogins {
    /// Counts one.
    pub(super) fn count(&self, refusal: LoginRefusal) {
        self.0[refusal.index()].fetch_add(1, Relaxed);
    }

    /// Each reason with its number.
    pub(crate) fn by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REASONS.into_iter().zip(self.0.iter().map(|count| count.load(Relaxed)))
    }
}
