//! Label text: the part between the braces of an exposed line, made once per series.
//!
//! `app="shop",route="/r/17"`: sorted bytewise by name, values escaped. Escaping is reversible, so two
//! series have the same text only if they have the same labels: the text is also a series' key.

use crate::metric::Label;
use crate::text::labels::{ConstantLabel, merge};

/// Appends the label text of a message's labels (sorted, unique) under the constants (sorted, unique);
/// a message's label of a constant's name is left out.
///
/// Each caller has a copy of its own, `COPY`, so that the compiler puts the one for each parsed sample where it is called.
pub(crate) fn write<const COPY: u8>(
    out: &mut Vec<u8>,
    labels: &[Label<'_>],
    constants: &[ConstantLabel],
) {
    merge(labels, constants, |label| {
        if !out.is_empty() {
            out.push(b',');
        }
        label.write_exposed(out);
    });
}

/// Appends the label names alone, separated by commas: what a family's series must agree on.
pub(crate) fn write_names(out: &mut String, labels: &[Label<'_>], constants: &[ConstantLabel]) {
    merge(labels, constants, |label| {
        if !out.is_empty() {
            out.push(',');
        }
        out.push_str(label.label().name);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::labels::constant_labels;

    #[track_caller]
    fn check(labels: &[(&str, &str)], fixed: &[(&str, &str)], text: &str, names: &str) {
        let labels: Vec<_> = labels.iter().map(|&(name, value)| Label { name, value }).collect();
        let constants = constant_labels(fixed.iter().copied());
        let mut out = Vec::new();
        write::<0>(&mut out, &labels, &constants);
        assert_eq!(String::from_utf8_lossy(&out), text);
        let mut seen = String::new();
        write_names(&mut seen, &labels, &constants);
        assert_eq!(seen, names);
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
