//! Rows become inserts, and answers become results.
//!
//! Runs on the sender. Pure but for [`all`], which sends.

use std::sync::Arc;

use cdrs_tokio::error::Error;
use cdrs_tokio::frame::message_error::ErrorType;
use cdrs_tokio::types::value::Value;
use tokio::task::JoinSet;

use super::cluster::REQUEST_TIMEOUT;
use super::error::describe;
use super::schema::TableShape;
use super::session::PreparedSession;
use super::timestamps::{AllottedTimestamp, TimestampAllocator, milliseconds};
use crate::sinks::row::RowLabels;
use crate::sinks::{RejectReason, Row, RowResult};

/// Inserts that wait for an answer at once.
const IN_FLIGHT: usize = 256;
/// The longest partition key that ScyllaDB takes, with the lengths of its parts; Cassandra takes 2 bytes more.
const KEY_MAX_BYTES: usize = 65_533;
/// Labels that are longer are no labels; a request has a bound too (16 MiB).
const LABELS_MAX_BYTES: usize = 1024 * 1024;
/// What a key of two parts takes besides them.
const KEY_PARTS_BYTES: usize = 2 * 3;

/// What became of a row that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
enum InsertResult {
    /// It is stored.
    Stored,
    /// It will never be stored, for this cause.
    Refused(RejectReason, String),
    /// It may be stored later, and the cluster works.
    Later(String),
    /// It may be stored by another session.
    Broken(String),
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(super) struct BatchInserts {
    /// By row; none where nothing is known.
    pub(super) results: Vec<Option<RowResult>>,
    /// By row, in tables without `seq`.
    pub(super) timestamps: Vec<Option<AllottedTimestamp>>,
    /// Why the first row that is to come again is.
    pub(super) why: Option<String>,
    /// Why the first row that the far end will never take is refused.
    pub(super) refused: Option<String>,
    /// The session is not to be used again.
    pub(super) broken: bool,
}

/// Sends the rows, a bounded number at once. After a row without an answer no more are begun. What is known
/// stands in `inserts` at once, so that nothing is lost if the caller stops waiting.
pub(super) async fn all(
    session: &Arc<PreparedSession>,
    rows: &[Row<'_>],
    timestamps: &mut TimestampAllocator,
    inserts: &mut BatchInserts,
) {
    inserts.results.resize(rows.len(), None);
    inserts.timestamps.resize(rows.len(), None);
    if let Some(first) = rows.first() {
        timestamps.begin(first.time_ns);
    }
    let mut sent = JoinSet::new();
    for (index, row) in rows.iter().enumerate() {
        match values(row, session.shape(), timestamps) {
            Ok((values, timestamp)) => {
                inserts.timestamps[index] = timestamp;
                let session = Arc::clone(session);
                // Nanoseconds of a u64 are fewer microseconds than an i64 holds.
                let written_us = (row.time_ns / 1_000).cast_signed();
                sent.spawn(async move {
                    (index, InsertResult::of(session.store(values, written_us).await))
                });
            }
            Err(reason) => inserts.results[index] = Some(RowResult::Rejected(reason)),
        }
        while sent.len() >= IN_FLIGHT {
            inserts.note(sent.join_next().await);
        }
        if inserts.broken {
            break;
        }
    }
    while let Some(done) = sent.join_next().await {
        inserts.note(Some(done));
    }
}

impl BatchInserts {
    fn note(&mut self, done: Option<Result<(usize, InsertResult), tokio::task::JoinError>>) {
        let (index, result) = match done {
            None => return,
            Some(Ok(done)) => done,
            Some(Err(error)) => {
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
            InsertResult::Broken(why) => {
                self.broken = true;
                self.why.get_or_insert(why);
            }
        }
    }
}

/// The values of an insert, and the row's timestamp in a table without `seq`.
fn values(
    row: &Row<'_>,
    shape: TableShape,
    timestamps: &mut TimestampAllocator,
) -> Result<(Vec<Value>, Option<AllottedTimestamp>), RejectReason> {
    let labels = map(row.labels());
    let by_labels = if shape.by_labels { labels.len() } else { 0 };
    let key = row.name.len() + by_labels + KEY_PARTS_BYTES;
    if key > KEY_MAX_BYTES || labels.len() > LABELS_MAX_BYTES {
        return Err(RejectReason::TooLong);
    }
    let timestamp = (!shape.has_seq).then(|| {
        let partition = (row.name, if shape.by_labels { &labels[..] } else { &[] });
        timestamps.of(row.time_ns, partition)
    });
    let ms = timestamp.map_or_else(|| milliseconds(row.time_ns), |timestamp| timestamp.ms);
    let mut values =
        vec![Value::new(row.name), Value::Some(labels), Value::new(ms), Value::new(row.value)];
    if shape.has_seq {
        values.push(Value::new(row.seq.cast_signed()));
    }
    Ok((values, timestamp))
}

/// A map as the protocol has it: how many, then each name and value with its length. Labels come sorted: the
/// database takes a map's bytes as they come, and equal labels have to be equal bytes.
fn map(labels: RowLabels<'_>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    bytes.extend_from_slice(&length(labels.len()));
    for text in labels.flat_map(|label| [label.name, label.value]) {
        bytes.extend_from_slice(&length(text.len()));
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// A length, or a number of things, as the protocol has it.
fn length(length: usize) -> [u8; 4] {
    assert!(i32::try_from(length).is_ok(), "a message has 1 GiB at most");
    #[expect(clippy::cast_possible_truncation, reason = "asserted")]
    (length as u32).to_be_bytes()
}

impl InsertResult {
    /// What an answer, or none, means.
    fn of(answer: Option<Result<(), Box<Error>>>) -> Self {
        let error = match answer {
            Some(Ok(())) => return InsertResult::Stored,
            Some(Err(error)) => error,
            None => return InsertResult::Broken(format!("no answer within {REQUEST_TIMEOUT:?}")),
        };
        let why = describe(&error);
        let Error::Server { body, .. } = &*error else { return InsertResult::Broken(why) };
        match &body.ty {
            ErrorType::Invalid if is_gone(&body.message) => InsertResult::Broken(why),
            ErrorType::Invalid if is_too_long(&body.message) => {
                InsertResult::Refused(RejectReason::TooLong, why)
            }
            ErrorType::Invalid => InsertResult::Refused(RejectReason::Refused, why),
            ErrorType::Server
            | ErrorType::Unavailable(_)
            | ErrorType::Overloaded
            | ErrorType::IsBootstrapping
            | ErrorType::Truncate
            | ErrorType::WriteTimeout(_)
            | ErrorType::WriteFailure(_)
            | ErrorType::ReadTimeout(_)
            | ErrorType::ReadFailure(_) => InsertResult::Later(why),
            // Rights, the schema, or what was prepared have changed.
            _ => InsertResult::Broken(why),
        }
    }
}

/// The table is not there any more: nothing is wrong with the row.
fn is_gone(message: &str) -> bool {
    ["unconfigured table", "does not exist", "Unknown keyspace"]
        .iter()
        .any(|part| message.contains(part))
}

fn is_too_long(message: &str) -> bool {
    ["longer than", "too large", "too long", "Cannot index value of size", "exceeds"]
        .iter()
        .any(|part| message.contains(part))
}

#[cfg(test)]
mod tests {
    use cdrs_tokio::frame::message_error::ErrorBody;

    use super::*;
    use crate::metric::{Label, Op, Sample};
    use crate::sinks::block::{Block, Stamps};
    use crate::sinks::row::tests::sample;

    const OURS: TableShape = TableShape { by_labels: true, has_seq: true };
    const OLD: TableShape = TableShape { by_labels: true, has_seq: false };

    /// A block with one row.
    fn block(labels: &[(&str, &str)], value: f64) -> Block {
        let labels: Vec<_> = labels.iter().map(|&(name, value)| Label { name, value }).collect();
        let sample = Sample {
            value,
            timestamp: Some("2020-01-01T00:00:00Z"),
            ..sample(Op::Raw, "m", &labels)
        };
        let mut block = Block::default();
        block.push(1_700_000_000_123_456_789, &sample, &[]);
        block.stamp(&mut Stamps::new(0, u64::MAX - 1));
        block
    }

    fn row(block: &Block) -> Row<'_> {
        block.iter().next().unwrap()
    }

    #[test]
    fn a_row_has_the_time_of_its_coming_and_its_labels() {
        let block = block(&[("a", "1"), ("b", "<")], 1e21);
        let (values, timestamp) =
            values(&row(&block), OURS, &mut TimestampAllocator::default()).unwrap();
        let labels = b"\0\0\0\x02\0\0\0\x01a\0\0\0\x011\0\0\0\x01b\0\0\0\x01<";
        let expected = [
            Value::new("m"),
            Value::Some(labels.to_vec()),
            Value::new(1_700_000_000_123_i64),
            Value::new(1e21),
            Value::new(-1_i64),
        ];
        assert_eq!((values.as_slice(), timestamp), (&expected[..], None));
    }

    #[test]
    fn an_old_table_has_four_columns_and_allotted_timestamps() {
        let mut timestamps = TimestampAllocator::default();
        let (first, timestamp) = values(&row(&block(&[], 0.1)), OLD, &mut timestamps).unwrap();
        assert_eq!((first.len(), timestamp.map(|timestamp| timestamp.moved)), (4, Some(false)));
    }

    #[test]
    fn keys_that_are_too_long_are_not_sent() {
        let judged = |len, shape| {
            let block = block(&[("a", &"x".repeat(len))], 1.0);
            values(&row(&block), shape, &mut TimestampAllocator::default()).map(|_| ())
        };
        // 65,533 less the name, 4 lengths of 4, 1, and 3 each for two parts.
        let fits = 65_533 - 1 - (4 + 4 + 1 + 4) - 6;
        assert_eq!(judged(fits, OURS), Ok(()));
        assert_eq!(judged(fits + 1, OURS), Err(RejectReason::TooLong));
        assert_eq!(judged(fits + 1, TableShape { by_labels: false, has_seq: false }), Ok(()));
    }

    #[test]
    fn answers_become_results() {
        let server = |ty, message: &str| {
            let body = ErrorBody { ty, message: message.to_owned() };
            let addr = "127.0.0.1:1".parse().unwrap();
            InsertResult::of(Some(Err(Box::new(Error::Server { body, addr }))))
        };
        let reason = |result| {
            if let InsertResult::Refused(reason, _) = result { Some(reason) } else { None }
        };
        assert_eq!(InsertResult::of(Some(Ok(()))), InsertResult::Stored);
        assert!(matches!(InsertResult::of(None), InsertResult::Broken(_)));
        assert!(matches!(
            InsertResult::of(Some(Err(Box::new(Error::General(String::new()))))),
            InsertResult::Broken(_)
        ));
        assert_eq!(
            reason(server(ErrorType::Invalid, "expected 8 bytes")),
            Some(RejectReason::Refused)
        );
        let long = "Key length of 65536 is longer than maximum of 65535";
        assert_eq!(reason(server(ErrorType::Invalid, long)), Some(RejectReason::TooLong));
        assert!(matches!(
            server(ErrorType::Invalid, "unconfigured table x"),
            InsertResult::Broken(_)
        ));
        assert!(matches!(server(ErrorType::Overloaded, ""), InsertResult::Later(_)));
        assert!(matches!(server(ErrorType::Unauthorized, ""), InsertResult::Broken(_)));
    }
}
