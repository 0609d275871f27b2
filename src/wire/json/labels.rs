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
    let Some(first) = found.windows(2).position(|pair| pair[0].name >= pair[1].name) else {
        return;
    };
    sort(found, first + 1);
    found.dedup_by(|later, kept| {
        let same = later.name == kept.name;
        if same && !matches!(later.value, Node::Static(StaticNode::Null)) {
            *kept = *later;
        }
        same
    });
}

/// Sorts labels of which the first `sorted` are in order. Those with one name stay in the order of the tape.
fn sort(found: &mut [SentLabel<'_>], sorted: usize) {
    /// Up to so many labels are put in their places one after the other: that moves more labels than the
    /// standard library's sort does, and compares fewer names.
    const FEW: usize = 16;
    if found.len() > FEW {
        found.sort_unstable_by(|a, b| a.name.cmp(b.name).then(a.at.cmp(&b.at)));
        return;
    }
    for index in sorted..found.len() {
        let name = found[index].name;
        let place = found[..index].partition_point(|label| label.name <= name);
        found[place..=index].rotate_right(1);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];

    #[test]
    fn of_each_name_the_last_label_that_is_not_null_is_kept() {
        for count in 0..40 {
            for step in [1, 5, 7, 11] {
                let sent: Vec<_> = (0..count).map(|at| label(at, NAMES[at * step % 12])).collect();
                let expected: Vec<_> =
                    NAMES.iter().filter_map(|name| last_of_name(&sent, name)).collect();
                let mut found = sent.clone();
                settle(&mut found);
                assert_eq!(
                    format!("{found:?}"),
                    format!("{expected:?}"),
                    "{count} labels in steps of {step}"
                );
            }
        }
    }

    /// Each third is null.
    fn label(at: usize, name: &'static str) -> SentLabel<'static> {
        let value = if at.is_multiple_of(3) { StaticNode::Null } else { StaticNode::Bool(true) };
        SentLabel { name, value: Node::Static(value), at }
    }

    fn last_of_name<'a>(sent: &[SentLabel<'a>], name: &str) -> Option<SentLabel<'a>> {
        let is_null = |label: &SentLabel<'_>| label.value == Node::Static(StaticNode::Null);
        let mut of_name = sent.iter().copied().filter(|label| label.name == name);
        let first = of_name.next()?;
        Some(of_name.fold(first, |kept, later| if is_null(&later) { kept } else { later }))
    }
}
