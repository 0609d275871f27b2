//! The vocabulary that all other modules speak: what a message says, and why one is refused.
//!
//! No I/O, no threads, no dependencies.

mod hops;
mod op;
mod reasons;
mod sample;

pub use hops::Hops;
pub use op::{Kind, Op, OpType};
pub(crate) use reasons::reasons;
pub use reasons::{Coercion, Coercions, Rejection};
pub use sample::{BucketParams, Label, Sample};
