//! Lines of a page in the text format 0.0.4.
//!
//! Format and numbers are the original's, byte for byte: `# HELP name help`, `# TYPE name type`,
//! samples; labels by name, `le` last; no blank lines. Everything is appended to the caller's buffer.

use crate::metric::Kind;
use crate::registry::directory::Number;
use crate::text::{escape, number};

/// Bytes of a number, and what stands around it on a line.
const NUMBER_BYTES: usize = 40;

/// `# HELP` and `# TYPE`.
pub fn header(out: &mut Vec<u8>, name: &str, kind: Kind, help: &str) {
    out.extend_from_slice(b"# HELP ");
    out.extend_from_slice(name.as_bytes());
    out.push(b' ');
    escape::write_help(out, help);
    out.extend_from_slice(b"\n# TYPE ");
    out.extend_from_slice(name.as_bytes());
    out.push(b' ');
    out.extend_from_slice(kind.as_str().as_bytes());
    out.push(b'\n');
}

/// One line: a name, label text, and a value.
pub fn sample(out: &mut Vec<u8>, name: &str, labels: &[u8], value: f64) {
    out.extend_from_slice(name.as_bytes());
    if !labels.is_empty() {
        out.push(b'{');
        out.extend_from_slice(labels);
        out.push(b'}');
    }
    out.push(b' ');
    number::write_f64(out, value);
    out.push(b'\n');
}

/// What the lines of all series of a family have in common, as text.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    /// Begins of lines, `name{`: the family's own, or a histogram's `_bucket`, `_sum` and `_count`.
    begins: [Vec<u8>; 3],
    /// `,le="0.1"} ` for each bound and the infinite one, end to end.
    bounds: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Layout {
    /// Of counters and gauges.
    pub(crate) fn plain(name: &str) -> Self {
        Self { begins: [format!("{name}{{").into(), Vec::new(), Vec::new()], ..Self::default() }
    }

    /// Of histograms with these finite bounds.
    pub(crate) fn histogram(name: &str, bounds: &[f64]) -> Self {
        let begins = ["bucket", "sum", "count"].map(|suffix| format!("{name}_{suffix}{{").into());
        let mut layout = Self { begins, ..Self::default() };
        for bound in bounds.iter().chain(&[f64::INFINITY]) {
            layout.bounds.extend_from_slice(b",le=\"");
            number::write_f64(&mut layout.bounds, *bound);
            layout.bounds.extend_from_slice(b"\"} ");
            layout.ends.push(layout.bounds.len());
        }
        layout
    }

    /// One line of a counter or gauge.
    #[inline]
    pub(crate) fn line(&self, out: &mut Vec<u8>, labels: &[u8], number: Number) {
        self.begin(out, 0, labels);
        match number {
            Number::Whole(whole) => number::write_u64(out, whole),
            Number::Float(float) => number::write_f64(out, float),
        }
        out.push(b'\n');
    }

    /// A line but for its number.
    #[inline]
    fn begin(&self, out: &mut Vec<u8>, which: usize, labels: &[u8]) {
        let begin = &self.begins[which];
        out.reserve(begin.len() + labels.len() + NUMBER_BYTES); // once for the line
        if labels.is_empty() {
            out.extend_from_slice(&begin[..begin.len() - 1]);
            out.push(b' ');
        } else {
            out.extend_from_slice(begin);
            out.extend_from_slice(labels);
            out.extend_from_slice(b"} ");
        }
    }

    fn bucket(&self, out: &mut Vec<u8>, labels: &[u8], index: usize, cumulated: u64) {
        let from = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        let mut bound = &self.bounds[from..self.ends[index]];
        if labels.is_empty() {
            bound = &bound[1..]; // no comma
        }
        let begin = &self.begins[0];
        out.reserve(begin.len() + labels.len() + bound.len() + NUMBER_BYTES);
        out.extend_from_slice(begin);
        out.extend_from_slice(labels);
        out.extend_from_slice(bound);
        number::write_u64(out, cumulated);
        out.push(b'\n');
    }
}

/// A histogram whose lines are written one by one, all of the same moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram {
    /// One number per bound and one for what is above the last.
    pub counts: Vec<u64>,
    /// Sum of observations.
    pub sum: f64,
    next: usize,
    cumulated: u64,
}

impl Histogram {
    /// Begins with the first line again.
    pub(crate) fn begin(&mut self) {
        (self.next, self.cumulated) = (0, 0);
    }

    /// Writes the next line; `false` if there was none. `_count` is the sum of the counts, so it always
    /// equals the `+Inf` bucket.
    pub(crate) fn line(&mut self, out: &mut Vec<u8>, layout: &Layout, labels: &[u8]) -> bool {
        let index = self.next;
        self.next += 1;
        if let Some(count) = self.counts.get(index) {
            self.cumulated += count;
            layout.bucket(out, labels, index, self.cumulated);
            return true;
        }
        match index - self.counts.len() {
            0 => {
                layout.begin(out, 1, labels);
                number::write_f64(out, self.sum);
            }
            1 => {
                layout.begin(out, 2, labels);
                number::write_u64(out, self.cumulated);
            }
            _ => return false,
        }
        out.push(b'\n');
        true
    }
}

/// All lines of a histogram.
pub fn histogram(
    out: &mut Vec<u8>,
    name: &str,
    labels: &[u8],
    bounds: &[f64],
    counts: &[u64],
    sum: f64,
) {
    let layout = Layout::histogram(name, bounds);
    let mut histogram = Histogram { counts: counts.to_vec(), sum, ..Histogram::default() };
    while histogram.line(out, &layout, labels) {}
}
