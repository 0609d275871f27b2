//! A row: one message on its way to a far end, as its fields, in one run of bytes.
//!
//! ```text
//! head    │ length u32 │ time_ns u64 │ seq u64 │ value f64 │ op, hops u8 │ labels u32 │
//! lengths │ of each text u32 …                  all numbers little endian, no padding
//! texts   │ name │ label name │ label value │ … │ help │ index │ buckets │ timestamp │
//! ```
//!
//! `length` is that of the whole row. An ingest worker encodes rows and leaves `seq` at 0; the spooler sets it
//! together with the final time. A sink reads the fields that it needs and parses no text. Pure data; a row must
//! not know where it goes.

use crate::metric::{Hops, Label, Op};

mod buckets;
pub(super) mod encode;
mod json;
mod layout;
mod timestamp;

use layout::{
    HEAD_BYTES, HOPS_SHIFT, LABELS, OP, OP_MASK, SEQ, TEXTS_WITHOUT_LABELS, TIME, Texts, VALUE,
    array,
};

/// Bytes of the lengths of a label's name and value.
const LABEL_LENGTHS_BYTES: usize = 8;

/// A row, as the sender sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row<'a> {
    /// When it was received, in nanoseconds since 1970. Of two rows of one sink the later one has the later time,
    /// even if they were received at the same moment, and a row that is sent again has the time that it had: a
    /// far end can tell rows apart by it.
    pub time_ns: u64,
    /// A number that counts up from one drawn at random when the server starts. Rows of different servers may
    /// have the same time; they hardly ever have the same number as well.
    pub seq: u64,
    /// What the message asked for.
    pub op: Op,
    /// How many routers have passed the message on.
    pub hops: Hops,
    /// The message's value; finite.
    pub value: f64,
    /// The message's name.
    pub name: &'a str,
    /// The name of an index without its day, as the message gives it; empty if it gives none.
    pub index: &'a str,
    labels: RowLabels<'a>,
    help: &'a str,
    /// The bucket fields as members of a JSON object; empty if the message has none.
    buckets: &'a str,
    /// The message's own time in RFC 3339; empty if it has no valid one.
    timestamp: &'a str,
    encoded: &'a [u8],
}

impl<'a> Row<'a> {
    /// Reads the row that `bytes` begin with, and returns what follows it. `None` if they begin with no row.
    pub(super) fn decode(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (encoded, rest) = bytes.split_at_checked(layout::length(bytes)?)?;
        let (head, body) = encoded.split_at_checked(HEAD_BYTES)?;
        let labels = u32::from_le_bytes(array(&head[LABELS])) as usize;
        let lengths_bytes =
            labels.checked_mul(2)?.checked_add(TEXTS_WITHOUT_LABELS)?.checked_mul(4)?;
        let (lengths, texts) = body.split_at_checked(lengths_bytes)?;
        let mut texts = Texts { lengths, rest: std::str::from_utf8(texts).ok()? };
        let name = texts.next()?;
        let label_texts =
            Texts { lengths: &texts.lengths[..labels * LABEL_LENGTHS_BYTES], ..texts };
        for _ in 0..labels * 2 {
            texts.next()?;
        }
        let row = Self {
            time_ns: u64::from_le_bytes(array(&head[TIME])),
            seq: u64::from_le_bytes(array(&head[SEQ])),
            op: *Op::ALL.get(usize::from(head[OP] & OP_MASK))?,
            hops: Hops::new(u64::from(head[OP] >> HOPS_SHIFT)),
            value: f64::from_le_bytes(array(&head[VALUE])),
            name,
            labels: RowLabels(label_texts),
            help: texts.next()?,
            index: texts.next()?,
            buckets: texts.next()?,
            timestamp: texts.next()?,
            encoded,
        };
        texts.rest.is_empty().then_some((row, rest))
    }

