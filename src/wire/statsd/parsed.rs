//! What the parser tells its caller of each sample of a line.
//!
//! Plain values; used by an ingest worker alone.

use crate::metric::{Coercions, OpType, Rejection, Sample};

/// What became of one sample of a line.
#[derive(Clone, Copy, Debug)]
pub struct ParsedLine<'a> {
    /// Its op, also if it is refused.
    pub op_type: OpType,
    /// What was put right, also if it is refused.
    pub coercions: Coercions,
    /// The sample, or why there is none.
    pub result: Result<LineSample<'a>, Rejection>,
}

/// A sample, and how its value was made.
#[derive(Clone, Copy, Debug)]
pub struct LineSample<'a> {
    /// The sample.
    pub sample: Sample<'a>,
    /// The number that stands in the line.
    pub number: f64,
    /// What has made the value of it.
    pub scaling: Scaling,
    /// Whether it is a further value of the sample before, so that name and labels are the same.
    pub is_further: bool,
}

/// What becomes of the number in a line: it is divided, and counts several times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaling {
    divisor: f64,
    weight: u64,
}

impl ParsedLine<'_> {
    pub(super) fn refused(op_type: OpType, reason: Rejection) -> Self {
        Self { op_type, coercions: Coercions::default(), result: Err(reason) }
    }
}

impl Scaling {
    /// The value is the number, and counts once.
    pub const NONE: Self = Self { divisor: 1.0, weight: 1 };

    /// The value is the number divided by this, and counts so many times.
    pub(super) const fn new(divisor: f64, weight: u64) -> Self {
        Self { divisor, weight }
    }

    /// The same for a number without its minus sign.
    pub(crate) fn negated(self) -> Self {
        Self { divisor: -self.divisor, ..self }
    }

    /// The value that the number makes.
    #[inline]
    pub fn scale(self, number: f64) -> f64 {
        number / self.divisor
    }

    /// How many times the value counts; at least once.
    #[inline]
    pub fn weight(self) -> u64 {
        self.weight
    }
}
