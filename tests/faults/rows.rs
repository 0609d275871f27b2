//! The rows, in the order of the table.

use crate::row::Row;

mod chain;
mod descriptors;
mod disk;
mod panics;
mod second;
mod stderr;
mod stop;

/// All rows.
pub(crate) const ALL: &[&Row] = &[
    &stop::UNDER_FLOOD,
    &disk::FULL,
    &panics::IN_A_WORKER,
    &descriptors::EXHAUSTED,
    &stderr::FULL,
    &second::INSTANCE,
    &chain::RESTARTED,
];
