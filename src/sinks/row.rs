//! A row: one message on its way to a far end, as its fields, in one run of bytes.
//!
//! ```text
//! head    │ length u32 │ time_ns u64 │ seq u64 │ value f64 │ op u8 │ labels u32 │
//! lengths │ of each text u32 …                  all numbers little endian, no padding
//! texts   │ name │ label name │ label value │ … │ help │ index │ buckets │ timestamp │
//! ```
//!
//! `length` is that of the whole row. An ingest worker writes rows and leaves `seq` open; the spooler sets it
//! with the final time. A sink reads the fields that it needs and parses no text. Pure data; it must not know
//! where rows go.

use std::ops::Range;

use crate::metric::{Label, Op, Sample};
use crate::text::labels::{ConstantLabel, merge};

mod buckets;
mod json;
mod timestamp;

const TIME: Range<usize> = 4..12;
const SEQ: Range<usize> = 12..20;
const VALUE: Range<usize> = 20..28;
const OP: usize = 28;
const LABELS: Range<usize> = 29..33;
const HEAD_BYTES: usize = 33;
/// Texts of a row without labels: name, help, index, buckets, timestamp.
const TEXTS_WITHOUT_LABELS: usize = 5;
/// The lengths of a label's name and value.
const LABEL_LENGTHS_BYTES: usize = 8;

/// A row, as the sender sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row<'a> {
    /// When it was received, in nanoseconds since 1970. Later rows of one sink have later times, also
    /// those that came with them, and a repeated row has the same: a far end can tell rows by it.
    pub time_ns: u64,
    /// A number that counts up from one drawn at random at start: no two rows of one time have the same,
    /// also not rows of different servers.
    pub seq: u64,
    /// What the message asked for.
    pub op: Op,
    /// The message's value; finite.
    pub value: f64,
    /// The message's name.
    pub name: &'a str,
    /// The template of an index name; empty for none.
    pub index: &'a str,
    labels: RowLabels<'a>,
    help: &'a str,
    /// The bucket fields as members of a JSON object; empty for none.
    buckets: &'a str,
    /// RFC 3339; empty where the message had no valid one.
    timestamp: &'a str,
    /// Name and labels, run together.
    series: &'a str,
    encoded: &'a [u8],
}

impl<'a> Row<'a> {
    /// Reads the row that `bytes` begin with, and returns what follows it. `None` if they begin with no row.
    pub(super) fn decode(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (encoded, rest) = bytes.split_at_checked(length(bytes)?)?;
        let (head, body) = encoded.split_at_checked(HEAD_BYTES)?;
        let labels = u32::from_le_bytes(array(&head[LABELS])) as usize;
        let lengths_bytes =
            labels.checked_mul(2)?.checked_add(TEXTS_WITHOUT_LABELS)?.checked_mul(4)?;
        let (lengths, texts) = body.split_at_checked(lengths_bytes)?;
        let mut texts = Texts { lengths, rest: std::str::from_utf8(texts).ok()? };
        let all_texts = texts.rest;
        let name = texts.next()?;
        let labels_lengths = texts.lengths;
        let labels_texts = texts.rest;
        for _ in 0..labels * 2 {
            texts.next()?;
        }
        let labels_lengths = &labels_lengths[..labels * LABEL_LENGTHS_BYTES];
        let series_bytes = all_texts.len() - texts.rest.len();
        let row = Self {
            time_ns: u64::from_le_bytes(array(&head[TIME])),
            seq: u64::from_le_bytes(array(&head[SEQ])),
            op: *Op::ALL.get(usize::from(head[OP]))?,
            value: f64::from_le_bytes(array(&head[VALUE])),
            name,
            labels: RowLabels(Texts { lengths: labels_lengths, rest: labels_texts }),
            help: texts.next()?,
            index: texts.next()?,
            buckets: texts.next()?,
            timestamp: texts.next()?,
            series: &all_texts[..series_bytes],
            encoded,
        };
        texts.rest.is_empty().then_some((row, rest))
    }

    /// The message's labels, the extra ones and those of the source; sorted bytewise by name, each name once.
    pub fn labels(&self) -> RowLabels<'a> {
        self.labels.clone()
    }

    /// Tells the row's series from most others: rows of one series have the same text.
    pub fn series(&self) -> &'a str {
        self.series
    }

    /// The bytes that this row is read from.
    pub(super) fn encoded(&self) -> &'a [u8] {
        self.encoded
    }
}

