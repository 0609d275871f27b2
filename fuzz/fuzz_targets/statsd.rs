//! Any line: the parser says the same each time, whatever it has read before, takes no line for nothing, and a sample
//! keeps what its type promises.

#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use metrics_server::testing::config::TagStyles;
use metrics_server::testing::metric::{Coercions, Op, OpType, Rejection};
use metrics_server::testing::wire::{LineParser, LineSample, ParsedLine};

const LABELS_MAX: usize = 8;

thread_local! {
    /// One parser for all inputs, as a worker has: what is left in its buffers must not matter.
    static PARSER: RefCell<LineParser> = RefCell::new(LineParser::new(LABELS_MAX, TagStyles::all()));
}

type Outcome = (OpType, Coercions, Result<String, Rejection>);

fn outcome(ParsedLine { op_type, coercions, result }: ParsedLine<'_>) -> Outcome {
    if let Ok(LineSample { sample, number, scaling, .. }) = &result {
        assert_eq!(op_type, OpType::Known(sample.op));
        assert!(sample.value.is_finite() && sample.value == scaling.scale(*number));
        assert!((1..=1_000_000).contains(&scaling.weight()));
        assert!(sample.op == Op::Obs || scaling.weight() == 1);
        assert!(sample.op != Op::Inc || sample.value >= 0.0);
        assert!(sample.labels.len() <= LABELS_MAX);
        assert!(sample.labels.is_sorted_by(|a, b| a.name < b.name));
        if sample.op.kind().is_some() {
            let names = sample.labels.iter().map(|label| label.name).chain([sample.name]);
            for name in names {
                assert!(!name.is_empty() && !name.starts_with(|char: char| char.is_ascii_digit()));
                assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
            }
            assert!(sample.labels.iter().all(|label| !label.name.starts_with("__")));
        }
    }
    (op_type, coercions, result.map(|line| format!("{line:?}")))
}

fn parse(parser: &mut LineParser, line: &[u8]) -> Vec<Outcome> {
    let mut seen = Vec::new();
    parser.parse(line, |parsed| seen.push(outcome(parsed)));
    assert!(!seen.is_empty());
    seen
}

fuzz_target!(|line: &[u8]| {
    let seen = PARSER.with_borrow_mut(|parser| parse(parser, line));
    assert_eq!(parse(&mut LineParser::new(LABELS_MAX, TagStyles::all()), line), seen);
    parse(&mut LineParser::new(LABELS_MAX, TagStyles::default()), line);
});
