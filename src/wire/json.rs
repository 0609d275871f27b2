//! One framed object becomes a [`Sample`](crate::metric::Sample) or a [`Rejection`].
//!
//! Runs on an ingest worker, one [`Parser`] per worker; the only user of simd-json. It takes what PHP
//! makes of arrays, numbers and broken text (see [`Coercion`]) and must not know families or cells.
//!
//! Checks come in this order, and the first that fails is the reason: syntax and depth, op, name,
//! number of labels, each label in the order of names (its name, `le`, its value), value, sign of an
//! `inc`, bucket fields. A `shutdown` is judged by its op alone.

use std::mem;

use simd_json::{Buffers, ErrorType, Node, Tape};

use crate::metric::{Coercion, Coercions, Label, Rejection};
use crate::wire::repair;

mod buckets;
mod labels;
mod members;
mod parsed;
mod sample;
mod tape;

pub use parsed::Parsed;

/// How many bytes behind an object must be readable; what they hold does not matter and is kept.
pub const PADDING: usize = simd_json::INPUT_PADDING;

/// Our messages are three levels deep; deeper ones only cost time.
const DEPTH_MAX: usize = 16;

/// Parses objects, with buffers that it reuses.
#[derive(Debug)]
pub struct Parser {
    reader: Reader,
    /// The text that is parsed instead of the original where that must stay or was put right.
    scratch: Vec<u8>,
}

/// What parses a text once.
struct Reader {
    labels_max: usize,
    buffers: Buffers,
    tape: Tape<'static>,
    found: Vec<labels::SentLabel<'static>>,
    labels: Vec<Label<'static>>,
    custom: Vec<f64>,
}

/// Why a text has to be put right before it can be judged.
#[derive(Clone, Copy)]
enum Obstacle {
    /// It is no JSON, or deeper than 16 levels.
    Unreadable(Rejection),
    /// A label's value is a number, whose text the tape does not have.
    LabelNumber,
}

impl Parser {
    /// A parser that refuses messages with more than `labels_max` labels.
    pub fn new(labels_max: usize) -> Self {
        let reader = Reader {
            labels_max,
            buffers: Buffers::with_max_depth(1024, DEPTH_MAX),
            tape: Tape(Vec::new()),
            found: Vec::new(),
            labels: Vec::new(),
            custom: Vec::new(),
        };
        Self { reader, scratch: Vec::new() }
    }

