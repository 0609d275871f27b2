//! Labels that the server sets itself, and how they merge with a message's.
//!
//! Pure. Both a series' key and a row for a sink are made of merged labels; neither is known here.

use std::collections::BTreeMap;

use crate::metric::Label;
use crate::text::escape;

/// A label that the server sets itself (`-extra-labels`, `data_source`, `source_app`, `instance`) and that
/// overrides the message's label of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConstantLabel {
    name: String,
    value: String,
    /// `name="value"`, escaped for the page.
    exposed: Vec<u8>,
}

impl ConstantLabel {
    /// A label of this name, which must be a label name, and this value.
    pub fn new(name: &str, value: &str) -> Self {
        let mut exposed = Vec::with_capacity(name.len() + value.len() + 3);
        write_pair(&mut exposed, Label { name, value });
        Self { name: name.to_owned(), value: value.to_owned(), exposed }
    }

    fn label(&self) -> Label<'_> {
        Label { name: &self.name, value: &self.value }
    }
}

/// The labels of these pairs, sorted by name. Of pairs with one name the last counts.
pub fn constant_labels<'a>(
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Vec<ConstantLabel> {
    let by_name: BTreeMap<&str, &str> = pairs.into_iter().collect();
    by_name.into_iter().map(|(name, value)| ConstantLabel::new(name, value)).collect()
}

/// One of the labels that a message and the server's constants make together.
#[derive(Clone, Copy, Debug)]
pub(crate) enum MergedLabel<'a> {
    /// The message's.
    Sent(Label<'a>),
    /// The server's.
    Constant(&'a ConstantLabel),
}

impl<'a> MergedLabel<'a> {
    /// Name and value, unescaped.
    pub(crate) fn label(self) -> Label<'a> {
        match self {
            Self::Sent(label) => label,
            Self::Constant(constant) => constant.label(),
        }
    }

    /// Appends `name="value"`, escaped for the page.
    pub(crate) fn write_exposed(self, out: &mut Vec<u8>) {
        match self {
            Self::Sent(label) => write_pair(out, label),
            Self::Constant(constant) => out.extend_from_slice(&constant.exposed),
        }
    }
}

/// Calls `take` with the labels of both lists in the order of their names. Both are sorted by name and
/// hold each name once; of a name that is in both the constant is taken.
pub(crate) fn merge<'a>(
    labels: &[Label<'a>],
    constants: &'a [ConstantLabel],
    mut take: impl FnMut(MergedLabel<'a>),
) {
    let mut constants = constants.iter().peekable();
    for &label in labels {
        let mut overridden = false;
        while let Some(constant) = constants.next_if(|next| next.name.as_str() <= label.name) {
            overridden = constant.name == label.name;
            take(MergedLabel::Constant(constant));
        }
        if !overridden {
            take(MergedLabel::Sent(label));
        }
    }
    constants.for_each(|constant| take(MergedLabel::Constant(constant)));
}

fn write_pair(out: &mut Vec<u8>, label: Label<'_>) {
    out.extend_from_slice(label.name.as_bytes());
    out.extend_from_slice(b"=\"");
    escape::write_label_value(out, label.value);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sent: &[(&str, &str)], fixed: &[(&str, &str)], expected: &str) {
        let sent: Vec<_> = sent.iter().map(|&(name, value)| Label { name, value }).collect();
        let constants = constant_labels(fixed.iter().copied());
        let mut merged = Vec::new();
        merge(&sent, &constants, |label| {
            let Label { name, value } = label.label();
            merged.push(format!("{name}={value}"));
        });
        assert_eq!(merged.join(","), expected);
    }

    #[test]
    fn labels_merge_by_name_and_constants_win() {
        check(&[], &[], "");
        check(&[("a", "1"), ("c", "3")], &[("b", "2")], "a=1,b=2,c=3");
        check(&[("a", "1"), ("b", "lost")], &[("b", "2"), ("z", "")], "a=1,b=2,z=");
        check(&[("z", "1")], &[("b", "3"), ("a", "2")], "a=2,b=3,z=1");
        check(&[], &[("a", "old"), ("a", "new")], "a=new");
    }

    #[test]
    fn both_sorts_are_escaped_for_the_page() {
        let constants = constant_labels([("b", "\n")]);
        let mut out = Vec::new();
        merge(&[Label { name: "a", value: "x\"y" }], &constants, |label| {
            label.write_exposed(&mut out);
        });
        assert_eq!(String::from_utf8(out).unwrap(), r#"a="x\"y"b="\n""#);
    }
}
