//! The labels of a message: merged, sorted, judged.
//!
//! Runs on an ingest worker inside the parser; it must not know which family they are for.

use simd_json::{Node, StaticNode};

use super::tape::nodes;
use crate::metric::{Coercion, Coercions, Label, Op, Rejection};
use crate::wire::text;

/// One label as it stands in a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct SentLabel<'a> {
    name: &'a str,
    value: Node<'a>,
    /// Where it is on the tape. Of labels with one name the last counts.
    at: usize,
}

impl SentLabel<'_> {
    /// A value for places that hold no label.
    pub(super) const NONE: Self = Self { name: "", value: Node::Static(StaticNode::Null), at: 0 };
}

/// Adds the members of the label object at `object` to `found`.
pub(super) fn collect<'a>(tape: &[Node<'a>], object: usize, found: &mut Vec<SentLabel<'a>>) {
    let end = object + nodes(&tape[object]);
    let mut at = object + 1;
    while let Some([Node::String(name), value]) = tape[..end].get(at..at + 2) {
        found.push(SentLabel { name, value: *value, at });
        at += 1 + nodes(value);
    }
}

/// Sorts the labels by name, and keeps of each name the last that is not null.
pub(super) fn settle(found: &mut Vec<SentLabel<'_>>) {
    // Many programs send labels in this order and each once; then there is nothing to do.
    if found.is_sorted_by(|a, b| a.name < b.name) {
        return;
    }
    found.sort_unstable_by(|a, b| a.name.cmp(b.name).then(a.at.cmp(&b.at)));
    found.dedup_by(|later, kept| {
        let same = later.name == kept.name;
        if same && !matches!(later.value, Node::Static(StaticNode::Null)) {
            *kept = *later;
        }
        same
    });
}

/// Whether the value of one of the labels is a number.
pub(super) fn any_number(found: &[SentLabel<'_>]) -> bool {
    found.iter().any(|label| match label.value {
        Node::Static(value) => !matches!(value, StaticNode::Bool(_) | StaticNode::Null),
        _ => false,
    })
}

/// Checks the labels, which [`settle`] has sorted, in the order of their names, and writes them to `labels`.
pub(super) fn judge<'a>(
    found: &[SentLabel<'a>],
    op: Op,
    labels: &mut Vec<Label<'a>>,
    coercions: &mut Coercions,
) -> Result<(), Rejection> {
    for label in found {
        check_name(label.name, op)?;
        let value = match label.value {
            Node::String(text) => text,
            Node::Object { .. } | Node::Array { .. } => return Err(Rejection::LabelValue),
            Node::Static(value) => {
                coercions.insert(Coercion::LabelValue);
                literal(value)
            }
        };
        labels.push(Label { name: label.name, value });
    }
    Ok(())
}

/// Checks a label's name. Only samples must have names that Prometheus accepts: a sink takes any.
fn check_name(name: &str, op: Op) -> Result<(), Rejection> {
    if op.kind().is_none() {
        Ok(())
    } else if !text::is_label_name(name) {
        Err(Rejection::LabelName)
    } else if op == Op::Obs && name == "le" {
        Err(Rejection::ReservedLabel)
    } else {
        Ok(())
    }
}

/// The text of a boolean or null. Numbers do not come here: `repair` has made strings of them.
fn literal(value: StaticNode) -> &'static str {
    match value {
        StaticNode::Bool(true) => "true",
        StaticNode::Bool(false) => "false",
        _ => "",
    }
}
