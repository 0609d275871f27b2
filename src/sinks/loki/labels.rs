//! A message's labels for Loki: some make the stream, and the others stand beside the line as structured metadata.
//! Names are changed to what Loki can parse.
//!
//! Pure functions. A label that has room in neither is left out here; the line holds all labels anyway.

use std::borrow::Cow;

use crate::sinks::row::RowLabels;
use crate::text::json::write_string;

// Loki's default bounds of a stream: past one of them it refuses the whole stream.
const STREAM_LABELS_MAX: usize = 15;
const NAME_MAX_BYTES: usize = 1024;
const VALUE_MAX_BYTES: usize = 2048;
// Loki's default bounds of the metadata of an entry: past one of them it refuses the entry.
const METADATA_LABELS_MAX: usize = 128;
const METADATA_MAX_BYTES: usize = 64 * 1024;

/// The stream of messages that have no label for a stream, since Loki refuses a stream without labels.
const NO_LABELS: &[u8] = br#""service_name":"metrics-server""#;

/// Which labels make the stream.
#[derive(Clone, Debug)]
pub(super) struct StreamLabels {
    /// The names, as changed for Loki; empty if all labels make the stream.
    names: Vec<String>,
    /// Whether the other labels are sent as structured metadata, which some Lokis do not take.
    pub(super) with_metadata: bool,
}

/// The labels of one entry, as members of JSON objects without the braces.
#[derive(Debug, Default)]
pub(super) struct EntryLabels {
    /// Never empty.
    pub(super) stream: Vec<u8>,
    /// Often empty.
    pub(super) metadata: Vec<u8>,
}

impl StreamLabels {
    /// The labels with these names, which `-loki-labels` has, make the stream.
    ///
    /// # Errors
    /// There are more than a stream can have.
    pub(super) fn new(names: &[String]) -> anyhow::Result<Self> {
        let mut names: Vec<_> = names.iter().map(|name| clean(name).into_owned()).collect();
        names.sort_unstable();
        names.dedup();
        anyhow::ensure!(
            names.len() <= STREAM_LABELS_MAX,
            "-loki-labels names {} labels: Loki takes {STREAM_LABELS_MAX} for a stream",
            names.len()
        );
        Ok(Self { names, with_metadata: true })
    }

    /// Writes one message's labels, which are sorted by name.
    pub(super) fn write(&self, labels: RowLabels<'_>, out: &mut EntryLabels) {
        out.stream.clear();
        out.metadata.clear();
        let (mut in_stream, mut in_metadata, mut metadata_bytes) = (0, 0, 0);
        for (name, value) in merged(labels) {
            if self.wants(&name) && in_stream < STREAM_LABELS_MAX && fits(&name, value) {
                in_stream += 1;
                write_member(&mut out.stream, &name, value);
                continue;
            }
            let bytes = name.len() + value.len();
            if self.with_metadata
                && in_metadata < METADATA_LABELS_MAX
                && metadata_bytes + bytes <= METADATA_MAX_BYTES
            {
                in_metadata += 1;
                metadata_bytes += bytes;
                write_member(&mut out.metadata, &name, value);
            }
        }
        if in_stream == 0 {
            out.stream.extend_from_slice(NO_LABELS);
        }
    }

    fn wants(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|wanted| wanted == name)
    }
}

fn fits(name: &str, value: &str) -> bool {
    name.len() <= NAME_MAX_BYTES && value.len() <= VALUE_MAX_BYTES
}

fn write_member(out: &mut Vec<u8>, name: &str, value: &str) {
    if !out.is_empty() {
        out.push(b',');
    }
    write_string(out, name);
    out.push(b':');
    write_string(out, value);
}

/// The labels with their changed names, sorted, each name once. Of labels whose changed names are the same the last
/// one wins. Labels without a value are left out, since Loki takes them for absent.
fn merged(labels: RowLabels<'_>) -> Vec<(Cow<'_, str>, &str)> {
    let mut merged: Vec<_> = labels.map(|label| (clean(label.name), label.value)).collect();
    merged.reverse();
    // The sort is stable, so of labels with one name the last one comes first.
    merged.sort_by(|a, b| a.0.cmp(&b.0));
    merged.dedup_by(|later, first| later.0 == first.0);
    merged.retain(|(_, value)| !value.is_empty());
    merged
}

