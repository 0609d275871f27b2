//! The proof by which a template is admitted: the message, and the same message with another number in its
//! place, parse to the same but for the value.
//!
//! Runs on an ingest worker, once for each message that comes for the second time. So it is a cold path, and may
//! allocate.

use crate::metric::Sample;
use crate::wire::json::{PADDING, Parsed, Parser};
use crate::wire::template::TemplateKey;

/// The longest number that [`TemplateKey::write_with_other_number`] writes is shorter than this.
const NUMBER_BYTES: usize = 4;

/// Whether the message, with another number in the key's place, parses to the same but for that number.
/// `value` is the message's own.
#[cold]
pub(super) fn only_the_number_counts(
    key: TemplateKey,
    message: &[u8],
    value: f64,
    parser: &mut Parser,
) -> bool {
    let mut other = Vec::with_capacity(message.len() + PADDING + NUMBER_BYTES);
    let other_value = key.write_with_other_number(message, value, &mut other);
    let own = read(message.to_vec(), parser);
    let other = read(other, parser);
    own.value == Some(value) && other.value == Some(other_value) && own.rest == other.rest
}

/// What a message parses to.
struct Reading {
    /// The value, if the message is a sample.
    value: Option<f64>,
    /// Everything else, as text.
    rest: String,
}

fn read(mut message: Vec<u8>, parser: &mut Parser) -> Reading {
    let len = message.len();
    let escaped = message.contains(&b'\\');
    message.resize(len + PADDING, 0);
    parser.parse(&mut message, len, escaped, |Parsed { op_type, coercions, result }| {
        let value = result.ok().map(|sample| sample.value);
        let result = result.map(|sample| Sample { value: 0.0, ..sample });
        Reading { value, rest: format!("{op_type:?} {coercions:?} {result:?}") }
    })
}
