//! The values of an insert: a row's fields as the protocol has them.
//!
//! Pure, but for the timestamps that are allotted.

use cdrs_tokio::types::value::Value;

use super::schema::TableShape;
use super::timestamps::{AllottedTimestamp, TimestampAllocator, milliseconds};
use crate::sinks::row::RowLabels;
use crate::sinks::{RejectReason, Row};

/// The longest partition key that ScyllaDB takes, with the lengths of its parts. Cassandra takes 2 bytes more.
const KEY_MAX_BYTES: usize = 65_533;
/// What a key of two parts takes besides them: a length of 2 bytes and an end of 1 byte for each.
const KEY_PARTS_BYTES: usize = 2 * 3;
/// The longest labels that are sent where they are no part of the key. Without a bound a row could be longer than
/// the 16 MiB that a request may have.
const LABELS_MAX_BYTES: usize = 1024 * 1024;

/// What is sent of a row.
#[derive(Debug)]
pub(super) struct RowValues {
    /// In the order of [`TableShape::insert`].
    pub(super) values: Vec<Value>,
    /// The row's timestamp if it was allotted, as in tables without `seq`.
    pub(super) timestamp: Option<AllottedTimestamp>,
}

impl RowValues {
    /// The values of a row in a table of this shape.
    ///
    /// # Errors
    /// The row is longer than the database takes.
    pub(super) fn of(
        row: &Row<'_>,
        shape: TableShape,
        timestamps: &mut TimestampAllocator,
    ) -> Result<Self, RejectReason> {
        let labels = map(row.labels());
        let labels_in_key = if shape.by_labels { &labels[..] } else { &[] };
        let key_bytes = row.name.len() + labels_in_key.len() + KEY_PARTS_BYTES;
        if key_bytes > KEY_MAX_BYTES || labels.len() > LABELS_MAX_BYTES {
            return Err(RejectReason::TooLong);
        }
        let timestamp =
            (!shape.has_seq).then(|| timestamps.of(row.time_ns, (row.name, labels_in_key)));
        let ms = timestamp.map_or_else(|| milliseconds(row.time_ns), |timestamp| timestamp.ms);
        let mut values =
            vec![Value::new(row.name), Value::Some(labels), Value::new(ms), Value::new(row.value)];
        if shape.has_seq {
            values.push(Value::new(row.seq.cast_signed()));
        }
        Ok(Self { values, timestamp })
    }
}

/// A map as the protocol has it: the number of its entries, then each name and value with its length. The
/// database compares maps by these bytes, so equal labels must always have the same order; labels are sorted.
fn map(labels: RowLabels<'_>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    bytes.extend_from_slice(&length(labels.len()));
    for text in labels.flat_map(|label| [label.name, label.value]) {
        bytes.extend_from_slice(&length(text.len()));
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// A length, or a number of entries, as the protocol has it.
fn length(length: usize) -> [u8; 4] {
    assert!(i32::try_from(length).is_ok(), "a message has 1 GiB at most");
    #[expect(clippy::cast_possible_truncation, reason = "asserted")]
    (length as u32).to_be_bytes()
}

#[cfg(test)]
mod tests {
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
        let inserted =
            RowValues::of(&row(&block), OURS, &mut TimestampAllocator::default()).unwrap();
        let labels = b"\0\0\0\x02\0\0\0\x01a\0\0\0\x011\0\0\0\x01b\0\0\0\x01<";
        let expected = [
            Value::new("m"),
            Value::Some(labels.to_vec()),
            Value::new(1_700_000_000_123_i64),
            Value::new(1e21),
            Value::new(-1_i64),
        ];
        assert_eq!((inserted.values.as_slice(), inserted.timestamp), (&expected[..], None));
    }

    #[test]
    fn an_old_table_has_four_columns_and_allotted_timestamps() {
        let mut timestamps = TimestampAllocator::default();
        let first = RowValues::of(&row(&block(&[], 0.1)), OLD, &mut timestamps).unwrap();
        let moved = first.timestamp.map(|timestamp| timestamp.moved);
        assert_eq!((first.values.len(), moved), (4, Some(false)));
    }

    #[test]
    fn keys_that_are_too_long_are_not_sent() {
        let judged = |len, shape| {
            let block = block(&[("a", &"x".repeat(len))], 1.0);
            RowValues::of(&row(&block), shape, &mut TimestampAllocator::default()).map(|_| ())
        };
        // Less the name, the labels' number, the label's name and value's length, and the lengths of the two parts.
        let fits = 65_533 - 1 - (4 + (4 + 1) + 4) - 6;
        assert_eq!(judged(fits, OURS), Ok(()));
        assert_eq!(judged(fits + 1, OURS), Err(RejectReason::TooLong));
        assert_eq!(judged(fits + 1, TableShape { by_labels: false, has_seq: false }), Ok(()));
    }
}
