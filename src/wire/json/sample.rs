//! From the tape of a message to a sample. The order of the checks is decided here.
//!
//! Runs on an ingest worker inside the parser; it must not know families or cells.

use simd_json::{Node, StaticNode};

use super::buckets;
use super::labels::{self, SentLabel};
use super::members::{Key, Members};
use super::parsed::Parsed;
use super::tape;
use crate::metric::{
    BucketParams, Coercion, Coercions, Hops, Kind, Label, Op, OpType, Rejection, Sample,
};
use crate::wire::text;

/// The vectors that a sample borrows from the parser, all empty, and how many labels it may have.
pub(super) struct Room<'r, 'a> {
    pub(super) labels_max: usize,
    /// For the labels as they were sent.
    pub(super) found: &'r mut Vec<SentLabel<'a>>,
    /// For the labels of the sample.
    pub(super) labels: &'r mut Vec<Label<'a>>,
    /// For the bounds of `bucket_custom`.
    pub(super) custom: &'r mut Vec<f64>,
}

/// Why there is no sample.
enum NoSample {
    /// The message is refused.
    Refused(Rejection),
    /// A label's value is a number, whose digits are not on the tape.
    LabelNumber,
}

impl From<Rejection> for NoSample {
    fn from(reason: Rejection) -> Self {
        Self::Refused(reason)
    }
}

/// What the tape says; `None` if the message must be repaired first, since a label's value is a number.
pub(super) fn interpret<'r, 'a: 'r>(
    tape: &[Node<'a>],
    mut coercions: Coercions,
    room: Room<'r, 'a>,
) -> Option<Parsed<'r>> {
    let members = Members::walk(tape, room.found);
    let (op_type, op) = op(&members, tape);
    if members.any_folded() {
        coercions.insert(Coercion::KeyCase);
    }
    let made = match op {
        Some(op) => sample(op, &members, tape, &mut coercions, room),
        None => Err(NoSample::Refused(Rejection::Op)),
    };
    let result = match made {
        Ok(sample) => Ok(sample),
        Err(NoSample::Refused(reason)) => Err(reason),
        Err(NoSample::LabelNumber) => return None,
    };
    Some(Parsed { op_type, coercions, result })
}

fn op(members: &Members, tape: &[Node<'_>]) -> (OpType, Option<Op>) {
    match members.text(tape, Key::Op) {
        None | Some("") => (OpType::Empty, None),
        Some(text) => match Op::from_text(text) {
            Some(op) => (OpType::Known(op), Some(op)),
            None => (OpType::Other, None),
        },
    }
}

fn sample<'r, 'a: 'r>(
    op: Op,
    members: &Members,
    tape: &[Node<'a>],
    coercions: &mut Coercions,
    room: Room<'r, 'a>,
) -> Result<Sample<'r>, NoSample> {
    let name = members.text(tape, Key::Name).unwrap_or("");
    let mut sample = Sample {
        op,
        name,
        labels: &[],
        help: members.text(tape, Key::Help).unwrap_or(""),
        value: 0.0,
        buckets: BucketParams::default(),
        timestamp: members.text(tape, Key::Timestamp),
        index: members.text(tape, Key::Index).unwrap_or(""),
        hops: hops(members.get(tape, Key::Hops)),
    };
    if op == Op::Shutdown {
        return Ok(sample);
    }
    if op.kind().is_some() && !text::is_metric_name(name) {
        return Err(Rejection::Name.into());
    }
    let Room { labels_max, found, labels, custom } = room;
    if labels_missing(members, tape) {
        coercions.insert(Coercion::Labels);
    }
    labels::settle(found);
    if found.len() > labels_max {
        return Err(Rejection::TooManyLabels.into());
    }
    if labels::any_number(found) {
        return Err(NoSample::LabelNumber);
    }
    labels::judge(found, op, labels, coercions)?;
    sample.labels = labels;
    sample.value = value(op, members.get(tape, Key::Value), coercions)?;
    match op.kind() {
        Some(Kind::Histogram) => sample.buckets = buckets::read(tape, members, custom, coercions)?,
        // A message for a sink has them as they were sent; if one cannot be read, it has none of them.
        None => {
            let read = buckets::read(tape, members, custom, &mut Coercions::default());
            sample.buckets = read.unwrap_or_default();
        }
        Some(Kind::Counter | Kind::Gauge) => {}
    }
    Ok(sample)
}

/// Whether `labels` was sent, but is no object. Of several members `labels` the last that is not null counts.
fn labels_missing(members: &Members, tape: &[Node<'_>]) -> bool {
    match members.get(tape, Key::Labels) {
        None => members.labels_null,
        Some(value) => !matches!(value, Node::Object { .. }),
    }
}

fn value(op: Op, node: Option<Node<'_>>, coercions: &mut Coercions) -> Result<f64, Rejection> {
    let Some(node) = node else { return Ok(0.0) };
    let value = tape::number(node, coercions).ok_or(Rejection::Value)?;
    if op == Op::Inc && value < 0.0 { Err(Rejection::NegativeIncrement) } else { Ok(value) }
}

/// What is no count is ignored, as all fields are that mean nothing.
fn hops(node: Option<Node<'_>>) -> Hops {
    match node {
        Some(Node::Static(StaticNode::U64(count))) => Hops::new(count),
        Some(Node::Static(StaticNode::I64(count))) => Hops::new(count.try_into().unwrap_or(0)),
        _ => Hops::default(),
    }
}
