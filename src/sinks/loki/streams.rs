//! The body of a push: entries grouped into streams, in the order of the rows.
//!
//! Pure data. The body is made anew for each request, and the same rows make the same body: Loki drops an entry whose
//! stream, time and line it has already, so a request that is sent twice stores nothing twice.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::sinks::Row;
use crate::sinks::loki::labels::{EntryLabels, StreamLabels};
use crate::text::json::write_utf8;

/// How long the lines of a push are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lines {
    /// All together.
    pub(super) bytes: usize,
    /// The longest one.
    pub(super) longest: usize,
}

/// Streams in the order of their first entries.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// From a stream's labels to its index in `entries`.
    indices: HashMap<Vec<u8>, usize>,
    /// By stream: the JSON of the stream, up to its last entry so far.
    entries: Vec<Vec<u8>>,
    lines: Lines,
    /// The labels of the row at hand; kept so that their memory is used again.
    labels: EntryLabels,
    /// The row at hand as JSON; kept for the same reason.
    line: Vec<u8>,
}

impl Streams {
    /// Adds the entry of a row.
    pub(super) fn add(&mut self, row: &Row<'_>, stream_labels: &StreamLabels) {
        stream_labels.write(row.labels(), &mut self.labels);
        self.line.clear();
        row.write_json(&mut self.line);
        self.lines.bytes += self.line.len();
        self.lines.longest = self.lines.longest.max(self.line.len());
        let index = match self.indices.entry(std::mem::take(&mut self.labels.stream)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let head = [b"{\"stream\":{", new.key().as_slice(), b"},\"values\":["].concat();
                self.entries.push(head);
                *new.insert(self.entries.len() - 1)
            }
        };
        let out = &mut self.entries[index];
        if out.last() == Some(&b']') {
            out.push(b',');
        }
        out.extend_from_slice(b"[\"");
        out.extend_from_slice(row.time_ns.to_string().as_bytes());
        out.extend_from_slice(b"\",");
        write_utf8(out, &self.line);
        if !self.labels.metadata.is_empty() {
            out.extend_from_slice(b",{");
            out.extend_from_slice(&self.labels.metadata);
            out.push(b'}');
        }
        out.push(b']');
    }

    /// How long the lines so far are.
    pub(super) fn lines(&self) -> Lines {
        self.lines
    }

    /// The body of the push.
    pub(super) fn into_body(self) -> Vec<u8> {
        let mut body = b"{\"streams\":[".to_vec();
        for (number, stream) in self.entries.into_iter().enumerate() {
            if number > 0 {
                body.push(b',');
            }
            body.extend_from_slice(&stream);
            body.extend_from_slice(b"]}");
        }
        body.extend_from_slice(b"]}");
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{Label, Op};
    use crate::sinks::block::Block;
    use crate::sinks::row::tests::sample;

    fn block(rows: &[(&str, &[(&str, &str)])]) -> Block {
        let mut block = Block::default();
        for ((name, labels), time_ns) in rows.iter().zip(1..) {
            let labels: Vec<_> =
                labels.iter().map(|&(name, value)| Label { name, value }).collect();
            block.push(time_ns, &sample(Op::Event, name, &labels), &[]);
        }
        block
    }

    fn body(rows: &[(&str, &[(&str, &str)])], stream_labels: &[&str]) -> String {
        let stream_labels: Vec<_> = stream_labels.iter().map(|name| (*name).to_owned()).collect();
        let stream_labels = StreamLabels::new(&stream_labels).unwrap();
        let mut streams = Streams::default();
        for row in &block(rows) {
            streams.add(&row, &stream_labels);
        }
        String::from_utf8(streams.into_body()).unwrap()
    }

    #[test]
    fn entries_of_one_label_set_are_one_stream_in_order() {
        let rows: [(&str, &[(&str, &str)]); 3] =
            [("a", &[("l", "1")]), ("b", &[("l", "<\"2")]), ("c", &[("l", "1")])];
        let expected = concat!(
            r#"{"streams":[{"stream":{"l":"1"},"values":["#,
            r#"["1","{\"name\":\"a\",\"labels\":{\"l\":\"1\"},\"op\":\"event\",\"value\":1}"],"#,
            r#"["3","{\"name\":\"c\",\"labels\":{\"l\":\"1\"},\"op\":\"event\",\"value\":1}"]]},"#,
            r#"{"stream":{"l":"\u003c\"2"},"values":["#,
            r#"["2","{\"name\":\"b\",\"labels\":{\"l\":\"\\u003c\\\"2\"},\"op\":\"event\",\"value\":1}"]]}]}"#,
        );
        assert_eq!(body(&rows, &[]), expected);
    }

    #[test]
    fn labels_beside_the_stream_follow_the_line() {
        let rows: [(&str, &[(&str, &str)]); 1] = [("a", &[("k", "1"), ("l", "2")])];
        let body = body(&rows, &["l"]);
        assert!(body.ends_with(r#"\"value\":1}",{"k":"1"}]]}]}"#), "{body}");
        let read: serde_json::Value = serde_json::from_str(&body).unwrap();
        let line = r#"{"name":"a","labels":{"k":"1","l":"2"},"op":"event","value":1}"#;
        assert_eq!(read["streams"][0]["values"][0][1], line);
    }

    #[test]
    fn a_push_of_nothing_is_whole_too() {
        assert_eq!(Streams::default().into_body(), b"{\"streams\":[]}");
    }

    #[test]
    fn lines_are_measured() {
        let stream_labels = StreamLabels::new(&[]).unwrap();
        let mut streams = Streams::default();
        for row in &block(&[("a", &[]), ("<", &[])]) {
            streams.add(&row, &stream_labels);
        }
        let short = r#"{"name":"a","labels":{},"op":"event","value":1}"#.len();
        assert_eq!(streams.lines(), Lines { bytes: 2 * short + 5, longest: short + 5 });
    }
}
