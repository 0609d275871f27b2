//! The counters of the web configuration: refused logins, and when its file was read.
//!
//! The threads `http` and `web-config` write them, and the thread `exporter` reads them when it makes a page.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::clock;
use crate::http::login::{ForgottenLogins, RefusedLogins};

/// The counters, which all start at 0.
#[derive(Debug, Default)]
pub(crate) struct WebConfigStats {
    refused_logins: Arc<RefusedLogins>,
    forgotten_logins: Arc<ForgottenLogins>,
    read_failures: AtomicU64,
    read_timeouts: AtomicU64,
    last_success_unix_seconds: AtomicU64,
}

impl WebConfigStats {
    /// The counters of refused logins.
    pub(crate) fn refused_logins(&self) -> &Arc<RefusedLogins> {
        &self.refused_logins
    }

    /// The counters of what the login has forgotten.
    pub(crate) fn forgotten_logins(&self) -> &Arc<ForgottenLogins> {
        &self.forgotten_logins
    }

    /// How many requests stopped waiting for a changed file to be read.
    pub(crate) fn read_timeouts(&self) -> u64 {
        self.read_timeouts.load(Relaxed)
    }

    /// How many times a changed file could not be used.
    pub(crate) fn read_failures(&self) -> u64 {
        self.read_failures.load(Relaxed)
    }

    /// When the version in use was read, in seconds since 1970; `None` if there is no file.
    pub(crate) fn last_success_unix_seconds(&self) -> Option<u64> {
        Some(self.last_success_unix_seconds.load(Relaxed)).filter(|seconds| *seconds > 0)
    }

    pub(super) fn count_success(&self) {
        self.last_success_unix_seconds.store(clock::unix_ns() / 1_000_000_000, Relaxed);
    }

    pub(super) fn count_timeout(&self) {
        self.read_timeouts.fetch_add(1, Relaxed);
    }

    pub(super) fn count_failure(&self) {
        self.read_failures.fetch_add(1, Relaxed);
    }
}