    /// Shows `judge` what the object `bytes[..len]` says, and returns what it returns.
    ///
    /// `bytes` goes on for [`PADDING`] bytes or more behind the object. `escaped` is false only if no
    /// backslash is in it. Nothing of `bytes` is different afterwards.
    pub fn parse<R>(
        &mut self,
        bytes: &mut [u8],
        len: usize,
        escaped: bool,
        judge: impl FnOnce(Parsed<'_>) -> R,
    ) -> R {
        debug_assert!(escaped || !bytes[..len].contains(&b'\\'));
        let first = if escaped {
            // simd-json resolves escapes in place; the original may be needed again.
            self.scratch.clear();
            self.scratch.extend_from_slice(&bytes[..len + PADDING]);
            self.reader.read(&mut self.scratch, len, Coercions::default(), judge)
        } else {
            self.reader.read(bytes, len, Coercions::default(), judge)
        };
        first
            .unwrap_or_else(|(obstacle, judge)| self.parse_repaired(&bytes[..len], obstacle, judge))
    }

    /// Parses repaired copies of `original`, until nothing more can be put right.
    #[cold]
    fn parse_repaired<R, J>(&mut self, original: &[u8], obstacle: Obstacle, judge: J) -> R
    where
        J: FnOnce(Parsed<'_>) -> R,
    {
        let mut coercions = Coercions::default();
        let (mut obstacle, mut judge) = (obstacle, judge);
        // Broken text first, then labels that are numbers: a third round would find nothing to do.
        for round in 0..2 {
            match obstacle {
                Obstacle::Unreadable(Rejection::Syntax) if round == 0 => {}
                Obstacle::Unreadable(reason) => return judge(Parsed::refused(reason, coercions)),
                Obstacle::LabelNumber => coercions.insert(Coercion::LabelValue),
            }
            let quote = matches!(obstacle, Obstacle::LabelNumber);
            let repaired = repair::repair(original, quote, &mut self.scratch);
            if repaired.unicode {
                coercions.insert(Coercion::Unicode);
            }
            if !repaired.changed {
                break;
            }
            let len = self.scratch.len();
            self.scratch.resize(len + PADDING, 0);
            match self.reader.read(&mut self.scratch, len, coercions, judge) {
                Ok(result) => return result,
                Err(again) => (obstacle, judge) = again,
            }
        }
        judge(Parsed::refused(Rejection::Syntax, coercions))
    }
}

impl Reader {
    /// Parses `text[..len]` and shows `judge` what it says, or gives it back with the obstacle.
    fn read<R, J>(
        &mut self,
        text: &mut [u8],
        len: usize,
        coercions: Coercions,
        judge: J,
    ) -> Result<R, (Obstacle, J)>
    where
        J: FnOnce(Parsed<'_>) -> R,
    {
        // The buffers leave for as long as the text lives; a panic in between only costs their memory.
        let mut tape = mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        let filled = simd_json::fill_tape_padded(text, len, &mut self.buffers, &mut tape);
        let result = match filled {
            Ok(()) => self.show(&tape.0, coercions, judge),
            Err(error) => Err((Obstacle::Unreadable(reason(error.error())), judge)),
        };
        self.tape = tape.reset();
        result
    }

    /// Shows `judge` what the tape says.
    fn show<R, J>(
        &mut self,
        tape: &[Node<'_>],
        coercions: Coercions,
        judge: J,
    ) -> Result<R, (Obstacle, J)>
    where
        J: FnOnce(Parsed<'_>) -> R,
    {
        let mut found = mem::take(&mut self.found);
        let mut labels = mem::take(&mut self.labels);
        let room = sample::Room {
            labels_max: self.labels_max,
            found: &mut found,
            labels: &mut labels,
            custom: &mut self.custom,
        };
        let result = match sample::interpret(tape, coercions, room) {
            Some(parsed) => Ok(judge(parsed)),
            None => Err((Obstacle::LabelNumber, judge)),
        };
        self.found = recycle(found, |_| labels::SentLabel::NONE);
        self.labels = recycle(labels, |_| Label { name: "", value: "" });
        result
    }
}

/// Empties the vector for contents of another lifetime. The standard library collects into the same
/// memory when both kinds have one layout (there is a test).
fn recycle<A, B>(mut vector: Vec<A>, make: impl Fn(A) -> B) -> Vec<B> {
    vector.clear();
    vector.into_iter().map(make).collect()
}

fn reason(error: &ErrorType) -> Rejection {
    match error {
        ErrorType::DepthLimitExceeded => Rejection::Depth,
        _ => Rejection::Syntax,
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("labels_max", &self.labels_max).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_reused_across_lifetimes() {
        let mut parser = Parser::new(64);
        let text = br#"{"name":"a","op":"obs","labels":{"x":"1","y":"2"},"bucket_custom":[1,2]}"#;
        let mut memory = Vec::new();
        for _ in 0..3 {
            let mut bytes = text.to_vec();
            bytes.resize(text.len() + PADDING, 0);
            let labels = parser.parse(&mut bytes, text.len(), false, |parsed| {
                parsed.result.map(|sample| sample.labels.as_ptr() as usize)
            });
            let Reader { tape, found, custom, .. } = &parser.reader;
            let tape = (tape.0.as_ptr() as usize, tape.0.capacity());
            memory.push((labels, tape, found.as_ptr() as usize, custom.as_ptr() as usize));
            assert!(parser.reader.labels.capacity() >= 2);
        }
        assert!(memory[0].0.is_ok());
        assert_eq!(memory[1], memory[0]);
        assert_eq!(memory[2], memory[0]);
    }
}
