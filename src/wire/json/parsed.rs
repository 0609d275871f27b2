//! What the parser tells its caller of one object.
//!
//! Plain values; used by an ingest worker alone.

use crate::metric::{Coercions, OpType, Rejection, Sample};

/// What became of an object.
#[derive(Clone, Copy, Debug)]
pub struct Parsed<'a> {
    /// Its op, also if it is refused.
    pub op_type: OpType,
    /// What was put right, also if it is refused.
    pub coercions: Coercions,
    /// The sample, or why there is none.
    pub result: Result<Sample<'a>, Rejection>,
}

impl Parsed<'_> {
    pub(super) fn refused(reason: Rejection, coercions: Coercions) -> Self {
        Self { op_type: OpType::Empty, coercions, result: Err(reason) }
    }
}
