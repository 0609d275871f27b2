//! The rows, in the order of the table.

use crate::row::Row;

mod descriptors;
mod disk;
mod stop;

/// All rows.
pub(crate) const ALL: &[&Row] = &[&stop::UNDER_FLOOD, &disk::FULL, &descriptors::EXHAUSTED];
