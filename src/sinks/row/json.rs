//! A row as the JSON object that the original Go metrics-server makes of a message, byte for byte, so that
//! what reads its lines, documents and datagrams reads ours.
//!
//! Fields stand in the order of Go's struct, without those that are empty; `name`, `labels`, `op` and `value` are
//! always there. Runs on the sender; appends to the caller's buffer.

use super::Row;
use crate::metric::Hops;
use crate::text::json::{write_f64, write_string};

impl Row<'_> {
    /// Appends the row as one JSON object.
    pub(crate) fn write_json(&self, out: &mut Vec<u8>) {
        self.write_json_at(out, self.timestamp);
    }

    /// Appends the row as one JSON object whose `timestamp` is this text; without one if the text is empty.
    pub(crate) fn write_json_at(&self, out: &mut Vec<u8>, timestamp: &str) {
        self.write_members(out, timestamp);
        out.push(b'}');
    }

    /// Appends the row as one JSON object which says that so many routers have passed it on. The original ignores
    /// that field, as it does all that it does not know.
    pub(crate) fn write_json_passed_on(&self, out: &mut Vec<u8>, hops: Hops) {
        self.write_members(out, self.timestamp);
        out.extend_from_slice(b",\"hops\":");
        write_f64(out, hops.get().into());
        out.push(b'}');
    }

    /// Appends the opening brace and the members of the original.
    fn write_members(&self, out: &mut Vec<u8>, timestamp: &str) {
        write_text(out, "{\"name\":", self.name);
        out.extend_from_slice(b",\"labels\":{");
        let mut separator = "";
        for label in self.labels() {
            write_text(out, separator, label.name);
            write_text(out, ":", label.value);
            separator = ",";
        }
        write_text(out, "},\"op\":", self.op.as_str());
        if !self.help.is_empty() {
            write_text(out, ",\"help\":", self.help);
        }
        if !self.index.is_empty() {
            write_text(out, ",\"index\":", self.index);
        }
        out.extend_from_slice(self.buckets.as_bytes());
        out.extend_from_slice(b",\"value\":");
        write_f64(out, self.value);
        if !timestamp.is_empty() {
            write_text(out, ",\"timestamp\":", timestamp);
        }
    }
}

/// Appends `before` as it is, and `text` as a JSON string.
fn write_text(out: &mut Vec<u8>, before: &str, text: &str) {
    out.extend_from_slice(before.as_bytes());
    write_string(out, text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{BucketParams, Label, Op, Sample};
    use crate::sinks::row::encode::encode;
    use crate::sinks::row::tests::sample;
    use crate::text::labels::constant_labels;

    fn text(sample: &Sample<'_>, constants: &[(&str, &str)]) -> String {
        let mut encoded = Vec::new();
        encode(&mut encoded, 1, sample, &constant_labels(constants.iter().copied()));
        let mut out = Vec::new();
        Row::decode(&encoded).unwrap().0.write_json(&mut out);
        String::from_utf8(out).unwrap()
    }

    /// The message that the tests vary.
    fn plain() -> Sample<'static> {
        Sample { value: 0.0, ..sample(Op::Raw, "r", &[]) }
    }

    #[test]
    fn a_plain_message_has_name_labels_op_and_value() {
        assert_eq!(text(&plain(), &[]), r#"{"name":"r","labels":{},"op":"raw","value":0}"#);
    }

    #[test]
    fn constants_stand_in_order_and_win() {
        let labels =
            [("a", "1"), ("c", "<"), ("e", "5")].map(|(name, value)| Label { name, value });
        let sample = Sample { labels: &labels, ..plain() };
        let expected = r#"{"name":"r","labels":{"a":"1","b":"x","c":"y","e":"5","f":"z"},"op":"raw","value":0}"#;
        assert_eq!(text(&sample, &[("b", "x"), ("c", "y"), ("f", "z")]), expected);
        assert_eq!(
            text(&Sample { labels: &labels[..1], ..plain() }, &[("a", "0")]),
            r#"{"name":"r","labels":{"a":"0"},"op":"raw","value":0}"#
        );
    }

    #[test]
    fn all_fields_stand_in_the_order_of_the_original() {
        let buckets = BucketParams {
            count: 5,
            custom: &[1.0, 2.5, 1e21],
            width: 0.5,
            factor: 2.0,
            min: 1.0,
            max: 2.0,
            start: 3.0,
        };
        let timestamp = Some("2024-01-02T03:04:05.123456789+02:00");
        let sample = Sample {
            op: Op::Obs,
            help: "h & \"",
            index: "idx",
            value: 1e21,
            buckets,
            timestamp,
            ..plain()
        };
        let expected = concat!(
            r#"{"name":"r","labels":{},"op":"obs","help":"h \u0026 \"","index":"idx","buckets":5,"#,
            r#""bucket_custom":[1,2.5,1e+21],"bucket_width":0.5,"bucket_factor":2,"bucket_min":1,"bucket_max":2,"#,
            r#""bucket_start":3,"value":1e+21,"timestamp":"2024-01-02T03:04:05.123456789+02:00"}"#,
        );
        assert_eq!(text(&sample, &[]), expected);
    }
}