/// Appends the row of a message, whose labels `constants` override. `seq` is left open.
pub(super) fn encode(
    out: &mut Vec<u8>,
    time_ns: u64,
    sample: &Sample<'_>,
    constants: &[ConstantLabel],
) {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD_BYTES]);
    push_length(out, sample.name.len());
    let mut labels = 0;
    merge(sample.labels, constants, |label| {
        let Label { name, value } = label.label();
        push_length(out, name.len());
        push_length(out, value.len());
        labels += 1;
    });
    push_length(out, sample.help.len());
    push_length(out, sample.index.len());
    let late_lengths = out.len();
    out.extend_from_slice(&[0; 8]); // of the two texts that are yet to be written
    out.extend_from_slice(sample.name.as_bytes());
    merge(sample.labels, constants, |label| {
        let Label { name, value } = label.label();
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(value.as_bytes());
    });
    out.extend_from_slice(sample.help.as_bytes());
    out.extend_from_slice(sample.index.as_bytes());
    let buckets = out.len();
    buckets::write_members(out, &sample.buckets);
    let timestamp = out.len();
    if let Some(text) = sample.timestamp {
        timestamp::write(out, text);
    }
    let end = out.len();
    out[late_lengths..late_lengths + 4].copy_from_slice(&u32_bytes(timestamp - buckets));
    out[late_lengths + 4..late_lengths + 8].copy_from_slice(&u32_bytes(end - timestamp));
    let head = &mut out[start..start + HEAD_BYTES];
    head[..4].copy_from_slice(&u32_bytes(end - start));
    head[TIME].copy_from_slice(&time_ns.to_le_bytes());
    head[VALUE].copy_from_slice(&sample.value.to_le_bytes());
    head[OP] = sample.op as u8;
    head[LABELS].copy_from_slice(&u32_bytes(labels));
}

/// Sets the time and the number of the row that `bytes` begin with, to what `stamp` makes of its time.
/// Returns the row's length; `None` if there is no row.
pub(super) fn restamp(bytes: &mut [u8], stamp: impl FnOnce(u64) -> (u64, u64)) -> Option<usize> {
    let length = length(bytes)?;
    let head = bytes.get_mut(..length)?.get_mut(..HEAD_BYTES)?;
    let (time_ns, seq) = stamp(u64::from_le_bytes(array(&head[TIME])));
    head[TIME].copy_from_slice(&time_ns.to_le_bytes());
    head[SEQ].copy_from_slice(&seq.to_le_bytes());
    Some(length)
}

/// The length of the row that `bytes` begin with.
fn length(bytes: &[u8]) -> Option<usize> {
    Some(u32::from_le_bytes(array(bytes.get(..4)?)) as usize)
}

/// Texts that follow one another, with their lengths.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Texts<'a> {
    lengths: &'a [u8],
    rest: &'a str,
}

impl<'a> Iterator for Texts<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let (text, rest) = self.rest.split_at_checked(length(self.lengths)?)?;
        self.lengths = &self.lengths[4..];
        self.rest = rest;
        Some(text)
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

fn push_length(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(&u32_bytes(length));
}

/// A length or a number of texts. A message has 1 GiB at most, and its row is little longer.
fn u32_bytes(length: usize) -> [u8; 4] {
    assert!(u32::try_from(length).is_ok(), "a row of {length} bytes");
    #[expect(clippy::cast_possible_truncation, reason = "asserted")]
    (length as u32).to_le_bytes()
}

/// All `N` of the bytes.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::BucketParams;
    use crate::text::labels::constant_labels;

    const SAMPLE: Sample<'static> = Sample {
        op: Op::Index,
        name: "näme",
        labels: &[Label { name: "a", value: "1" }, Label { name: "b", value: "lost" }],
        help: "h",
        value: -0.5,
        buckets: BucketParams {
            count: 3,
            custom: &[],
            width: 0.0,
            factor: 0.0,
            min: 0.0,
            max: 0.0,
            start: 0.0,
        },
        timestamp: Some("2024-01-02T03:04:05Z"),
        index: "i",
    };

    fn encoded() -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(&mut bytes, 7, &SAMPLE, &constant_labels([("b", "2"), ("c", "é")]));
        bytes
    }

    #[test]
    fn a_row_gives_back_what_it_was_made_of() {
        let mut bytes = encoded();
        let length = bytes.len();
        assert_eq!(restamp(&mut bytes, |time_ns| (time_ns + 1, 9)), Some(length));
        bytes.extend_from_slice(b"next");
        let (row, rest) = Row::decode(&bytes).unwrap();
        assert_eq!(rest, b"next");
        assert_eq!((row.time_ns, row.seq, row.op, row.value), (8, 9, Op::Index, -0.5));
        assert_eq!((row.name, row.index, row.help), ("näme", "i", "h"));
        assert_eq!((row.buckets, row.timestamp), (",\"buckets\":3", "2024-01-02T03:04:05Z"));
        let labels: Vec<_> = row.labels().map(|label| (label.name, label.value)).collect();
        assert_eq!(labels, [("a", "1"), ("b", "2"), ("c", "é")]);
        assert_eq!(row.labels().len(), 3);
        assert_eq!(row.series(), "nämea1b2cé");
        assert_eq!(row.encoded(), &bytes[..length]);
    }

    #[test]
    fn cut_bytes_are_no_row() {
        let bytes = encoded();
        for len in 0..bytes.len() {
            assert_eq!(Row::decode(&bytes[..len]), None, "{len}");
        }
        assert!(restamp(&mut bytes.clone()[..HEAD_BYTES - 1], |time_ns| (time_ns, 0)).is_none());
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
