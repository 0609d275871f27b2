//! What earlier logins left behind. The thread `http` and the checks of passwords share it.

use super::peers::Peers;
use super::results::Results;

/// Under one lock, which nobody holds for long.
pub(super) struct Memory {
    pub(super) results: Results,
    pub(super) peers: Peers,
}

impl Memory {
    /// Nobody has tried yet.
    pub(super) fn new() -> Self {
        Self { results: Results::new(), peers: Peers::new() }
    }
}
