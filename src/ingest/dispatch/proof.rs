//! The proof by which a template is admitted: the message, and the same message with another number in its
//! place, parse to the same but for the value.
//!
//! Runs on an ingest worker, once for each message that comes for the second time. So it is a cold path, and may
//! allocate.

use crate::metric::{BucketParams, Coercions, Hops, Op, Sample};
use crate::wire::json::{PADDING, Parsed, Parser};
use crate::wire::template::TemplateKey;

/// The longest number that [`TemplateKey::write_with_other_number`] writes is shorter than this.
const NUMBER_BYTES: usize = 4;

/// Whether the message, with another number in the key's place, parses to the same but for that number.
/// `value` is the message's own.
#[cold]
#[expect(clippy::float_cmp, reason = "the parser must have read the very number")]
pub(super) fn only_the_number_counts(
    key: TemplateKey,
    message: &[u8],
    value: f64,
    parser: &mut Parser,
) -> bool {
    let mut other = Vec::with_capacity(message.len() + PADDING + NUMBER_BYTES);
    let other_value = key.write_with_other_number(message, value, &mut other);
    let mut own = Vec::with_capacity(message.len() + PADDING);
    own.extend_from_slice(message);
    let (Some(own), Some(other)) = (read(own, parser), read(other, parser)) else { return false };
    own.value == value && other.value == other_value && own.rest == other.rest
}

/// What a sample's message says.
struct Reading {
    value: f64,
    rest: Rest,
}

/// Everything but the value.
#[derive(PartialEq)]
struct Rest {
    op: Op,
    coercions: Coercions,
    hops: Hops,
    /// Texts and numbers one behind the other, each text with its length before it.
    fields: Vec<u8>,
}

/// Reads a message; `None` if it is no sample.
fn read(mut message: Vec<u8>, parser: &mut Parser) -> Option<Reading> {
    let len = message.len();
    let escaped = message.contains(&b'\\');
    message.resize(len + PADDING, 0);
    parser.parse(&mut message, len, escaped, |Parsed { op_type: _, coercions, result }| {
        let Sample { op, name, labels, help, value, buckets, timestamp, index, hops } =
            result.ok()?;
        // A length takes more bytes than what stands around a text in a message, but most messages fit.
        let mut fields = Vec::with_capacity(2 * len);
        for text in [name, help, index] {
            write_text(&mut fields, text);
        }
        write_number(&mut fields, labels.len() as u64);
        for label in labels {
            write_text(&mut fields, label.name);
            write_text(&mut fields, label.value);
        }
        write_number(&mut fields, timestamp.is_some().into());
        write_text(&mut fields, timestamp.unwrap_or_default());
        write_buckets(&mut fields, &buckets);
        Some(Reading { value, rest: Rest { op, coercions, hops, fields } })
    })
}

fn write_buckets(out: &mut Vec<u8>, buckets: &BucketParams<'_>) {
    let BucketParams { count, custom, width, factor, min, max, start } = *buckets;
    write_number(out, count.cast_unsigned());
    write_number(out, custom.len() as u64);
    for number in custom.iter().chain(&[width, factor, min, max, start]) {
        write_number(out, number.to_bits());
    }
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    write_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn write_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}
