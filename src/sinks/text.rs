//! A row's text: the message as one JSON object, byte for byte as the original Go metrics-server passes it
//! on, so that what reads its lines, documents and datagrams reads ours.
//!
//! Fields in the order of Go's struct, those that are zero left out but for `name`, `labels` and `value`;
//! labels sorted by name. Runs on ingest workers; appends to the caller's buffer and allocates nothing else.

use crate::metric::{BucketParams, Label, Sample};
use crate::text::json::{write_f64, write_string};
use crate::text::labels::{ConstantLabel, merge};

mod timestamp;

/// Appends the message, with `constants` (sorted by name, each once) among its labels.
pub(crate) fn write(out: &mut Vec<u8>, sample: &Sample<'_>, constants: &[ConstantLabel]) {
    out.extend_from_slice(b"{\"name\":");
    write_string(out, sample.name);
    out.extend_from_slice(b",\"labels\":{");
    write_labels(out, sample.labels, constants);
    out.extend_from_slice(b"},\"op\":\"");
    out.extend_from_slice(sample.op.as_str().as_bytes());
    out.push(b'"');
    write_text(out, b",\"help\":", sample.help);
    write_text(out, b",\"index\":", sample.index);
    write_buckets(out, &sample.buckets);
    out.extend_from_slice(b",\"value\":");
    write_f64(out, sample.value);
    if let Some(text) = sample.timestamp {
        timestamp::write_member(out, text);
    }
    out.push(b'}');
}

fn write_labels(out: &mut Vec<u8>, labels: &[Label<'_>], constants: &[ConstantLabel]) {
    let start = out.len();
    merge(labels, constants, |label| {
        if out.len() > start {
            out.push(b',');
        }
        write_pair(out, label.label());
    });
}

fn write_pair(out: &mut Vec<u8>, label: Label<'_>) {
    write_string(out, label.name);
    out.push(b':');
    write_string(out, label.value);
}

fn write_text(out: &mut Vec<u8>, key: &[u8], text: &str) {
    if !text.is_empty() {
        out.extend_from_slice(key);
        write_string(out, text);
    }
}

fn write_buckets(out: &mut Vec<u8>, buckets: &BucketParams<'_>) {
    if *buckets == BucketParams::default() {
        return; // nearly always
    }
    if buckets.count != 0 {
        out.extend_from_slice(b",\"buckets\":");
        out.extend_from_slice(itoa::Buffer::new().format(buckets.count).as_bytes());
    }
    for (bound, index) in buckets.custom.iter().zip(0..) {
        out.extend_from_slice(if index == 0 { b",\"bucket_custom\":[" } else { b"," });
        write_f64(out, *bound);
    }
    if !buckets.custom.is_empty() {
        out.push(b']');
    }
    let numbers: [(&[u8], f64); 5] = [
        (b",\"bucket_width\":", buckets.width),
        (b",\"bucket_factor\":", buckets.factor),
        (b",\"bucket_min\":", buckets.min),
        (b",\"bucket_max\":", buckets.max),
        (b",\"bucket_start\":", buckets.start),
    ];
    for (key, number) in numbers.into_iter().filter(|(_, number)| *number != 0.0) {
        out.extend_from_slice(key);
        write_f64(out, number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Op;
    use crate::text::labels::constant_labels;

    fn text(sample: &Sample<'_>, constants: &[(&str, &str)]) -> String {
        let constants = constant_labels(constants.iter().copied());
        let mut out = Vec::new();
        write(&mut out, sample, &constants);
        String::from_utf8(out).unwrap()
    }

    const PLAIN: Sample<'static> = Sample {
        op: Op::Raw,
        name: "r",
        labels: &[],
        help: "",
        value: 0.0,
        buckets: BucketParams {
            count: 0,
            custom: &[],
            width: 0.0,
            factor: 0.0,
            min: 0.0,
            max: 0.0,
            start: 0.0,
        },
        timestamp: None,
        index: "",
    };

    #[test]
    fn a_plain_message_has_name_labels_op_and_value() {
        assert_eq!(text(&PLAIN, &[]), r#"{"name":"r","labels":{},"op":"raw","value":0}"#);
    }

    #[test]
    fn constants_stand_in_order_and_win() {
        let labels =
            [("a", "1"), ("c", "<"), ("e", "5")].map(|(name, value)| Label { name, value });
        let sample = Sample { labels: &labels, ..PLAIN };
        let expected = r#"{"name":"r","labels":{"a":"1","b":"x","c":"y","e":"5","f":"z"},"op":"raw","value":0}"#;
        assert_eq!(text(&sample, &[("b", "x"), ("c", "y"), ("f", "z")]), expected);
        assert_eq!(
            text(&Sample { labels: &labels[..1], ..PLAIN }, &[("a", "0")]),
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
            ..PLAIN
        };
        let expected = concat!(
            r#"{"name":"r","labels":{},"op":"obs","help":"h \u0026 \"","index":"idx","buckets":5,"#,
            r#""bucket_custom":[1,2.5,1e+21],"bucket_width":0.5,"bucket_factor":2,"bucket_min":1,"bucket_max":2,"#,
            r#""bucket_start":3,"value":1e+21,"timestamp":"2024-01-02T03:04:05.123456789+02:00"}"#,
        );
        assert_eq!(text(&sample, &[]), expected);
    }
}
