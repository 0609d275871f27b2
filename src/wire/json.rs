//! One framed object becomes a [`Sample`](crate::metric::Sample) or a [`Rejection`].
//!
//! Runs on an ingest worker, one [`Parser`] per worker; the only user of simd-json. It accepts what PHP
//! makes of arrays, numbers and broken text (see [`Coercion`]). It must not know families or cells.
//!
//! Checks are made in this order, and the first that fails is the reason of the rejection: syntax and depth,
//! op, name, number of labels, each label in the order of names (its name, whether it is `le`, its value),
//! value, sign of an `inc`, bucket fields. Of a `shutdown` only syntax, depth and op are checked.

use std::mem;

use simd_json::{Buffers, ErrorType, Node, Tape};

use crate::metric::{Coercion, Coercions, Label, Rejection};
use crate::planted::{self, Fault};
use crate::wire::recycle::recycle;
use crate::wire::repair;

mod buckets;
mod labels;
mod members;
mod parsed;
mod sample;
mod tape;

pub use parsed::Parsed;

/// How many bytes behind an object must be readable. It does not matter what they are, and they stay as they are.
pub const PADDING: usize = simd_json::INPUT_PADDING;

/// Levels of nesting. What the server reads is at most two levels deep; the rest is for members that it ignores.
const DEPTH_MAX: usize = 16;

/// The shortest object with a member is `{"":0}`.
const MEMBER_BYTES_MIN: usize = 6;

/// The shortest object with an op and a byte that is to be repaired is `{"op":"inc","":1}` with that byte in the empty
/// name. A shorter one is refused in any case, and has few bytes to divide the cost of two parses by.
const REPAIRED_BYTES_MIN: usize = 18;

/// Parses objects, with buffers that it reuses.
#[derive(Debug)]
pub struct Parser {
    reader: Reader,
    /// A copy of the message. It is parsed in place of the message if parsing would change the bytes, as it does
    /// with escapes, or if the text had to be repaired.
    scratch: Vec<u8>,
}

/// Parses a text as it is, and keeps the buffers that this needs.
struct Reader {
    labels_max: usize,
    buffers: Buffers,
    tape: Tape<'static>,
    found: Vec<labels::SentLabel<'static>>,
    labels: Vec<Label<'static>>,
    custom: Vec<f64>,
}

/// Why a text has to be repaired before it can be judged.
#[derive(Clone, Copy)]
enum Obstacle {
    /// It is no JSON, or has more than [`DEPTH_MAX`] levels.
    Unreadable(Rejection),
    /// A label's value is a number. The label needs the digits as they were sent, and simd-json's tape has
    /// only the value.
    LabelNumber,
}

/// A text that could not be judged, and the function that is still to judge it.
struct Unjudged<J> {
    obstacle: Obstacle,
    judge: J,
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

    /// Calls `judge` with what the object `bytes[..len]` says, and returns what `judge` returns.
    ///
    /// There must be [`PADDING`] bytes or more in `bytes` behind the object. `escaped` tells whether a backslash
    /// may be in the object. All of `bytes` is afterwards as it was.
    pub fn parse<R>(
        &mut self,
        bytes: &mut [u8],
        len: usize,
        escaped: bool,
        judge: impl FnOnce(Parsed<'_>) -> R,
    ) -> R {
        debug_assert!(escaped || !bytes[..len].contains(&b'\\'));
        if len < MEMBER_BYTES_MIN && !planted::is(Fault::EmptyObjectsParsed) {
            return judge(Parsed::refused(without_member(&bytes[..len]), Coercions::default()));
        }
        let first = if escaped {
            // simd-json overwrites escapes with what they mean, and the original may be needed for a repair.
            self.scratch.clear();
            self.scratch.extend_from_slice(&bytes[..len + PADDING]);
            self.reader.read(&mut self.scratch, len, Coercions::default(), judge)
        } else {
            self.reader.read(bytes, len, Coercions::default(), judge)
        };
        first.unwrap_or_else(|unjudged| self.parse_repaired(&bytes[..len], unjudged))
    }

    /// Parses repaired copies of `original`, until one can be judged or nothing is left to repair.
    #[cold]
    fn parse_repaired<R, J>(&mut self, original: &[u8], unjudged: Unjudged<J>) -> R
    where
        J: FnOnce(Parsed<'_>) -> R,
    {
        let mut coercions = Coercions::default();
        let Unjudged { mut obstacle, mut judge } = unjudged;
        // The first round repairs broken text. Only then can labels that are numbers be seen, and the second
        // round repairs these. A third round would find nothing to repair.
        for round in 0..2 {
            match obstacle {
                Obstacle::Unreadable(Rejection::Syntax)
                    if round == 0 && original.len() >= REPAIRED_BYTES_MIN => {}
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
                Err(again) => Unjudged { obstacle, judge } = again,
            }
        }
        judge(Parsed::refused(Rejection::Syntax, coercions))
    }
}

impl Reader {
    /// Parses `text[..len]` and calls `judge` with what it says; or returns `judge` with the obstacle.
    fn read<R, J>(
        &mut self,
        text: &mut [u8],
        len: usize,
        coercions: Coercions,
        judge: J,
    ) -> Result<R, Unjudged<J>>
    where
        J: FnOnce(Parsed<'_>) -> R,
    {
        // A tape borrows the text that it is filled from, so `self` cannot hold it meanwhile. If a panic comes
        // before it is put back, only its memory is lost.
        let mut tape = mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        let filled = simd_json::fill_tape_padded(text, len, &mut self.buffers, &mut tape);
        let result = match filled {
            Ok(()) => self.show(&tape.0, coercions, judge),
            Err(error) => {
                Err(Unjudged { obstacle: Obstacle::Unreadable(reason(error.error())), judge })
            }
        };
        self.tape = tape.reset();
        result
    }

    /// Calls `judge` with what the tape says; or returns it with the obstacle.
    fn show<R, J>(
        &mut self,
        tape: &[Node<'_>],
        coercions: Coercions,
        judge: J,
    ) -> Result<R, Unjudged<J>>
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
            None => Err(Unjudged { obstacle: Obstacle::LabelNumber, judge }),
        };
        self.found = recycle(found, |_| labels::SentLabel::NONE);
        self.labels = recycle(labels, |_| Label { name: "", value: "" });
        result
    }
}

/// Why an object without members is refused. A flood of these would cost most if they were parsed: each takes the
/// steps of a whole message.
#[cold]
fn without_member(object: &[u8]) -> Rejection {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    match object {
        [b'{', inner @ .., b'}'] if inner.iter().all(is_blank) => Rejection::Op,
        _ => Rejection::Syntax,
    }
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
