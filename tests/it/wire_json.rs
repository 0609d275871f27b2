//! What the parser takes, puts right and refuses, through its public door.

use metrics_server::testing::metric::{Coercion, Coercions, Op, OpType, Rejection};
use metrics_server::testing::wire::{PADDING, Parsed, Parser};
use proptest::prelude::*;

/// Parses and checks that the bytes are as before.
fn parse<R>(parser: &mut Parser, text: &[u8], judge: impl FnOnce(Parsed<'_>) -> R) -> R {
    let mut bytes = text.to_vec();
    // Padding that would hurt if it were read as part of the message.
    bytes.resize(text.len() + PADDING, b'"');
    let before = bytes.clone();
    let escaped = text.contains(&b'\\');
    let result = parser.parse(&mut bytes, text.len(), escaped, judge);
    assert_eq!(bytes, before);
    result
}

fn outcome(text: &[u8]) -> (OpType, Vec<Coercion>, Result<(), Rejection>) {
    parse(&mut Parser::new(4), text, |parsed| {
        (parsed.op_type, parsed.coercions.iter().collect(), parsed.result.map(|_| ()))
    })
}

/// The value of an accepted message, which was put right in these ways.
#[track_caller]
fn must_parse(text: &str, value: f64, coercions: &[Coercion]) {
    parse(&mut Parser::new(4), text.as_bytes(), |parsed| {
        let sample = parsed.result.unwrap_or_else(|reason| panic!("{reason:?}: {text}"));
        assert_eq!(parsed.op_type, OpType::Known(sample.op), "{text}");
        assert_eq!(sample.value.to_bits(), value.to_bits(), "{} {value} {text}", sample.value);
        assert_eq!(parsed.coercions.iter().collect::<Vec<_>>(), coercions, "{text}");
    });
}

#[track_caller]
fn must_refuse(text: impl AsRef<[u8]>, reason: Rejection) {
    let text = text.as_ref();
    let (_, _, result) = outcome(text);
    assert_eq!(result, Err(reason), "{}", String::from_utf8_lossy(text));
}

/// `name=value` of each label, and what was put right.
fn labels(labels: &str) -> (String, Vec<Coercion>) {
    let text = format!(r#"{{"name":"m","op":"inc","labels":{labels}}}"#);
    parse(&mut Parser::new(4), text.as_bytes(), |parsed| {
        let sample = parsed.result.unwrap_or_else(|reason| panic!("{reason:?}: {text}"));
        let text: Vec<_> =
            sample.labels.iter().map(|label| format!("{}={}", label.name, label.value)).collect();
        (text.join(","), parsed.coercions.iter().collect())
    })
}

#[test]
fn values() {
    use Coercion::Number;
    let cases: [(&str, f64, &[Coercion]); 19] = [
        (r#""5""#, 5.0, &[Number]),
        (r#""-0.5e1""#, -5.0, &[Number]),
        ("null", 0.0, &[]),
        ("7", 7.0, &[]),
        ("1e3", 1000.0, &[]),
        ("1E+2", 100.0, &[]),
        ("-0", -0.0, &[]),
        ("-0.0", -0.0, &[]),
        ("1e-400", 0.0, &[]),
        ("5e-324", 5e-324, &[]),
        ("0.1", 0.1, &[]),
        ("1e308", 1e308, &[]),
        ("9007199254740993", 9_007_199_254_740_992.0, &[]),
        ("18446744073709551615", 18_446_744_073_709_551_616.0, &[]),
        ("18446744073709551616", 18_446_744_073_709_551_616.0, &[]),
        ("-9223372036854775808", -9_223_372_036_854_775_808.0, &[]),
        ("-9223372036854775809", -9_223_372_036_854_775_808.0, &[]),
        ("123456789012345678901234567890", 123_456_789_012_345_678_901_234_567_890.0, &[]),
        ("1.0e+22", 1e22, &[]),
    ];
    for (value, expected, coercions) in cases {
        must_parse(&format!(r#"{{"name":"w","op":"set","value":{value}}}"#), expected, coercions);
        must_parse(&format!(r#"{{"value":{value},"op":"set","name":"w"}}"#), expected, coercions);
    }
    must_parse(r#"{"name":"w","op":"obs"}"#, 0.0, &[]);
    must_parse(r#"{"name":"w","op":"inc","value":-0.0}"#, -0.0, &[]);
    for value in [
        "true",
        "[1]",
        "{}",
        r#""""#,
        r#""NaN""#,
        r#""1 ""#,
        r#""0x1""#,
        r#""1e400""#,
        "1e400",
        "-1e400",
    ] {
        for op in ["inc", "set", "obs", "event", "index", "raw"] {
            must_refuse(format!(r#"{{"name":"w","op":"{op}","value":{value}}}"#), Rejection::Value);
        }
        must_parse(&format!(r#"{{"op":"shutdown","value":{value}}}"#), 0.0, &[]);
    }
    for value in ["01", "+1", ".5", "1.", "1e", "0x10", "NaN", "Infinity", "-Infinity", "-", "'1'"]
    {
        must_refuse(format!(r#"{{"name":"w","op":"set","value":{value}}}"#), Rejection::Syntax);
    }
    for value in ["-1", r#""-1""#, "-1e-9"] {
        let text = format!(r#"{{"name":"w","op":"inc","value":{value}}}"#);
        must_refuse(text, Rejection::NegativeIncrement);
    }
}

#[test]
fn ops() {
    let cases = [
        (r#""dec""#, OpType::Other),
        (r#""""#, OpType::Empty),
        (r#""INC""#, OpType::Other),
        (r#"" inc""#, OpType::Other),
        ("1", OpType::Empty),
        ("1e400", OpType::Empty),
        ("null", OpType::Empty),
        (r#""a\"b\\c\nd""#, OpType::Other),
    ];
    for (op, op_type) in cases {
        let (seen, _, result) =
            outcome(format!(r#"{{"name":"u","op":{op},"value":1}}"#).as_bytes());
        assert_eq!((seen, result), (op_type, Err(Rejection::Op)), "{op}");
    }
    assert_eq!(outcome(b"{}").2, Err(Rejection::Op));
    assert_eq!(outcome(br#"{"name":"u","value":1}"#).0, OpType::Empty);
    for op in Op::ALL {
        let text = format!(r#"{{"name":"u","op":"{}"}}"#, op.as_str());
        assert_eq!(outcome(text.as_bytes()), (OpType::Known(op), vec![], Ok(())));
    }
    // A refused message still says which op it was.
    let (seen, _, result) = outcome(br#"{"name":"-","op":"obs"}"#);
    assert_eq!((seen, result), (OpType::Known(Op::Obs), Err(Rejection::Name)));
    assert_eq!(outcome(br#"{"name":"a","op":"inc""#).0, OpType::Empty);
}

#[test]
fn keys_in_any_case_and_duplicates() {
    use Coercion::KeyCase;
    must_parse(r#"{"NAME":"k1","Op":"inc","VALUE":2,"Labels":{"a":"b"}}"#, 2.0, &[KeyCase]);
    must_parse(r#"{"name":"k2","op":"inc","value":1,"value":5,"name":"k2b"}"#, 5.0, &[]);
    must_parse(r#"{"name":"k7","op":"set","value":"bad","value":4}"#, 4.0, &[]);
    must_parse(r#"{"name":"k9","op":"set","value":4,"value":null}"#, 4.0, &[]);
    must_parse(r#"{"n\u0061me":"k5","op":"inc","value":1}"#, 1.0, &[]);
    must_parse(r#"{"name":"k","op":"inc","Value":true,"value":3}"#, 3.0, &[]);
    must_parse(r#"{"name":"k","op":"inc","value":3,"Value":4}"#, 4.0, &[KeyCase]);
    must_parse(
        r#"{"name":"k4","op":"inc","value":1,"foo":{"value":[1,2,{"x":"y"}]},"bar":1e400}"#,
        1.0,
        &[],
    );
    must_refuse(r#"{"name":"k","op":"set","value":4,"value":true}"#, Rejection::Value);
}

#[test]
fn names() {
    for name in
        [r#""""#, r#""9a""#, r#""a-b""#, r#""a b""#, r#""é""#, "1", "null", "{}", r#""a\u0000""#]
    {
        for op in ["inc", "set", "obs"] {
            must_refuse(format!(r#"{{"name":{name},"op":"{op}"}}"#), Rejection::Name);
        }
        for op in ["event", "index", "raw", "shutdown"] {
            must_parse(&format!(r#"{{"name":{name},"op":"{op}"}}"#), 0.0, &[]);
        }
    }
    must_refuse(r#"{"op":"inc"}"#, Rejection::Name);
    must_parse(r#"{"name":"a:b_9","op":"inc"}"#, 0.0, &[]);
}

#[test]
fn label_values() {
    use Coercion::{LabelValue, Labels, Unicode};
    let cases: [(&str, &str, &[Coercion]); 20] = [
        ("{}", "", &[]),
        ("null", "", &[Labels]),
        ("[]", "", &[Labels]),
        (r#"["a","b"]"#, "", &[Labels]),
        (r#""str""#, "", &[Labels]),
        ("1e400", "", &[Labels]),
        (r#"{"b":"2","a":"1","A":"0","_":""}"#, "A=0,_=,a=1,b=2", &[]),
        (r#"{"ok":"yes","num":5,"z":"after"}"#, "num=5,ok=yes,z=after", &[LabelValue]),
        (r#"{"n":1.50,"e":1E5,"f":-0.0}"#, "e=1E5,f=-0.0,n=1.50", &[LabelValue]),
        (r#"{"n":1e400}"#, "n=1e400", &[LabelValue]),
        (
            r#"{"n":123456789012345678901234567890}"#,
            "n=123456789012345678901234567890",
            &[LabelValue],
        ),
        (r#"{"t":true,"f":false,"n":null}"#, "f=false,n=,t=true", &[LabelValue]),
        (r#"{"a":1,"a":"2"}"#, "a=2", &[]),
        (r#"{"a":"1","a":null}"#, "a=1", &[]),
        (r#"{"a":{},"a":"1"}"#, "a=1", &[]),
        (r#"{"a":"\ud800","b":7}"#, "a=\u{FFFD},b=7", &[LabelValue, Unicode]),
        (r#"{"a":"1","b":"2"},"labels":{"b":"3","c":"4"}"#, "a=1,b=3,c=4", &[]),
        (r#"{"a":"1"},"labels":null"#, "a=1", &[]),
        (r#"{"a":"1"},"labels":[]"#, "a=1", &[Labels]),
        (r#"[],"labels":{"a":"\"x\\\n"}"#, "a=\"x\\\n", &[]),
    ];
    for (text, expected, coercions) in cases {
        assert_eq!(labels(text), (expected.to_string(), coercions.to_vec()), "{text}");
    }
}

#[test]
fn label_refusals() {
    let message = |op, labels| format!(r#"{{"name":"m","op":"{op}","labels":{labels}}}"#);
    for labels in [
        r#"{"__x":"v"}"#,
        r#"{"9x":"v"}"#,
        r#"{"a b":"v"}"#,
        r#"{"":"v"}"#,
        r#"{"é":"v"}"#,
        r#"{"a:b":"v"}"#,
    ] {
        must_refuse(message("inc", labels), Rejection::LabelName);
        must_parse(&message("event", labels), 0.0, &[]);
    }
    for labels in [r#"{"o":{"k":"v"}}"#, r#"{"a":["x"]}"#, r#"{"a":"1","a":[]}"#] {
        must_refuse(message("inc", labels), Rejection::LabelValue);
        must_refuse(message("raw", labels), Rejection::LabelValue);
        must_parse(&message("shutdown", labels), 0.0, &[]);
    }
    must_refuse(message("obs", r#"{"le":"1"}"#), Rejection::ReservedLabel);
    must_parse(&message("inc", r#"{"le":"1","quantile":"x"}"#), 0.0, &[]);
    must_parse(&message("inc", r#"{"a":"","b":"","c":"","d":"","d":"1"}"#), 0.0, &[]);
    must_refuse(message("inc", r#"{"a":"","b":"","c":"","d":"","e":1}"#), Rejection::TooManyLabels);
    // The first in the order of names decides.
    must_refuse(message("inc", r#"{"b c":"","a":[]}"#), Rejection::LabelValue);
    must_refuse(message("inc", r#"{"a c":"","b":[],"z":5}"#), Rejection::LabelName);
}

#[test]
fn other_texts() {
    let text = br#"{"name":1,"op":"index","help":2,"index":"i-\u00e9","timestamp":"2024-01-02T03:04:05Z"}"#;
    parse(&mut Parser::new(4), text, |parsed| {
        let sample = parsed.result.unwrap();
        assert_eq!((sample.name, sample.help, sample.index), ("", "", "i-é"));
        assert_eq!(sample.timestamp, Some("2024-01-02T03:04:05Z"));
    });
    for (timestamp, index) in
        [("1700000000", "1"), ("1e400", "1e400"), ("null", "[]"), ("{}", "null")]
    {
        let text =
            format!(r#"{{"op":"raw","help":{index},"timestamp":{timestamp},"index":{index}}}"#);
        parse(&mut Parser::new(4), text.as_bytes(), |parsed| {
            let sample = parsed.result.unwrap();
            assert_eq!((sample.timestamp, sample.index, sample.help), (None, "", ""), "{text}");
        });
    }
}

#[test]
fn bucket_fields() {
    let message = |op, fields| format!(r#"{{"name":"h","op":"{op}","value":1,{fields}}}"#);
    let read = |fields| {
        parse(&mut Parser::new(4), message("obs", fields).as_bytes(), |parsed| {
            let buckets =
                parsed.result.unwrap_or_else(|reason| panic!("{reason:?}: {fields}")).buckets;
            let floats = [buckets.width, buckets.factor, buckets.min, buckets.max, buckets.start];
            (
                buckets.count,
                buckets.custom.to_vec(),
                floats,
                parsed.coercions.contains(Coercion::Number),
            )
        })
    };
    let none = [0.0; 5];
    assert_eq!(read(r#""buckets":3"#), (3, vec![], none, false));
    assert_eq!(read(r#""buckets":-3"#), (-3, vec![], none, false));
    for fields in
        [r#""buckets":3.0"#, r#""buckets":"3""#, r#""buckets":0.3e1"#, r#""buckets":"30e-1""#]
    {
        assert_eq!(read(fields), (3, vec![], none, true), "{fields}");
    }
    assert_eq!(read(r#""buckets":"9223372036854775807""#).0, i64::MAX);
    assert_eq!(
        read(r#""buckets":null,"bucket_custom":null,"bucket_min":null"#),
        (0, vec![], none, false)
    );
    assert_eq!(read(r#""bucket_custom":[1,"2",3]"#), (0, vec![1.0, 2.0, 3.0], none, true));
    assert_eq!(read(r#""bucket_custom":[]"#), (0, vec![], none, false));
    let all = r#""bucket_width":1,"bucket_factor":2.5,"bucket_min":0.5,"bucket_max":70,"bucket_start":-1"#;
    assert_eq!(read(all), (0, vec![], [1.0, 2.5, 0.5, 70.0, -1.0], false));
    for fields in [
        r#""buckets":2.5"#,
        r#""buckets":"x""#,
        r#""buckets":9223372036854775808"#,
        r#""buckets":1e19"#,
        r#""buckets":"9223372036854775808""#,
        r#""buckets":true"#,
        r#""buckets":[]"#,
        r#""bucket_custom":"x""#,
        r#""bucket_custom":{}"#,
        r#""bucket_custom":5"#,
        r#""bucket_custom":[1,null]"#,
        r#""bucket_custom":[[1],2]"#,
        r#""bucket_custom":[1,1e400]"#,
        r#""bucket_width":"wide""#,
        r#""bucket_factor":{}"#,
        r#""bucket_min":1e999"#,
        r#""bucket_max":"1e999""#,
        r#""bucket_start":false"#,
    ] {
        must_refuse(message("obs", fields), Rejection::BucketParams);
        must_parse(&message("inc", fields), 1.0, &[]);
        must_parse(&message("event", fields), 1.0, &[]);
    }
}

#[test]
fn bucket_fields_of_what_is_passed_on_are_kept_as_far_as_they_can_be_read() {
    for op in ["event", "index", "raw"] {
        let read = |fields| {
            let text = format!(r#"{{"name":"h","op":"{op}","value":1,{fields}}}"#);
            parse(&mut Parser::new(4), text.as_bytes(), |parsed| {
                let buckets = parsed.result.expect("it is taken").buckets;
                (buckets.count, buckets.custom.to_vec(), buckets.width, parsed.coercions)
            })
        };
        let none = Coercions::default();
        assert_eq!(
            read(r#""buckets":3,"bucket_custom":[1,2],"bucket_width":0.5"#),
            (3, vec![1.0, 2.0], 0.5, none)
        );
        assert_eq!(read(r#""buckets":"3""#), (3, vec![], 0.0, none));
        assert_eq!(read(r#""bucket_custom":"x""#), (0, vec![], 0.0, none));
    }
}

#[test]
fn broken_text() {
    use Coercion::Unicode;
    let message =
        |text: &[u8]| [br#"{"name":"m","op":"set","value":2,"help":""#, text, br#""}"#].concat();
    let cases: [(&[u8], &str); 7] = [
        (b"a\xffb", "a\u{FFFD}b"),
        (b"\xe2\x82", "\u{FFFD}\u{FFFD}"),
        (br"\ud800", "\u{FFFD}"),
        (br"\udc00x", "\u{FFFD}x"),
        (br"\ud83dx", "\u{FFFD}x"),
        (br"\ud800\n", "\u{FFFD}\n"),
        (br"\ud800\u0041", "\u{FFFD}A"),
    ];
    for (text, help) in cases {
        parse(&mut Parser::new(4), &message(text), |parsed| {
            assert_eq!(parsed.result.unwrap().help, help);
            assert_eq!(parsed.coercions.iter().collect::<Vec<_>>(), [Unicode]);
        });
    }
    parse(&mut Parser::new(4), &message(br"\ud83d\ude00\/\u00e9"), |parsed| {
        assert_eq!(
            (parsed.result.unwrap().help, parsed.coercions),
            ("\u{1F600}/é", Coercions::default())
        );
    });
    must_refuse(message(br"\uzzzz"), Rejection::Syntax);
    must_refuse(message(br"\x"), Rejection::Syntax);
    must_refuse(message(b"\x01"), Rejection::Syntax);
    must_refuse(b"{\"a\":1,\xff}", Rejection::Syntax);
}

#[test]
fn depth() {
    let nested = |levels: usize| {
        let inner = levels - 1;
        format!(r#"{{"name":"d","op":"inc","x":{}{}}}"#, "[".repeat(inner), "]".repeat(inner))
    };
    must_parse(&nested(16), 0.0, &[]);
    for levels in [17, 200, 11_000] {
        must_refuse(nested(levels), Rejection::Depth);
    }
    must_refuse(nested(17).replace(r#""d""#, "\"\u{1}\""), Rejection::Syntax);
}

/// What the fuzz target found worth keeping: whatever it is, the same again gives the same.
#[test]
fn corpus_of_the_fuzz_target() {
    let mut parser = Parser::new(4);
    let mut accepted = 0;
    for entry in std::fs::read_dir("fuzz/corpus/json").unwrap() {
        let text = std::fs::read(entry.unwrap().path()).unwrap();
        let again = parse(&mut parser, &text, |parsed| {
            (parsed.op_type, parsed.coercions.iter().collect(), parsed.result.map(|_| ()))
        });
        assert_eq!(again, outcome(&text));
        accepted += usize::from(again.2.is_ok());
    }
    assert!(accepted > 0);
}

/// JSON texts that are objects, mostly of our keys, some of them damaged.
fn objects() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?",
        "\"[a-z0-9é\u{1F600} ]{0,9}\"",
        "\"(\\\\[nrt\"/\\\\]|\\\\u[0-9a-fd]{4}|x){0,4}\"",
        "true|false|null|\"inc\"|\"obs\"",
    ];
    let value = leaf.prop_recursive(3, 16, 4, |inner| {
        let member =
            ("[a-z_]{1,3}", inner.clone()).prop_map(|(key, value)| format!("\"{key}\":{value}"));
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(member, 0..4)
                .prop_map(|items| format!("{{{}}}", items.join(", "))),
        ]
    });
    let key = "name|op|value|labels|Labels|VALUE|help|buckets|bucket_custom|index|timestamp|x";
    let member = (key, value).prop_map(|(key, value)| format!("\"{key}\":{value}"));
    let object =
        prop::collection::vec(member, 0..6).prop_map(|items| format!("{{{}}}", items.join(",")));
    let damage = prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>()));
    (object, damage).prop_map(|(object, damage)| {
        let mut bytes = object.into_bytes();
        if let Some((index, byte)) = damage {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Texts are refused for their syntax exactly if serde_json refuses them, but for what is put right.
    #[test]
    fn agrees_with_serde_json(text in objects()) {
        let mut parser = Parser::new(64);
        let (result, coercions) = parse(&mut parser, &text, |parsed| {
            (parsed.result.map(|sample| sample.value), parsed.coercions)
        });
        let refused = result == Err(Rejection::Syntax);
        let readable = serde_json::from_slice::<serde_json::Value>(&text);
        let whole = readable.as_ref().is_ok_and(serde_json::Value::is_object);
        let repaired = coercions.contains(Coercion::Unicode) || text.windows(2).any(|two| {
            two[0].eq_ignore_ascii_case(&b'e') || two[1].eq_ignore_ascii_case(&b'e')
        });
        prop_assert!(refused != whole || repaired, "{:?} {}", result, String::from_utf8_lossy(&text));
        if !refused && whole {
            // The same again gives the same: nothing is left over in the buffers.
            let again = parse(&mut parser, &text, |parsed| parsed.result.map(|sample| sample.value));
            prop_assert_eq!(again, result);
        }
    }

    /// No bytes make it panic, and none are changed.
    #[test]
    fn takes_any_bytes(text in prop::collection::vec(any::<u8>(), 1..200)) {
        let text = [b"{".as_slice(), &text].concat();
        let _whatever = outcome(&text);
    }
}
