//! Reading single values off simd-json's tape.
//!
//! Runs on an ingest worker inside the parser; it must not know which member a value belongs to.

use simd_json::{Node, StaticNode};

use crate::metric::{Coercion, Coercions};
use crate::wire::text;

/// How many nodes a value takes on the tape.
pub(super) fn nodes(value: &Node<'_>) -> usize {
    match *value {
        Node::Object { count, .. } | Node::Array { count, .. } => 1 + count,
        Node::String(_) | Node::Static(_) => 1,
    }
}

/// The finite number that a value is, as a number or as a string with a number by JSON's grammar.
pub(super) fn number(node: Node<'_>, coercions: &mut Coercions) -> Option<f64> {
    let number = match node {
        // Only what has a minus is an I64, so that a 0 is the one below zero.
        Node::Static(StaticNode::I64(number)) => -(number.unsigned_abs() as f64),
        Node::Static(StaticNode::U64(number)) => number as f64,
        Node::Static(StaticNode::F64(number)) => number,
        Node::String(digits) => {
            coercions.insert(Coercion::Number);
            text::finite_number(digits)?
        }
        _ => return None,
    };
    number.is_finite().then_some(number)
}
