//! A page in the text format 0.0.4, made in pieces.
//!
//! Each piece goes to a consumer as soon as it is full, so that a page of a million series needs no
//! second copy of itself. Format and numbers are the original's, byte for byte:
//! `# HELP name help`, `# TYPE name type`, samples; labels by name, `le` last; no blank lines.

use crate::metric::Kind;
use crate::registry::cell::Total;
use crate::registry::directory::{Entry, View};
use crate::text::{escape, number};

/// Bytes at which a piece is handed on: large enough that handing on costs nothing, small enough to
/// stay in a core's second cache.
const PIECE_BYTES: usize = 128 << 10;

/// A page in the making.
#[derive(Debug)]
pub struct Page<F: FnMut(&mut Vec<u8>)> {
    piece: Vec<u8>,
    /// Takes a full piece, and leaves an empty vector to be filled next.
    consume: F,
}

impl<F: FnMut(&mut Vec<u8>)> Page<F> {
    /// An empty page.
    pub fn new(consume: F) -> Self {
        Self { piece: Vec::new(), consume }
    }

    /// Hands on what is left.
    pub fn finish(mut self) {
        if !self.piece.is_empty() {
            (self.consume)(&mut self.piece);
        }
    }

    fn line_ends(&mut self) {
        self.piece.push(b'\n');
        if self.piece.len() >= PIECE_BYTES {
            self.hand_on();
        }
    }

    fn hand_on(&mut self) {
        (self.consume)(&mut self.piece);
        self.piece.clear();
        // The consumer may have kept the vector: the next piece is filled without growing.
        self.piece.reserve(PIECE_BYTES + PIECE_BYTES / 8);
    }

    /// `# HELP` and `# TYPE`.
    pub fn header(&mut self, name: &str, kind: Kind, help: &str) {
        let piece = &mut self.piece;
        piece.extend_from_slice(b"# HELP ");
        piece.extend_from_slice(name.as_bytes());
        piece.push(b' ');
        escape::write_help(piece, help);
        piece.extend_from_slice(b"\n# TYPE ");
        piece.extend_from_slice(name.as_bytes());
        piece.push(b' ');
        piece.extend_from_slice(kind.as_str().as_bytes());
        self.line_ends();
    }

    /// One line: a name with its suffix, label text, and a value.
    pub fn sample(&mut self, name: &str, suffix: &str, labels: &[u8], value: f64) {
        self.name_and_labels(name, suffix, labels);
        number::write_f64(&mut self.piece, value);
        self.line_ends();
    }

    fn name_and_labels(&mut self, name: &str, suffix: &str, labels: &[u8]) {
        let piece = &mut self.piece;
        piece.extend_from_slice(name.as_bytes());
        piece.extend_from_slice(suffix.as_bytes());
        if !labels.is_empty() {
            piece.push(b'{');
            piece.extend_from_slice(labels);
            piece.push(b'}');
        }
        piece.push(b' ');
    }

    /// A histogram's lines. `counts` has one number per bound and one for what is above the last;
    /// `_count` is their sum, so it always equals the `+Inf` bucket.
    pub fn histogram(
        &mut self,
        name: &str,
        labels: &[u8],
        bounds: &[f64],
        counts: &[u64],
        sum: f64,
    ) {
        let mut cumulated = 0;
        let infinite = [f64::INFINITY];
        for (bound, count) in bounds.iter().chain(&infinite).zip(counts) {
            cumulated += count;
            let piece = &mut self.piece;
            piece.extend_from_slice(name.as_bytes());
            piece.extend_from_slice(b"_bucket{");
            piece.extend_from_slice(labels);
            if !labels.is_empty() {
                piece.push(b',');
            }
            piece.extend_from_slice(b"le=\"");
            number::write_f64(piece, *bound);
            piece.extend_from_slice(b"\"} ");
            number::write_u64(piece, cumulated);
            self.line_ends();
        }
        self.sample(name, "_sum", labels, sum);
        self.name_and_labels(name, "_count", labels);
        number::write_u64(&mut self.piece, cumulated);
        self.line_ends();
    }

    /// A family that is text already.
    pub fn text(&mut self, text: &[u8]) {
        self.piece.extend_from_slice(text);
        if self.piece.len() >= PIECE_BYTES {
            self.hand_on();
        }
    }

    /// A user's family.
    pub fn family(&mut self, view: &View) {
        let family = &view.family;
        self.header(&family.name, family.kind, &family.help);
        for entry in view.entries() {
            self.series(&family.name, &family.bounds, entry);
        }
    }

    fn series(&mut self, name: &str, bounds: &[f64], entry: &Entry) {
        match entry.total() {
            Total::Histogram { counts, sum } => {
                self.histogram(name, entry.text(), bounds, &counts, sum.value());
            }
            total => self.sample(name, "", entry.text(), total.value()),
        }
    }
}
