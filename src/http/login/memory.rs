//! What is remembered of earlier logins.
//!
//! The thread `http` and the checks of passwords on the thread `web-config` share it under one lock.

use std::sync::Arc;

use super::forgotten::ForgottenLogins;
use super::peers::Peers;
use super::results::Results;

/// The results of earlier logins and the clients that failed. Its lock is held for a few look-ups in tables at a time,
/// never while a password is checked.
pub(super) struct Memory {
    pub(super) results: Results,
    pub(super) peers: Peers,
}

impl Memory {
    /// The memory of a process in which nobody has tried to log in yet.
    pub(super) fn new(forgotten: Arc<ForgottenLogins>) -> Self {
        Self { results: Results::new(Arc::clone(&forgotten)), peers: Peers::new(forgotten) }
    }
}
