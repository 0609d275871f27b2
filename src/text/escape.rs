//! Text inside the page: escaping of help and label values, and the order of rendered labels.
//!
//! Pure functions over bytes; they know nothing of families and series.

use std::cmp::Ordering;

/// Appends a help text: `\` and newline are escaped, nothing else.
pub(crate) fn write_help(out: &mut Vec<u8>, text: &str) {
    write_escaped(out, text.as_bytes(), |rest| memchr::memchr2(b'\\', b'\n', rest));
}

/// Values up to this length are looked through byte by byte: sooner done than a search has begun.
const SHORT: usize = 16;

/// Appends a label value without its quotes: `\`, `"` and newline are escaped, nothing else.
pub(crate) fn write_label_value(out: &mut Vec<u8>, text: &str) {
    write_escaped(out, text.as_bytes(), |rest| {
        if rest.len() > SHORT {
            memchr::memchr3(b'\\', b'"', b'\n', rest)
        } else {
            rest.iter().position(|byte| matches!(byte, b'\\' | b'"' | b'\n'))
        }
    });
}

/// Copies runs without special bytes whole; `next_special` finds where a run ends.
fn write_escaped(
    out: &mut Vec<u8>,
    mut rest: &[u8],
    next_special: impl Fn(&[u8]) -> Option<usize>,
) {
    while let Some(at) = next_special(rest) {
        out.extend_from_slice(&rest[..at]);
        out.push(b'\\');
        out.push(if rest[at] == b'\n' { b'n' } else { rest[at] });
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// Compares two rendered label texts (`a="x",b="y"`, as [`write_label_value`] escapes values) that have the
/// same label names in the same order: by the unescaped values, one after the other, as bytes.
///
/// Where the two texts first differ, both stand in the same label at the same place of its value, so the
/// bytes meant there decide, or that one value has ended. The rendered bytes themselves would not do: a
/// closing quote is larger than a space, and an escaped newline larger than a letter.
pub(crate) fn cmp_escaped(a: &[u8], b: &[u8]) -> Ordering {
    let at = common_prefix(a, b);
    let escaped = ends_in_open_escape(&a[..at]);
    byte_meant(a, at, escaped).cmp(&byte_meant(b, at, escaped))
}

pub(super) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    const STEP: usize = 16;
    let whole =
        a.chunks_exact(STEP).zip(b.chunks_exact(STEP)).take_while(|(x, y)| x == y).count() * STEP;
    whole + a[whole..].iter().zip(&b[whole..]).take_while(|(x, y)| x == y).count()
}

/// Whether a backslash that escapes the next byte stands at the end: an odd number of them does.
fn ends_in_open_escape(prefix: &[u8]) -> bool {
    prefix.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1
}

/// The byte of the unescaped value that `text[at..]` begins with; `None`, the smallest, where the value or
/// the text ends. `escaped` says that a backslash stands before it.
fn byte_meant(text: &[u8], at: usize, escaped: bool) -> Option<u8> {
    match *text.get(at)? {
        b'n' if escaped => Some(b'\n'),
        byte if escaped => Some(byte),
        b'\\' => byte_meant(text, at + 1, true),
        b'"' => None,
        byte => Some(byte),
    }
}

/// Compares two rendered label texts with any label names: by the unescaped values, one after the other, as bytes.
/// Slower than [`cmp_escaped`], which suffices where the names are the same.
pub(crate) fn cmp_values(a: &[u8], b: &[u8]) -> Ordering {
    let same = label_start(&a[..common_prefix(a, b)]);
    let (mut a_values, mut b_values) =
        (EscapedValues { rest: &a[same..] }, EscapedValues { rest: &b[same..] });
    loop {
        match (a_values.next(), b_values.next()) {
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) => return cmp_escaped(a, b),
            (a, b) => return a.is_some().cmp(&b.is_some()),
        }
    }
}

/// Where a label begins in the beginning of a rendered label text: the last one, or one before it.
fn label_start(beginning: &[u8]) -> usize {
    // A comma behind a quote that is not escaped is between two labels, unless the quote opens a value. `="` may also
    // be the end of a value; then an earlier label is taken.
    let is_between = |&comma: &usize| match &beginning[..comma] {
        [before @ .., b'"'] => before.last() != Some(&b'=') && !ends_in_open_escape(before),
        _ => false,
    };
    memchr::memrchr_iter(b',', beginning).find(is_between).map_or(0, |comma| comma + 1)
}

/// How many labels a rendered label text has.
pub(crate) fn label_count(text: &[u8]) -> usize {
    EscapedValues { rest: text }.count()
}

