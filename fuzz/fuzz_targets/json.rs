//! Any object: simd-json through our parser takes what `serde_json` takes, nothing is changed in the
//! receive buffer, a second parse says the same, and a sample keeps what its type promises.

#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use metrics_server::testing::metric::{Coercion, Coercions, OpType, Rejection};
use metrics_server::testing::wire::{Frame, Framer};
use metrics_server::testing::wire::{PADDING, Parsed, Parser};

const LABELS_MAX: usize = 8;

thread_local! {
    /// One parser for all inputs, as a worker has: what is left in its buffers must not matter.
    static PARSER: RefCell<Parser> = RefCell::new(Parser::new(LABELS_MAX));
}

type Outcome = (OpType, Coercions, Result<String, Rejection>);

fn outcome(parsed: Parsed<'_>) -> Outcome {
    if let Ok(sample) = &parsed.result {
        assert_eq!(parsed.op_type, OpType::Known(sample.op));
        assert!(sample.value.is_finite());
        assert!(sample.labels.len() <= LABELS_MAX);
        assert!(sample.labels.is_sorted_by(|a, b| a.name < b.name));
        if sample.op.kind().is_some() {
            assert!(!sample.name.is_empty() && sample.name.is_ascii());
            assert!(sample.labels.iter().all(|label| !label.name.starts_with("__")));
        }
    }
    (parsed.op_type, parsed.coercions, parsed.result.map(|sample| format!("{sample:?}")))
}

fn parse(parser: &mut Parser, object: &[u8], padding: u8, escaped: bool) -> Outcome {
    let mut bytes = object.to_vec();
    bytes.resize(object.len() + PADDING, padding);
    let before = bytes.clone();
    let seen = parser.parse(&mut bytes, object.len(), escaped, outcome);
    assert_eq!(bytes, before);
    seen
}

fuzz_target!(|input: &[u8]| {
    let mut framer = Framer::new(usize::MAX);
    let Some(Frame::Object { start, end, escaped }) = framer.next(input, &mut 0) else { return };
    let object = &input[start..end];
    let seen = PARSER.with_borrow_mut(|parser| parse(parser, object, b'"', escaped));
    assert_eq!(parse(&mut Parser::new(LABELS_MAX), object, 0, true), seen);

    let (_, coercions, result) = seen;
    let syntax = result == Err(Rejection::Syntax);
    match serde_json::from_slice::<serde_json::Value>(object) {
        Ok(_) => assert!(!syntax, "refused, but it is JSON"),
        // What serde_json does not take and we do: put right, a number past f64, or deeper than either.
        Err(error) if error.to_string().starts_with("number out of range") => {}
        Err(error) if error.to_string().starts_with("recursion limit") => {}
        Err(error) => {
            let put_right =
                coercions.contains(Coercion::Unicode) || result == Err(Rejection::Depth);
            assert!(syntax || put_right, "taken as {result:?}, but serde_json says {error}");
        }
    }
});
