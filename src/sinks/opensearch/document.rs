//! The two lines of a document in a bulk request: the action with the document's id, and the document.
//!
//! Pure; appends to the caller's buffer. A row has the same lines each time it is sent.

use std::time::Duration;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use jiff::Timestamp;

use crate::sinks::Row;
use crate::text::json;

/// The time of a row. A `Timestamp` can hold any number of nanoseconds since 1970 that a `u64` can, up to 2554.
pub(super) fn time(time_ns: u64) -> Timestamp {
    Timestamp::UNIX_EPOCH + Duration::from_nanos(time_ns)
}

/// How many objects OpenSearch makes of a label's name, each in the one before it: dots stand between their names.
pub(super) fn depth(label_name: &str) -> usize {
    label_name.bytes().filter(|byte| *byte == b'.').count() + 1
}

/// Appends both lines. The action is `create` with an id that the row decides, so a document that is sent again
/// because no answer came is not stored twice.
pub(super) fn write(out: &mut Vec<u8>, row: &Row<'_>, index: &str) {
    out.extend_from_slice(b"{\"create\":{\"_index\":");
    json::write_string(out, index);
    out.extend_from_slice(b",\"_id\":\"");
    write_id(out, row);
    out.extend_from_slice(b"\"}}\n");
    // A Timestamp is written as Go writes times: in UTC with a Z, and a fraction without zeros at its end.
    row.write_json_at(out, &time(row.time_ns).to_string());
    out.push(b'\n');
}

/// Appends the id: the row's time and number in 22 letters, which OpenSearch keeps as the 16 bytes that they stand
/// for. The time comes first, since OpenSearch looks up ids that begin alike faster.
fn write_id(out: &mut Vec<u8>, row: &Row<'_>) {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&row.time_ns.to_be_bytes());
    bytes[8..].copy_from_slice(&row.seq.to_be_bytes());
    let start = out.len();
    out.resize(start + 22, 0);
    let written = BASE64_URL_SAFE_NO_PAD.encode_slice(bytes, &mut out[start..]);
    assert_eq!(written, Ok(22), "16 bytes are 22 letters");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{Op, Sample};
    use crate::sinks::block::{Block, Stamps};
    use crate::sinks::row::tests::sample;

    fn lines(sample: &Sample<'_>) -> String {
        let mut block = Block::default();
        block.push(1_790_000_000_120_000_000, sample, &[]);
        block.stamp(&mut Stamps::new(0, 0));
        let mut out = Vec::new();
        write(&mut out, &block.iter().next().unwrap(), "idx-2026-09-21");
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_document_is_the_message_with_the_time_of_its_row() {
        let action =
            "{\"create\":{\"_index\":\"idx-2026-09-21\",\"_id\":\"GNdbhCsaDgAAAAAAAAAAAQ\"}}\n";
        let document = "{\"name\":\"e\",\"labels\":{},\"op\":\"index\",\"value\":1,\
                        \"timestamp\":\"2026-09-21T14:13:20.12Z\"}\n";
        let plain = sample(Op::Index, "e", &[]);
        assert_eq!(lines(&plain), format!("{action}{document}"));
        let stamped = Sample { timestamp: Some("2024-01-02T03:04:05Z"), ..plain };
        assert_eq!(lines(&stamped), lines(&plain));
    }

    #[test]
    fn times_are_written_as_go_does() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399_999_999_999, "2000-02-28T23:59:59.999999999Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00Z"),
            (951_868_800_000_000_010, "2000-03-01T00:00:00.00000001Z"),
            (4_107_542_400_500_000_000, "2100-03-01T00:00:00.5Z"),
            (1_790_000_000_120_000_000, "2026-09-21T14:13:20.12Z"),
            (u64::MAX, "2554-07-21T23:34:33.709551615Z"),
        ];
        for (time_ns, expected) in cases {
            assert_eq!(time(time_ns).to_string(), expected);
        }
    }
}