    /// The labels: the message's, those of `-extra-labels`, and those of the source. Sorted bytewise by name,
    /// each name once.
    pub fn labels(&self) -> RowLabels<'a> {
        self.labels.clone()
    }

    /// The bytes that this row was read from.
    pub(super) fn encoded(&self) -> &'a [u8] {
        self.encoded
    }
}

/// Iterates over the labels of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowLabels<'a>(Texts<'a>);

impl<'a> Iterator for RowLabels<'a> {
    type Item = Label<'a>;

    fn next(&mut self) -> Option<Label<'a>> {
        Some(Label { name: self.0.next()?, value: self.0.next()? })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let labels = self.0.lengths.len() / LABEL_LENGTHS_BYTES;
        (labels, Some(labels))
    }
}

impl ExactSizeIterator for RowLabels<'_> {}

#[cfg(test)]
pub(crate) mod tests {
    use super::encode::{Stamp, encode, restamp};
    use super::*;
    use crate::metric::{BucketParams, Sample};
    use crate::text::labels::constant_labels;

    /// A message with this op, name and labels, a value of 1, and nothing else.
    pub(crate) fn sample<'a>(op: Op, name: &'a str, labels: &'a [Label<'a>]) -> Sample<'a> {
        Sample {
            op,
            name,
            labels,
            help: "",
            value: 1.0,
            buckets: BucketParams::default(),
            timestamp: None,
            index: "",
            hops: Hops::default(),
        }
    }

    fn encoded() -> Vec<u8> {
        let labels = [Label { name: "a", value: "1" }, Label { name: "b", value: "lost" }];
        let message = Sample {
            help: "h",
            value: -0.5,
            buckets: BucketParams { count: 3, ..BucketParams::default() },
            timestamp: Some("2024-01-02T03:04:05Z"),
            index: "i",
            hops: Hops::new(3),
            ..sample(Op::Index, "näme", &labels)
        };
        let mut bytes = Vec::new();
        encode(&mut bytes, 7, &message, &constant_labels([("b", "2"), ("c", "é")]));
        bytes
    }

    #[test]
    fn a_row_gives_back_what_it_was_made_of() {
        let mut bytes = encoded();
        let length = bytes.len();
        let stamp = |received_ns| Stamp { time_ns: received_ns + 1, seq: 9 };
        assert_eq!(restamp(&mut bytes, stamp), Some(length));
        bytes.extend_from_slice(b"next");
        let (row, rest) = Row::decode(&bytes).unwrap();
        assert_eq!(rest, b"next");
        assert_eq!((row.time_ns, row.seq, row.value), (8, 9, -0.5));
        assert_eq!((row.op, row.hops.get()), (Op::Index, 3));
        assert_eq!((row.name, row.index, row.help), ("näme", "i", "h"));
        assert_eq!((row.buckets, row.timestamp), (",\"buckets\":3", "2024-01-02T03:04:05Z"));
        let labels: Vec<_> = row.labels().map(|label| (label.name, label.value)).collect();
        assert_eq!(labels, [("a", "1"), ("b", "2"), ("c", "é")]);
        assert_eq!(row.labels().len(), 3);
        assert_eq!(row.encoded(), &bytes[..length]);
    }

    #[test]
    fn cut_bytes_are_no_row() {
        let bytes = encoded();
        for len in 0..bytes.len() {
            assert_eq!(Row::decode(&bytes[..len]), None, "{len}");
        }
        let stamp = |time_ns| Stamp { time_ns, seq: 0 };
        assert!(restamp(&mut bytes.clone()[..HEAD_BYTES - 1], stamp).is_none());
    }

    #[test]
    fn damaged_bytes_never_make_a_fault() {
        let bytes = encoded();
        for at in 0..bytes.len() {
            for damage in [1, 0x10, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= damage;
                if let Some((row, _)) = Row::decode(&damaged) {
                    let bytes: usize = row.labels().map(|label| label.name.len()).sum();
                    assert!(bytes <= damaged.len());
                }
            }
        }
    }
}
