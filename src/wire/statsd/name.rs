//! Makes names of metrics and labels that Prometheus takes, by the rules of `statsd_exporter`.
//!
//! Pure; runs on an ingest worker.

use crate::wire::text;

/// Appends the name that this text makes.
pub(super) fn push(out: &mut String, text: &str) {
    if text::is_plain_name(text) {
        out.push_str(text);
    } else {
        push_made(out, text.chars());
    }
}

/// Appends the name that these characters make. Letters, digits and `_` stay; each other character becomes a `_`, but
/// a run of dashes becomes one; a `_` stands before a digit at the start.
pub(super) fn push_made(out: &mut String, chars: impl Iterator<Item = char>) {
    let begin = out.len();
    let mut was_dash = false;
    for char in chars {
        if char == '-' && was_dash {
            continue;
        }
        was_dash = char == '-';
        if char.is_ascii_digit() && out.len() == begin {
            out.push('_');
        }
        out.push(if char.is_ascii_alphanumeric() { char } else { '_' });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_character_that_no_name_has_becomes_one_underscore() {
        for (text, name) in [
            ("", ""),
            ("a.b", "a_b"),
            ("a_B9", "a_B9"),
            ("9a", "_9a"),
            (".9a", "_9a"),
            ("a-b", "a_b"),
            ("a--b", "a_b"),
            ("a---b-", "a_b_"),
            ("a.-.-b", "a____b"),
            ("a::b/c d", "a__b_c_d"),
            ("héé", "h__"),
            ("_", "_"),
        ] {
            let mut out = String::from("before");
            push(&mut out, text);
            assert_eq!(out.strip_prefix("before"), Some(name), "{text}");
            out.truncate("before".len());
            push_made(&mut out, text.chars());
            assert_eq!(out.strip_prefix("before"), Some(name), "{text}");
        }
    }
}
