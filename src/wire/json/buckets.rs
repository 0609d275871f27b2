//! The bucket fields of an observation, and of a message that goes to a sink. Their types are checked here, but
//! not which bounds they make.
//!
//! Runs on an ingest worker inside the parser. Bounds are made in the registry, when a family is created.

use simd_json::{Node, StaticNode};

use super::members::{Key, Members};
use super::tape;
use crate::metric::{BucketParams, Coercion, Coercions, Rejection};
use crate::wire::text;

/// 2^63, the smallest positive `f64` that is too large for an `i64`.
const I64_END: f64 = 9_223_372_036_854_775_808.0;

/// Reads all bucket fields. The bounds of `bucket_custom` are written to `custom`.
pub(super) fn read<'a>(
    tape: &[Node<'_>],
    members: &Members,
    custom: &'a mut Vec<f64>,
    coercions: &mut Coercions,
) -> Result<BucketParams<'a>, Rejection> {
    let mut float = |key| match members.get(tape, key) {
        None => Ok(0.0),
        Some(node) => tape::number(node, coercions).ok_or(Rejection::BucketParams),
    };
    let width = float(Key::BucketWidth)?;
    let factor = float(Key::BucketFactor)?;
    let min = float(Key::BucketMin)?;
    let max = float(Key::BucketMax)?;
    let start = float(Key::BucketStart)?;
    let count = members.get(tape, Key::Buckets).map_or(Some(0), |node| integer(node, coercions));
    let count = count.ok_or(Rejection::BucketParams)?;
    read_custom(tape, members, custom, coercions).ok_or(Rejection::BucketParams)?;
    Ok(BucketParams { count, custom, width, factor, min, max, start })
}

/// Reads the array of `bucket_custom`; `None` if it is no array, or one of its elements is no number.
fn read_custom(
    tape: &[Node<'_>],
    members: &Members,
    custom: &mut Vec<f64>,
    coercions: &mut Coercions,
) -> Option<()> {
    custom.clear();
    let Some(node) = members.get(tape, Key::BucketCustom) else { return Some(()) };
    let Node::Array { count, .. } = node else { return None };
    let first = members.position(Key::BucketCustom) + 1;
    // An element that is an array or object takes several nodes, but the first of them is no number and ends
    // the loop. So every node that the loop comes to is an element.
    for &element in tape.get(first..first + count)? {
        custom.push(tape::number(element, coercions)?);
    }
    Some(())
}

/// A whole number in any form: `3`, `3.0`, `"3"`.
fn integer(node: Node<'_>, coercions: &mut Coercions) -> Option<i64> {
    match node {
        Node::Static(StaticNode::I64(count)) => return Some(count),
        Node::Static(StaticNode::U64(count)) => return i64::try_from(count).ok(),
        _ => coercions.insert(Coercion::Number),
    }
    let float = match node {
        Node::Static(StaticNode::F64(float)) => float,
        Node::String(digits) => match digits.parse() {
            Ok(count) if text::is_number(digits.as_bytes()) => return Some(count),
            _ => text::finite_number(digits)?,
        },
        _ => return None,
    };
    let whole = float.fract() == 0.0 && (-I64_END..I64_END).contains(&float);
    #[expect(clippy::cast_possible_truncation, reason = "whole and within the range of i64: exact")]
    whole.then_some(float as i64)
}
