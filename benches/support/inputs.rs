//! What a hostile sender might send, and the good messages that it is held against.

use crate::lines;

/// An input, made of numbered pieces.
pub(crate) struct Input {
    pub(crate) name: &'static str,
    pub(crate) piece: fn(usize) -> Vec<u8>,
}

/// Series that the worker knows before.
const SERIES: usize = 100;

/// Messages that come before any input.
pub(crate) fn known() -> Vec<String> {
    let range =
        r#"{"name":"known","op":"obs","value":3,"bucket_min":1,"bucket_max":9,"buckets":1024}"#;
    (0..SERIES).map(lines::counter).chain([range.to_owned()]).collect()
}

/// Good messages of known series, none of which was seen before: the help text differs each time.
pub(crate) const GOOD: Input = Input {
    name: "good messages never seen",
    piece: |number| {
        let help = format!("Requests {number}");
        lines::counter(number % SERIES).replace("Requests", &help).into_bytes()
    },
};

/// The dearest that are known, and some that once were.
pub(crate) const INPUTS: [Input; 24] = [
    Input { name: "`{}` again and again", piece: |_| b"{}".to_vec() },
    Input { name: r#"`{"":1}`"#, piece: |_| br#"{"":1}"#.to_vec() },
    Input {
        name: r#"`{"":1e999}`, a number that no float can hold"#,
        piece: |_| br#"{"":1e999}"#.to_vec(),
    },
    Input {
        name: r#"`{"?":1}` with a byte that is no UTF-8"#,
        piece: |_| b"{\"\xff\":1}".to_vec(),
    },
    Input {
        name: r#"`{"op":"inc","?":1}` with such a byte, which is repaired"#,
        piece: |_| b"{\"op\":\"inc\",\"\xff\":1}".to_vec(),
    },
    Input {
        name: r#"`{"":1e999,"":1e999}`, repaired and refused all the same"#,
        piece: |_| br#"{"":1e999,"":1e999}"#.to_vec(),
    },
    Input {
        name: "a label that is a number, and a byte that is no UTF-8: parsed three times",
        piece: |_| b"{\"op\":\"inc\",\"name\":\"a\",\"labels\":{\"a\":1},\"\xff\":1}".to_vec(),
    },
    Input {
        name: "a known histogram with 1,024 bounds by another field",
        piece: |_| br#"{"op":"obs","name":"known","buckets":1024}"#.to_vec(),
    },
    Input {
        name: "a histogram that a limit refuses, each message sent twice",
        piece: |number| {
            format!(r#"{{"op":"obs","name":"h{}","bucket_custom":[1]}}"#, number / 2).into_bytes()
        },
    },
    Input { name: "`{` and line feed", piece: |_| b"{\n".to_vec() },
    Input { name: "lines of one byte in an object", piece: |_| lines_in_object() },
    Input {
        name: "250 times `{}` before a number of 480 digits",
        piece: |_| {
            let (objects, digits) = ("{}".repeat(250), "1234567891".repeat(48));
            format!(r#"{objects}{{"value":{digits}}}"#).into_bytes()
        },
    },
    Input { name: "backslashes outside strings", piece: |_| backslashes() },
    Input {
        name: "numbers half-way between two floats",
        piece: |_| {
            let numbers = "9007199254740993.0000000000000000001,".repeat(40);
            line(&format!(r#"{{"op":"inc","name":"a","x":[{numbers}1]}}"#))
        },
    },
    Input { name: "bytes that are no UTF-8", piece: |_| no_utf8() },
    Input {
        name: "63 labels in falling order and one that is a number",
        piece: |number| {
            let label = |number: usize| format!(r#""l{number}":{number},"#);
            let labels = (0..63).rev().map(label).collect::<Vec<_>>().concat();
            let name = "http_requests_total";
            line(&format!(r#"{{"op":"inc","name":"{name}","labels":{{{labels}"y":{number}}}}}"#))
        },
    },
    Input { name: "each message with 64 labels sent twice", piece: |number| labelled(number / 2) },
    Input {
        name: "each message sent twice",
        piece: |number| {
            let help = format!("Requests {}", number / 2);
            lines::counter(number / 2 % SERIES).replace("Requests", &help).into_bytes()
        },
    },
    Input {
        name: "1,024 bounds by range, refused by a limit",
        piece: |number| bounds(number, r#""bucket_min":1,"bucket_max":9"#),
    },
    Input {
        name: "1,024 bounds by factor, refused by a limit",
        piece: |number| bounds(number, r#""bucket_factor":1.1"#),
    },
    Input {
        name: "1,024 linear bounds, refused by a limit",
        piece: |number| bounds(number, r#""value":1"#),
    },
    Input {
        name: "1,024 equal bounds",
        piece: |number| bounds(number, r#""bucket_min":9,"bucket_max":9"#),
    },
    Input {
        name: "a known histogram with other bounds each time",
        piece: |number| known_bounds(&format!(r#""bucket_max":1{number}"#)),
    },
    Input {
        name: "a known histogram with the same bounds by other fields each time",
        piece: |number| known_bounds(&format!(r#""bucket_max":9,"bucket_width":{number}"#)),
    },
];

/// StatsD lines: the shortest, refused ones, and those that say the most in few bytes.
#[allow(dead_code, reason = "shared with the fault table, which has objects alone")]
pub(crate) const LINES: [Input; 8] = [
    Input { name: "`a:1|c` again and again", piece: |_| b"a:1|c\n".to_vec() },
    Input { name: "StatsD sets, which are refused", piece: |_| b"a:1|s\n".to_vec() },
    Input { name: "StatsD lines without a number", piece: |_| b"a:|c\n".to_vec() },
    Input { name: "lines that are nearly StatsD", piece: |_| b"a:1|\n".to_vec() },
    Input {
        name: "StatsD lines of series never seen",
        piece: |number| format!("a:{number}|c|#b:{number}\n").into_bytes(),
    },
    Input {
        name: "400 values in a StatsD line",
        piece: |_| format!("a{}|ms|@0.5\n", ":1".repeat(400)).into_bytes(),
    },
    Input {
        name: "100 samples in a StatsD line",
        piece: |_| format!("a{}\n", ":1|c".repeat(100)).into_bytes(),
    },
    Input {
        name: "300 tags of one name in a StatsD line",
        piece: |_| format!("a:1|c|#{}\n", "b:c,".repeat(300)).into_bytes(),
    },
];

fn line(message: &str) -> Vec<u8> {
    format!("{message}\n").into_bytes()
}

/// A message of one series with as many labels as there may be; the help text differs each time.
fn labelled(number: usize) -> Vec<u8> {
    let label = |number: usize| format!(r#""l{number}":"","#);
    let labels = (0..64).map(label).collect::<Vec<_>>().concat();
    let labels = labels.trim_end_matches(',');
    line(&format!(
        r#"{{"name":"wide","labels":{{{labels}}},"help":"{number}","op":"inc","value":1}}"#
    ))
}

fn lines_in_object() -> Vec<u8> {
    let mut object = b"{".to_vec();
    object.extend_from_slice(&b"1\n".repeat(10));
    object
}

fn backslashes() -> Vec<u8> {
    let mut object = vec![b'{'];
    object.resize(1000, b'\\');
    object.push(b'}');
    object
}

fn no_utf8() -> Vec<u8> {
    let mut object = br#"{"op":"inc","name":"a","x":""#.to_vec();
    object.resize(1000, 255);
    object.extend_from_slice(b"\"}\n");
    object
}

/// A new histogram of 1,024 bounds.
fn bounds(number: usize, fields: &str) -> Vec<u8> {
    line(&format!(r#"{{"op":"obs","name":"a{number}",{fields},"buckets":1024}}"#))
}

/// An observation of the known histogram.
fn known_bounds(fields: &str) -> Vec<u8> {
    line(&format!(r#"{{"op":"obs","name":"known","bucket_min":1,{fields},"buckets":1024}}"#))
}