/// The values of a rendered label text, in its order, escaped as they are.
struct EscapedValues<'t> {
    rest: &'t [u8],
}

impl<'t> Iterator for EscapedValues<'t> {
    type Item = &'t [u8];

    fn next(&mut self) -> Option<&'t [u8]> {
        let open = self.rest.iter().position(|&byte| byte == b'"')?;
        let value = &self.rest[open + 1..];
        let mut len = 0;
        while let Some(&byte) = value.get(len)
            && byte != b'"'
        {
            len += if byte == b'\\' { 2 } else { 1 };
        }
        let len = len.min(value.len());
        self.rest = value.get(len + 1..).unwrap_or_default();
        Some(&value[..len])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn help(text: &str) -> String {
        let mut out = Vec::new();
        write_help(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    fn label_value(text: &str) -> String {
        let mut out = Vec::new();
        write_label_value(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    fn rendered(values: &[String]) -> String {
        let labels: Vec<_> = values
            .iter()
            .enumerate()
            .map(|(i, value)| format!("l{i}=\"{}\"", label_value(value)))
            .collect();
        labels.join(",")
    }

    #[test]
    fn help_escapes_backslash_and_newline_only() {
        assert_eq!(
            help("a \\ backslash, a\nnewline, \"quotes\", tab\there, café"),
            "a \\\\ backslash, a\\nnewline, \"quotes\", tab\there, café"
        );
        assert_eq!(help(""), "");
        assert_eq!(help("\n\\\n"), "\\n\\\\\\n");
    }

    #[test]
    fn label_values_escape_quotes_as_well() {
        assert_eq!(label_value("C:\\DIR \"x\"\n"), "C:\\\\DIR \\\"x\\\"\\n");
        assert_eq!(label_value("tab\t cr\r nul\0"), "tab\t cr\r nul\0");
        assert_eq!(label_value(""), "");
    }

    #[test]
    fn an_ended_value_sorts_before_a_longer_one() {
        let order =
            ["", "\0", "\n", " ", "!", "\"", "#", "A", "\\", "\\\"", "\\\\", "\\n", "n", "\u{e9}"];
        for (i, small) in order.iter().enumerate() {
            for large in &order[i + 1..] {
                let (small, large) = (
                    rendered(&[(*small).to_owned(), "z".to_owned()]),
                    rendered(&[(*large).to_owned(), String::new()]),
                );
                assert_eq!(
                    cmp_escaped(small.as_bytes(), large.as_bytes()),
                    Ordering::Less,
                    "{small} {large}"
                );
                assert_eq!(cmp_escaped(large.as_bytes(), small.as_bytes()), Ordering::Greater);
                assert_eq!(cmp_escaped(small.as_bytes(), small.as_bytes()), Ordering::Equal);
            }
        }
        assert_eq!(cmp_escaped(b"", b""), Ordering::Equal);
    }

    #[test]
    fn labels_are_counted() {
        let text = rendered(&["a\"b".to_owned(), "n\\\n".to_owned(), String::new()]);
        assert_eq!(label_count(text.as_bytes()), 3);
        assert_eq!(label_count(b""), 0);
    }

    fn nasty_values() -> impl Strategy<Value = Vec<String>> {
        proptest::collection::vec("[ !\"#\\\\\nn,=a\u{e9}]{0,24}", 3)
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_the_unescaped_values(a in nasty_values(), b in nasty_values()) {
            prop_assert_eq!(cmp_escaped(rendered(&a).as_bytes(), rendered(&b).as_bytes()), a.cmp(&b));
        }

        #[test]
        fn other_names_and_numbers_of_labels_change_nothing(
            a in nasty_values(), b in nasty_values(), a_len in 0..4_usize, b_len in 0..4_usize,
        ) {
            let (a, b) = (&a[..a_len], &b[..b_len]);
            let b_text = rendered(b).replace('l', "other_");
            prop_assert_eq!(cmp_values(rendered(a).as_bytes(), b_text.as_bytes()), a.cmp(b));
            prop_assert_eq!(label_count(b_text.as_bytes()), b_len);
        }

        #[test]
        fn shared_beginnings_do_not_confuse_it(a in nasty_values(), cut in 0..25_usize, tail in nasty_values()) {
            let mut b = a.clone();
            b[1] = a[1].chars().take(cut).collect::<String>() + &tail[0];
            b[2].clone_from(&tail[2]);
            prop_assert_eq!(cmp_escaped(rendered(&a).as_bytes(), rendered(&b).as_bytes()), a.cmp(&b));
        }
    }
}
