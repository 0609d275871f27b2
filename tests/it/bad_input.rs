//! Single packets that a careless or hostile sender may send, each alone and between two good messages, over UDP and
//! over a unix socket: the server lives, the good messages count, and the books and the log name what was wrong.

use serde_json::Value;

use crate::common::{Page, Server, inc};

/// Families that stand before a packet comes: a counter and a histogram.
const STANDING: &str = r#"{"name":"taken","op":"inc","value":1}
{"name":"hist","op":"obs","value":1}
"#;

/// The label value with which a datagram is as long as one may be.
const LONG: usize = 65_300;

/// Sends bytes over one of the transports and waits until they are counted.
type Send = fn(&Server, &[u8]) -> Page;

const TRANSPORTS: [(&str, Send); 2] = [
    ("udp", |server, bytes| {
        server.send_udp(bytes);
        server.settled()
    }),
    ("unix", |server, bytes| {
        server.send_unix(bytes);
        server.settled()
    }),
];

/// Each reason comes to the log once in such an interval.
fn start() -> Server {
    let server = Server::start(&["-log-interval", "1h", "-mixed-label-sets=false"]);
    server.send_udp(STANDING);
    assert_eq!(server.settled().accepted(), 2);
    server
}

/// A packet between two good messages.
fn between(packet: &[u8]) -> Vec<u8> {
    let good = inc("good");
    [good.as_bytes(), b"\n", packet, b"\n", good.as_bytes(), b"\n"].concat()
}

/// Refused, once for each reason.
fn check_refused(packet: &[u8], reasons: &[&str], transports: &[(&str, Send)]) {
    let mut server = start();
    let mut before = server.settled();
    for (transport, send) in transports {
        for (bytes, good) in [(packet.to_vec(), 0), (between(packet), 2)] {
            let after = send(&server, &bytes);
            for reason in reasons {
                let moved = after.rejected(reason) - before.rejected(reason);
                assert_eq!(
                    moved, 1,
                    "{reason} over {transport}, {good} around it:\n{}",
                    after.text
                );
            }
            let refused = after.refused() - before.refused();
            assert_eq!(
                refused,
                reasons.len() as u64,
                "refused for other reasons over {transport}:\n{}",
                after.text
            );
            assert_eq!(after.accepted() - before.accepted(), good, "accepted over {transport}");
            before = after;
        }
    }
    // Nothing but the good messages came of it.
    let user = before.user();
    let others: Vec<&str> = user
        .lines()
        .filter(|l| !l.contains("hist") && !l.contains("good") && !l.contains("taken"))
        .collect();
    assert!(others.is_empty(), "{others:?}");
    for reason in reasons {
        let names_it = |line: &str| line.contains(&format!("reason={reason},"));
        assert!(server.find_line(names_it).is_some(), "the log does not say {reason}");
        let log = server.stderr();
        assert_eq!(
            log.lines().filter(|line| names_it(line)).count(),
            1,
            "{reason} more than once:\n{log}"
        );
    }
    assert!(server.is_alive());
    server.stop();
}

