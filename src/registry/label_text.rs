//! Label text: the part between the braces of an exposed line, made once per series.
//!
//! `app="shop",route="/r/17"`: sorted bytewise by name, values escaped. Escaping is reversible, so two
//! series have the same text only if they have the same labels: the text is also a series' key.

use crate::metric::Label;
use crate::text::escape;

/// A label that the server sets itself (`-extra-labels`, `data_source`, `source_app`) and that
/// overrides the message's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constant {
    /// The label's name.
    pub name: String,
    /// The label's value, unescaped (rows carry it so).
    pub value: String,
    /// `name="value"`, escaped.
    text: Vec<u8>,
}

impl Constant {
    /// A constant label. The name is valid: it was checked when the flags were read.
    pub fn new(name: &str, value: &str) -> Self {
        let mut text = Vec::with_capacity(name.len() + value.len() + 3);
        write_pair(&mut text, name, value);
        Self { name: name.to_owned(), value: value.to_owned(), text }
    }
}

/// The constants of a listener from pairs in rising precedence, sorted by name.
pub fn constants<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<Constant> {
    let mut merged = std::collections::BTreeMap::new();
    merged.extend(pairs);
    merged.into_iter().map(|(name, value)| Constant::new(name, value)).collect()
}

/// Appends the label text of a message's labels (sorted, unique) under the constants (sorted, unique);
/// a message's label of a constant's name is left out.
pub(crate) fn write(out: &mut Vec<u8>, labels: &[Label<'_>], constants: &[Constant]) -> usize {
    merge(labels, constants, |item| {
        if !out.is_empty() {
            out.push(b',');
        }
        match item {
            Item::Label(label) => write_pair(out, label.name, label.value),
            Item::Constant(constant) => out.extend_from_slice(&constant.text),
        }
    })
}

/// Appends the label names alone, separated by commas: what a family's series must agree on.
pub(crate) fn write_names(out: &mut String, labels: &[Label<'_>], constants: &[Constant]) {
    merge(labels, constants, |item| {
        if !out.is_empty() {
            out.push(',');
        }
        out.push_str(match item {
            Item::Label(label) => label.name,
            Item::Constant(constant) => &constant.name,
        });
    });
}

enum Item<'a> {
    Label(Label<'a>),
    Constant(&'a Constant),
}

/// Walks two sorted lists as one; of equal names the constant is taken.
fn merge<'a>(
    labels: &[Label<'a>],
    constants: &'a [Constant],
    mut take: impl FnMut(Item<'a>),
) -> usize {
    let mut constants = constants.iter().peekable();
    let mut count = 0;
    for &label in labels {
        let mut shadowed = false;
        while let Some(constant) = constants.next_if(|next| next.name.as_str() <= label.name) {
            shadowed = constant.name == label.name;
            take(Item::Constant(constant));
            count += 1;
        }
        if !shadowed {
            take(Item::Label(label));
            count += 1;
        }
    }
    for constant in constants {
        take(Item::Constant(constant));
        count += 1;
    }
    count
}

fn write_pair(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"=\"");
    escape::write_label_value(out, value);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(labels: &[(&str, &str)], fixed: &[(&str, &str)], text: &str, names: &str) {
        let labels: Vec<_> = labels.iter().map(|&(name, value)| Label { name, value }).collect();
        let constants = constants(fixed.iter().copied());
        let mut out = Vec::new();
        let count = write(&mut out, &labels, &constants);
        assert_eq!(String::from_utf8_lossy(&out), text);
        let mut seen = String::new();
        write_names(&mut seen, &labels, &constants);
        assert_eq!(seen, names);
        assert_eq!(count, names.split(',').filter(|name| !name.is_empty()).count());
    }

    #[test]
    fn labels_and_constants_merge_sorted() {
        check(&[], &[], "", "");
        check(&[("a", "1"), ("c", "x\"y")], &[("b", "2")], r#"a="1",b="2",c="x\"y""#, "a,b,c");
        check(
            &[("a", "1"), ("b", "lost")],
            &[("b", "2"), ("z", "")],
            r#"a="1",b="2",z="""#,
            "a,b,z",
        );
        check(&[("z", "1")], &[("a", "2"), ("b", "3")], r#"a="2",b="3",z="1""#, "a,b,z");
        check(&[], &[("a", "old"), ("a", "new")], r#"a="new""#, "a");
    }
}