/// The name with `_` in place of each character that Loki's labels cannot have, and with one `_` at its start at
/// most, since names that begin with two are Loki's own.
fn clean(name: &str) -> Cow<'_, str> {
    let is_good = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let starts_well = name.starts_with(|char: char| is_good(char) && !char.is_ascii_digit());
    if starts_well && !name.starts_with("__") && name.chars().all(is_good) {
        return Cow::Borrowed(name);
    }
    let good: String = name.chars().map(|char| if is_good(char) { char } else { '_' }).collect();
    let rest = good.trim_start_matches('_');
    let mut clean = String::with_capacity(rest.len() + 1);
    if rest.len() < good.len() || rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_digit())
    {
        clean.push('_');
    }
    clean.push_str(rest);
    Cow::Owned(clean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{Label, Op};
    use crate::sinks::block::Block;
    use crate::sinks::row::tests::sample;

    fn written(stream_labels: &[&str], labels: &[(&str, &str)]) -> (String, String) {
        let stream_labels: Vec<_> = stream_labels.iter().map(|name| (*name).to_owned()).collect();
        let labels: Vec<_> = labels.iter().map(|&(name, value)| Label { name, value }).collect();
        let mut block = Block::default();
        block.push(1, &sample(Op::Event, "e", &labels), &[]);
        let mut out = EntryLabels::default();
        StreamLabels::new(&stream_labels)
            .unwrap()
            .write(block.iter().next().unwrap().labels(), &mut out);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(out.stream), text(out.metadata))
    }

    #[test]
    fn names_become_what_loki_can_parse() {
        let cases = [
            ("a_b", "a_b"),
            ("a-b", "a_b"),
            ("a.b:c d", "a_b_c_d"),
            ("1a", "_1a"),
            ("é", "_"),
            ("", "_"),
            ("_", "_"),
            ("_a", "_a"),
            ("__a__", "_a__"),
            ("--a", "_a"),
            ("-1", "_1"),
            ("Ab9", "Ab9"),
        ];
        for (name, expected) in cases {
            assert_eq!(clean(name), expected, "{name:?}");
        }
    }

    #[test]
    fn of_labels_that_fall_together_the_last_wins() {
        let stream = |labels| written(&[], labels).0;
        assert_eq!(stream(&[("a-b", "dash"), ("a_b", "under")]), r#""a_b":"under""#);
        assert_eq!(stream(&[("a+b", "1"), ("a-b", "2"), ("a.b", "3")]), r#""a_b":"3""#);
        assert_eq!(stream(&[("a-b", "dash"), ("a_b", ""), ("c", "<")]), r#""c":"\u003c""#);
    }

    #[test]
    fn the_picked_ones_make_the_stream() {
        let labels = [("a-b", "1"), ("c", "2"), ("d", "3")];
        let (stream, metadata) = written(&["c", "a-b", "none"], &labels);
        assert_eq!((stream.as_str(), metadata.as_str()), (r#""a_b":"1","c":"2""#, r#""d":"3""#));
        let (stream, metadata) = written(&["x"], &labels);
        assert_eq!(stream, r#""service_name":"metrics-server""#);
        assert_eq!(metadata, r#""a_b":"1","c":"2","d":"3""#);
        assert_eq!(written(&[], &[]).0, r#""service_name":"metrics-server""#);
    }

    #[test]
    fn what_a_stream_cannot_have_becomes_metadata() {
        let names: Vec<String> = (0..20).map(|number| format!("l{number:02}")).collect();
        let many: Vec<_> = names.iter().map(|name| (name.as_str(), "v")).collect();
        let (stream, metadata) = written(&[], &many);
        assert_eq!((stream.matches(':').count(), metadata.matches(':').count()), (15, 5));
        let long = "x".repeat(2049);
        let (stream, metadata) = written(&[], &[("a", &long), ("b", &long[1..])]);
        assert!(stream.starts_with(r#""b":"#) && metadata.starts_with(r#""a":"#));
        let huge = "x".repeat(64 * 1024);
        let (_, metadata) = written(&[], &[("a", &huge), ("b", &long)]);
        assert!(metadata.starts_with(r#""b":"#), "what metadata cannot have is in the line alone");
        let names: Vec<String> = (0..16).map(|number| format!("l{number}")).collect();
        let error = StreamLabels::new(&names).unwrap_err().to_string();
        assert_eq!(error, "-loki-labels names 16 labels: Loki takes 15 for a stream");
    }
}