/// Counted, with something put right or not, and so many bytes of garbage beside it.
fn check_accepted(packet: &[u8], coerced: Option<&str>, garbage: u64) {
    let mut server = start();
    let mut before = server.settled();
    for (transport, send) in TRANSPORTS {
        for (bytes, good) in [(packet.to_vec(), 0), (between(packet), 2)] {
            let after = send(&server, &bytes);
            assert_eq!(
                after.accepted() - before.accepted(),
                good + 1,
                "over {transport}:\n{}",
                after.text
            );
            assert_eq!(after.refused(), 0, "over {transport}:\n{}", after.text);
            for (reason, count) in after.own_family("messages_coerced_total") {
                let was = before.own(&format!("messages_coerced_total{reason}"));
                let expected =
                    coerced.is_some_and(|name| reason == format!(r#"{{reason="{name}"}}"#));
                assert_eq!(count - was, u64::from(expected), "{reason} over {transport}");
            }
            let skipped = after.own("garbage_bytes_total") - before.own("garbage_bytes_total");
            assert_eq!(skipped, garbage, "garbage over {transport}");
            before = after;
        }
    }
    assert!(server.is_alive());
    server.stop();
}

macro_rules! refused {
    ($($name:ident: $packet:expr => $($reason:literal),+;)*) => {
        mod refused {
            use super::*;

            $(#[test]
            fn $name() {
                check_refused($packet.as_ref(), &[$($reason),+], &TRANSPORTS);
            })*
        }
    };
}

macro_rules! accepted {
    ($($name:ident: $packet:expr => $coerced:expr, $garbage:literal;)*) => {
        mod accepted {
            use super::*;

            $(#[test]
            fn $name() {
                check_accepted($packet.as_ref(), $coerced, $garbage);
            })*
        }
    };
}

/// A histogram message with these bucket fields.
fn obs(fields: &str) -> String {
    format!(r#"{{"name":"h","op":"obs","value":1,{fields}}}"#)
}

/// A gauge message whose value is this text.
fn set(value: &str) -> String {
    format!(r#"{{"name":"g","op":"set","value":{value}}}"#)
}

/// A counter message with this text as its labels.
fn labels(labels: &str) -> String {
    format!(r#"{{"name":"l","op":"inc","value":1,"labels":{labels}}}"#)
}

/// A counter message with an unknown member, `levels` deep in all.
fn nested(levels: usize) -> String {
    let (open, close) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
    format!(r#"{{"name":"n","op":"inc","value":1,"x":{open}{close}}}"#)
}

fn many_labels(count: usize) -> String {
    let all: Vec<String> = (0..count).map(|n| format!(r#""l{n}":"""#)).collect();
    labels(&format!("{{{}}}", all.join(",")))
}

refused! {
    inc_negative: r#"{"name":"c","op":"inc","value":-1}"# => "negative_increment";
    inc_negative_small: r#"{"name":"c","op":"inc","value":-5e-324}"# => "negative_increment";
    index_without_timestamp: r#"{"name":"i","op":"index","value":1,"labels":{"a":"b"}}"# => "no_sink";
    index_with_null_timestamp: r#"{"name":"i","op":"index","value":1,"timestamp":null}"# => "no_sink";
    raw_without_hosts: r#"{"name":"r","op":"raw","value":1,"labels":{"a":"b"}}"# => "no_sink";
    event_without_loki: r#"{"name":"e","op":"event","value":1}"# => "no_sink";
    buckets_negative: obs(r#""buckets":-1"#) => "bucket_params";
    buckets_200_million: obs(r#""buckets":200000000"#) => "bucket_params";
    buckets_beyond_memory: obs(r#""buckets":1000000000000000000"#) => "bucket_params";
    buckets_over_the_bound: obs(r#""buckets":1025"#) => "bucket_params";
    buckets_with_a_fraction: obs(r#""buckets":2.5"#) => "bucket_params";
    buckets_no_number: obs(r#""buckets":"many""#) => "bucket_params";
    factor_half: obs(r#""bucket_factor":0.5"#) => "bucket_params";
    factor_one: obs(r#""bucket_factor":1"#) => "bucket_params";
    factor_overflow: obs(r#""bucket_factor":1e308,"buckets":5"#) => "bucket_params";
    custom_falling: obs(r#""bucket_custom":[3,2,1]"#) => "bucket_params";
    custom_equal: obs(r#""bucket_custom":[1,1]"#) => "bucket_params";
    custom_no_list: obs(r#""bucket_custom":"x""#) => "bucket_params";
    custom_with_word: obs(r#""bucket_custom":[1,"x"]"#) => "bucket_params";
    width_negative: obs(r#""bucket_width":-1"#) => "bucket_params";
    width_lost_in_rounding: obs(r#""bucket_start":1e17,"bucket_width":1"#) => "bucket_params";
    min_equals_max: obs(r#""bucket_min":5,"bucket_max":5"#) => "bucket_params";
    min_above_max: obs(r#""bucket_min":10,"bucket_max":1"#) => "bucket_params";
    le_on_histogram: r#"{"name":"h","op":"obs","value":1,"labels":{"le":"1"}}"# => "reserved_label";
    empty_object_then_open: "{}x{" => "op", "unterminated";
    label_name_with_dash: labels(r#"{"a-b":"x"}"#) => "label_name";
    label_name_with_space: labels(r#"{"a b":"x"}"#) => "label_name";
    label_name_empty: labels(r#"{"":"x"}"#) => "label_name";
    label_name_reserved: labels(r#"{"__name__":"x"}"#) => "label_name";
    label_name_with_line_feed: labels(r#"{"a\nb":"x"}"#) => "label_name";
    label_value_object: labels(r#"{"a":{"b":"c"}}"#) => "label_value";
    label_value_array: labels(r#"{"a":["b"]}"#) => "label_value";
    too_many_labels: many_labels(65) => "too_many_labels";
    name_with_space: inc("a b") => "name";
    name_missing: r#"{"op":"inc","value":1}"# => "name";
    name_empty: inc("") => "name";
    name_number: r#"{"name":5,"op":"inc","value":1}"# => "name";
    name_with_nul: r#"{"name":"a\u0000","op":"inc","value":1}"# => "name";
    name_of_ours: inc("metrics_server_processed_metrics_total") => "reserved_name";
    name_with_our_prefix: inc("metrics_server_anything") => "reserved_name";
    name_of_process: inc("process_open_fds") => "reserved_name";
    name_of_promhttp: inc("promhttp_metric_handler_requests_total") => "reserved_name";
    name_of_bucket: inc("hist_bucket") => "name_conflict";
    name_of_sum: inc("hist_sum") => "name_conflict";
    name_of_count: r#"{"name":"hist_count","op":"set","value":1}"# => "name_conflict";
    type_other: r#"{"name":"taken","op":"set","value":1}"# => "type_conflict";
    label_set_other: r#"{"name":"taken","op":"inc","value":1,"labels":{"a":"b"}}"# => "label_set_conflict";
    op_random: r#"{"name":"o","op":"x7f3a","value":1}"# => "op";
    op_missing: r#"{"name":"o","value":1}"# => "op";
    op_number: r#"{"name":"o","op":1,"value":1}"# => "op";
    value_nan_string: set(r#""NaN""#) => "value";
    value_word: set(r#""five""#) => "value";
    value_empty_string: set(r#""""#) => "value";
    value_padded_string: set(r#"" 5""#) => "value";
    value_true: set("true") => "value";
    value_object: set("{}") => "value";
    value_array: set("[1]") => "value";
    value_1e400: set("1e400") => "value";
    value_minus_1e400: set("-1e400") => "value";
    value_400_digits: set(&"9".repeat(400)) => "value";
    value_60000_digits: set(&"9".repeat(60_000)) => "value";
    value_nan: set("NaN") => "syntax";
    value_infinity: set("-Infinity") => "syntax";
    value_leading_zero: set("01") => "syntax";
    value_plus: set("+1") => "syntax";
    value_hexadecimal: set("0x10") => "syntax";
    value_bare_point: set(".5") => "syntax";
    value_open_point: set("1.") => "syntax";
    value_open_exponent: set("1e") => "syntax";
    trailing_comma: r#"{"name":"s","op":"inc","value":1,}"# => "syntax";
    no_comma: r#"{"name":"s" "op":"inc"}"# => "syntax";
    no_value: r#"{"name":}"# => "syntax";
    single_quotes: "{'name':'s','op':'inc'}" => "syntax";
    key_no_string: "{1:2}" => "syntax";
    comment: r#"{/* a */"name":"s","op":"inc"}"# => "syntax";
    bracket_unclosed: r#"{"name":"s","op":"inc","value":[1}"# => "syntax";
    bracket_unopened: r#"{"name":"s","op":"inc","value":1]}"# => "syntax";
    nul_in_string: b"{\"name\":\"s\0\",\"op\":\"inc\",\"value\":1}" => "syntax";
    nul_between_members: b"{\"name\":\"s\",\0\"op\":\"inc\",\"value\":1}" => "syntax";
    tab_in_string: b"{\"name\":\"s\",\"op\":\"inc\",\"value\":1,\"help\":\"a\tb\"}" => "syntax";
    bad_escape: r#"{"name":"\x41","op":"inc","value":1}"# => "syntax";
    line_feed_in_string: "{\"name\":\"a\nb\",\"op\":\"inc\",\"value\":1}" => "unterminated";
    cut_in_the_middle: r#"{"name":"u","op":"inc","#  => "unterminated";
    cut_in_a_string: r#"{"name":"u","op":"in"# => "unterminated";
    one_brace: "{" => "unterminated";
    nested_17: nested(17) => "depth";
    nested_1000: nested(1000) => "depth";
    nested_30000: nested(30_000) => "depth";
}

accepted! {
    brace_closed_in_string: labels(r#"{"p":"a}b"}"#) => None, 0;
    brace_opened_in_string: labels(r#"{"p":"a{b"}"#) => None, 0;
    labels_null: labels("null") => Some("labels"), 0;
    labels_array: labels("[]") => Some("labels"), 0;
    label_value_number: labels(r#"{"a":5}"#) => Some("label_value"), 0;
    label_value_null: labels(r#"{"a":null}"#) => Some("label_value"), 0;
    label_value_with_nul: labels(r#"{"a":"x\u0000y"}"#) => None, 0;
    label_value_long: labels(&format!(r#"{{"a":"{}"}}"#, "x".repeat(LONG))) => None, 0;
    label_twice: labels(r#"{"a":"1","a":"2"}"#) => None, 0;
    labels_64: many_labels(62) => None, 0;
    value_string: set(r#""5""#) => Some("number"), 0;
    value_30_digits: set("123456789012345678901234567890") => None, 0;
    value_minus_zero: set("-0") => None, 0;
    value_too_small: set("1e-400") => None, 0;
    inc_minus_zero: r#"{"name":"c","op":"inc","value":-0.0}"# => None, 0;
    key_upper_case: r#"{"NAME":"k","op":"inc","value":1}"# => Some("key_case"), 0;
    key_twice: r#"{"name":"k","name":"k2","op":"inc","value":1}"# => None, 0;
    utf8_invalid: b"{\"name\":\"u\",\"op\":\"inc\",\"value\":1,\"labels\":{\"a\":\"\xff\"}}" => Some("unicode"), 0;
    utf8_overlong: b"{\"name\":\"u\",\"op\":\"inc\",\"value\":1,\"labels\":{\"a\":\"\xc0\xaf\"}}" => Some("unicode"), 0;
    utf8_cut: b"{\"name\":\"u\",\"op\":\"inc\",\"value\":1,\"labels\":{\"a\":\"\xe2\x82\"}}" => Some("unicode"), 0;
    surrogate_alone: labels(r#"{"a":"\ud83d"}"#) => Some("unicode"), 0;
    surrogates_swapped: labels(r#"{"a":"\ude00\ud83d"}"#) => Some("unicode"), 0;
    byte_order_mark: format!("\u{feff}{}", inc("b")) => None, 3;
    garbage_behind: format!("{}}}]x", inc("b")) => None, 3;
    nested_16: nested(16) => None, 0;
    unknown_members: r#"{"name":"k","op":"inc","value":1,"a":[1,{"b":null}],"c":"}{"}"# => None, 0;
}

#[test]
fn shutdown_over_udp() {
    check_refused(br#"{"op":"shutdown"}"#, &["shutdown_refused"], &TRANSPORTS[..1]);
}

/// A message cut where a value is due takes the next line for that value, unless its datagram ends.
#[test]
fn cut_where_a_value_is_due() {
    let server = start();
    for cut in [r#"{"name":"#, r#"{"name":"u","x":["#, r#"{"name":"u","x":[1,"#] {
        let before = server.settled();
        for packet in [&inc("good"), cut, &inc("good")] {
            server.send_udp(packet);
            server.send_unix(packet);
        }
        let after = server.settled();
        assert_eq!(after.accepted() - before.accepted(), 4, "{cut}");
        assert_eq!(after.rejected("unterminated") - before.rejected("unterminated"), 2, "{cut}");
    }
    server.stop();
}

/// What never becomes an object is garbage: counted in bytes, refused nowhere.
#[test]
fn garbage_alone() {
    let server = start();
    for garbage in
        [&b"}"[..], b"]]}}", b"hello", b"\xff\xfe\x00", b"\"", b"GET/HTTP/1.1", &vec![0; 60_000]]
    {
        for (transport, send) in TRANSPORTS {
            let before = server.settled();
            let after = send(&server, garbage);
            let moved = after.own("garbage_bytes_total") - before.own("garbage_bytes_total");
            assert_eq!(moved, garbage.len() as u64, "{} over {transport}", garbage.escape_ascii());
            assert_eq!(after.framed(), before.framed());
            let good = send(&server, inc("good").as_bytes());
            assert_eq!(
                good.accepted() - after.accepted(),
                1,
                "after {} over {transport}",
                garbage.escape_ascii()
            );
        }
    }
    server.stop();
}

/// Lines of JSON for a log collector: each parses, and the message stands in it as it was sent.
#[test]
fn a_log_of_json_shows_a_refused_message_unescaped() {
    let server = Server::start(&["-log-format", "json"]);
    let message = "{\"name\":\"a \\u0022b\",\"op\":\"inc\",\"labels\":{\"l\":\"\tx\"}}";
    server.send_udp(message);
    assert_eq!(server.settled().rejected("syntax"), 1);
    server.find_line(|line| line.contains("messages rejected")).expect("the refusal is logged");
    let log = server.stderr();
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let line = lines.iter().find(|line| line["msg"] == "messages rejected").expect("a line");
    assert_eq!((line["level"].as_str(), line["count"].as_u64()), (Some("warning"), Some(1)));
    assert_eq!(
        (line["message"].as_str(), line["bytes"].as_u64()),
        (Some(message), Some(message.len() as u64))
    );
    assert!(lines.iter().all(|line| line["time"].is_string() && line["msg"].is_string()));
    server.stop();
}
