//! What the server counts about itself.
//!
//! Each worker has a block of numbers of its own ([`WorkerStats`]), written by it alone with plain loads and
//! stores, and read by the exporter. `families` says what they are called on the page and what they mean.

mod counter;
mod families;
mod loop_lag;
mod worker_stats;

pub use self::counter::Counter;
#[cfg(test)]
pub(crate) use self::families::STANDARD_FAMILIES;
pub(crate) use self::families::{FamilyDesc, OwnFamily, StandardFamily};
pub use self::families::{is_reserved, markdown_table};
pub(crate) use self::loop_lag::LOOP_LAG_BOUNDS_SECONDS;
pub use self::worker_stats::{CloseReason, Stats, Transport, WorkerStats};
