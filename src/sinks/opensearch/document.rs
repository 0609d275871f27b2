//! The lines of a bulk request: what to do with a document, and the document.
//!
//! Pure; appends to the caller's buffer. A row makes the same lines whenever it is sent.

use std::borrow::Cow;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde::Deserialize;

use super::date;
use crate::sinks::Row;
use crate::text::json;

/// What decides over a document's index.
#[derive(Deserialize)]
pub(super) struct Head<'a> {
    /// The message's; empty for none.
    #[serde(borrow, default)]
    pub(super) index: Cow<'a, str>,
}

impl<'a> Head<'a> {
    /// Reads a row's text; `None` if it is not what a row's text is.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// Appends both lines. `create` with an id of our own, so that a document that is sent again, since
/// nothing was heard of it, is not stored twice.
pub(super) fn write(out: &mut Vec<u8>, row: &Row<'_>, index: &str) {
    out.extend_from_slice(b"{\"create\":{\"_index\":");
    json::write_string(out, index);
    out.extend_from_slice(b",\"_id\":\"");
    write_id(out, row);
    out.extend_from_slice(b"\"}}\n");
    // All but the closing brace.
    out.extend_from_slice(without_timestamp(row.text).as_bytes());
    out.extend_from_slice(b",\"timestamp\":\"");
    date::write_time(out, row.time_ns);
    out.extend_from_slice(b"\"}\n");
}

/// 22 letters, which OpenSearch keeps as the 16 bytes that they stand for. The time comes first: ids that
/// begin alike are cheap to look up.
fn write_id(out: &mut Vec<u8>, row: &Row<'_>) {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&row.time_ns.to_be_bytes());
    bytes[8..].copy_from_slice(&row.seq.to_be_bytes());
    let start = out.len();
    out.resize(start + 22, 0);
    let written = BASE64_URL_SAFE_NO_PAD.encode_slice(bytes, &mut out[start..]);
    debug_assert_eq!(written, Ok(22));
}

/// A row's text without its closing brace, and without the timestamp that may stand before it: that of a
/// document is the time of its row.
fn without_timestamp(text: &str) -> &str {
    let open = text.strip_suffix('}').unwrap_or(text);
    // A value is a number: a quote at the end is that of a timestamp, which holds no quotes itself.
    match open.rfind(",\"timestamp\":\"") {
        Some(at) if open.ends_with('"') => &open[..at],
        _ => open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> String {
        let mut out = Vec::new();
        let row = Row { time_ns: 1_790_000_000_120_000_000, seq: 1, text };
        write(&mut out, &row, "idx-2026-09-21");
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_document_is_the_message_with_the_time_of_its_row() {
        let action =
            "{\"create\":{\"_index\":\"idx-2026-09-21\",\"_id\":\"GNdbhCsaDgAAAAAAAAAAAQ\"}}\n";
        let document = "{\"name\":\"e\",\"labels\":{},\"op\":\"index\",\"value\":1,\
                        \"timestamp\":\"2026-09-21T14:13:20.12Z\"}\n";
        let plain = r#"{"name":"e","labels":{},"op":"index","value":1}"#;
        assert_eq!(lines(plain), format!("{action}{document}"));
        let stamped =
            r#"{"name":"e","labels":{},"op":"index","value":1,"timestamp":"2024-01-02T03:04:05Z"}"#;
        assert_eq!(lines(stamped), lines(plain));
    }

    #[test]
    fn a_timestamp_that_is_none_stays() {
        let text = r#"{"name":"e","labels":{"x":",\"timestamp\":\""},"op":"index","value":1}"#;
        assert!(lines(text).contains(&text[..text.len() - 1]), "{}", lines(text));
    }

    #[test]
    fn the_index_is_read_whatever_else_there_is() {
        let index = |text| Head::read(text).map(|head| head.index.into_owned());
        assert_eq!(index(r#"{"name":"e","index":"a\"b","value":1}"#).as_deref(), Some("a\"b"));
        assert_eq!(index(r#"{"name":"e","labels":{"index":"no"}}"#).as_deref(), Some(""));
        assert_eq!(index("{"), None);
    }
}
