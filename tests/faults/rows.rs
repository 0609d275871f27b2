//! The rows, in the order of the table.

use crate::row::Row;

mod answers;
mod backlog;
mod chain;
mod clock;
mod dear;
mod descriptors;
mod disk;
mod existing;
mod kill;
mod outage;
mod panics;
mod scrape;
mod second;
mod series;
mod stderr;
mod stop;

/// All rows.
pub(crate) const ALL: &[&Row] = &[
    &kill::UNDER_FLOOD,
    &stop::UNDER_FLOOD,
    &outage::ONE_BY_ONE,
    &outage::WITHOUT_ANSWER,
    &outage::TORN,
    &answers::MIXED,
    &backlog::FAR_BEHIND,
    &answers::SAME_KEY,
    &disk::FULL,
    &panics::IN_A_WORKER,
    &scrape::STORM_ROW,
    &series::BOMB,
    &series::HOPPING,
    &clock::STEPS,
    &descriptors::EXHAUSTED,
    &stderr::FULL,
    &second::INSTANCE,
    &chain::RESTARTED,
    &existing::ACCOUNT,
    &existing::MEMORY_BACK,
    &existing::UNIX_BYTES,
    &existing::FAIRNESS,
    &existing::NEWCOMERS,
    &existing::ORDER,
    &dear::BYTES,
];
