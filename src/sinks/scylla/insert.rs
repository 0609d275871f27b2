//! Sending a batch: its rows become inserts, and the answers become results.
//!
//! Runs on the sender.

use std::sync::Arc;

use tokio::task::{JoinError, JoinSet};

use super::insert_result::InsertResult;
use super::session::PreparedSession;
use super::timestamps::{AllottedTimestamp, TimestampAllocator};
use super::values::RowValues;
use crate::sinks::{Row, RowResult};

/// Inserts that may wait for an answer at once.
const IN_FLIGHT: usize = 256;

/// What is known of a batch.
#[derive(Debug, Default)]
pub(super) struct BatchInserts {
    /// By row; `None` while nothing is known of it.
    pub(super) results: Vec<Option<RowResult>>,
    /// By row; `None` in tables with `seq`.
    pub(super) timestamps: Vec<Option<AllottedTimestamp>>,
    /// For the log: why a row has to be sent again; that of the first such row.
    pub(super) why: Option<String>,
    /// For the log: why a row is refused for good; that of the first such row.
    pub(super) refused: Option<String>,
    /// Whether the database said nothing of a row, which may be the cause.
    pub(super) silent: bool,
    /// Whether the session must not be used again.
    pub(super) broken: bool,
}

/// The answer to the insert of one row.
struct InsertDone {
    /// The row's place in the batch.
    index: usize,
    result: InsertResult,
}

/// Sends the rows, a bounded number at once. Once the session is broken no more inserts are begun, but all rows get
/// their timestamps, in their order. Each result is put into `inserts` as soon as it is known, so that none is lost if
/// the caller stops waiting.
pub(super) async fn all(
    session: &Arc<PreparedSession>,
    rows: &[Row<'_>],
    timestamps: &mut TimestampAllocator,
    inserts: &mut BatchInserts,
) {
    inserts.results.resize(rows.len(), None);
    inserts.timestamps.resize(rows.len(), None);
    let mut sent = JoinSet::new();
    for (index, row) in rows.iter().enumerate() {
        match RowValues::of(row, session.shape(), timestamps) {
            Ok(RowValues { values, timestamp }) => {
                inserts.timestamps[index] = timestamp;
                if inserts.broken {
                    continue;
                }
                let session = Arc::clone(session);
                // An i64 holds the microseconds of all nanoseconds that a u64 holds.
                let written_us = (row.time_ns / 1_000).cast_signed();
                sent.spawn(async move {
                    let answer = session.store(values, written_us).await;
                    InsertDone { index, result: InsertResult::of(answer) }
                });
            }
            Err(reason) => inserts.results[index] = Some(RowResult::Rejected(reason)),
        }
        while sent.len() >= IN_FLIGHT
            && let Some(done) = sent.join_next().await
        {
            inserts.note(done);
        }
    }
    while let Some(done) = sent.join_next().await {
        inserts.note(done);
    }
}

impl BatchInserts {
    fn note(&mut self, done: Result<InsertDone, JoinError>) {
        let InsertDone { index, result } = match done {
            Ok(done) => done,
            Err(error) => {
                self.broken = true;
                self.why.get_or_insert_with(|| format!("a fault of the driver: {error}"));
                return;
            }
        };
        match result {
            InsertResult::Stored => self.results[index] = Some(RowResult::Delivered),
            InsertResult::Refused(reason, why) => {
                self.results[index] = Some(RowResult::Rejected(reason));
                self.refused.get_or_insert(why);
            }
            InsertResult::Later(why) => drop(self.why.get_or_insert(why)),
            InsertResult::Failed(why) => {
                self.silent = true;
                self.why.get_or_insert(why);
            }
            InsertResult::NoAnswer(why) => {
                (self.silent, self.broken) = (true, true);
                self.why.get_or_insert(why);
            }
            InsertResult::Broken(why) => {
                self.broken = true;
                self.why.get_or_insert(why);
            }
        }
    }
}
