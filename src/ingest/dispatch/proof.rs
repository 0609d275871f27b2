//! The proof by which a template is admitted: the message, and the same message with another number in its
//! place, parse to the same but for the value.
//!
//! Runs on an ingest worker, once for each message that comes for the second time. So it is a cold path, and may
//! allocate.

use crate::metric::{BucketParams, Coercions, Hops, Op, Sample};
use crate::wire::json::{PADDING, Parsed, Parser};
use crate::wire::statsd::{LineParser, LineSample, ParsedLine, Scaling};
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

/// The same for a line. `number` is the one that stands in it, without its sign.
#[cold]
#[expect(clippy::float_cmp, reason = "the parser must have read the very number")]
pub(super) fn only_the_number_counts_in_line(
    key: TemplateKey,
    line: &[u8],
    number: f64,
    parser: &mut LineParser,
) -> bool {
    let mut other = Vec::with_capacity(line.len() + NUMBER_BYTES);
    let other_number = key.write_with_other_number(line, number, &mut other);
    let (Some(own), Some(other)) = (read_line(line, parser), read_line(&other, parser)) else {
        return false;
    };
    own.scaling == other.scaling
        && own.number.is_sign_negative() == other.number.is_sign_negative()
        && own.number.abs() == number
        && other.number.abs() == other_number
        && own.rest == other.rest
}

/// What a line with one sample says.
struct LineReading {
    number: f64,
    scaling: Scaling,
    rest: Rest,
}

/// Reads a line; `None` if it has several samples or none.
fn read_line(line: &[u8], parser: &mut LineParser) -> Option<LineReading> {
    let (mut reading, mut samples) = (None, 0);
    parser.parse(line, |ParsedLine { op_type: _, coercions, result }| {
        samples += 1;
        reading = result.ok().map(|LineSample { sample, number, scaling, .. }| LineReading {
            number,
            scaling,
            rest: Rest::of(&sample, coercions, line.len()),
        });
    });
    reading.filter(|_| samples == 1)
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
        let sample = result.ok()?;
        Some(Reading { value: sample.value, rest: Rest::of(&sample, coercions, len) })
    })
}

impl Rest {
    /// What a sample of a message of `len` bytes says, but for its value.
    fn of(sample: &Sample<'_>, coercions: Coercions, len: usize) -> Self {
        let Sample { op, name, labels, help, value: _, buckets, timestamp, index, hops } = *sample;
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
        Self { op, coercions, hops, fields }
    }
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
