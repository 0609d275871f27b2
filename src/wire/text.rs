//! The small grammars of messages: names of metrics and labels, and JSON's numbers.
//!
//! Pure functions on bytes, run by the ingest workers; they must not know which part of a message they get.

/// Classes of bytes, one bit each.
const LETTER: u8 = 1;
const DIGIT: u8 = 2;
const COLON: u8 = 4;

const CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => LETTER,
            b'0'..=b'9' => DIGIT,
            b':' => COLON,
            _ => 0,
        };
        byte += 1;
    }
    table
}

fn is_name(text: &str, first: u8, rest: u8) -> bool {
    let class = |&byte: &u8| CLASSES[usize::from(byte)];
    let bytes = text.as_bytes();
    bytes.first().is_some_and(|byte| class(byte) & first != 0)
        && bytes.iter().all(|byte| class(byte) & rest != 0)
}

/// Whether it may name a family: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
pub(super) fn is_metric_name(text: &str) -> bool {
    is_name(text, LETTER | COLON, LETTER | DIGIT | COLON)
}

/// Whether it may name a label: `[a-zA-Z_][a-zA-Z0-9_]*`, not beginning with two underscores.
pub(super) fn is_label_name(text: &str) -> bool {
    is_plain_name(text) && !text.starts_with("__")
}

/// Whether it may name both: `[a-zA-Z_][a-zA-Z0-9_]*`.
pub(super) fn is_plain_name(text: &str) -> bool {
    is_name(text, LETTER, LETTER | DIGIT)
}

/// How many bytes are looked at one by one before `memchr` is called, which costs more than these.
const NEAR: usize = 8;

/// Divides a text at the first byte like this, an ASCII character, which is in neither part.
pub(super) fn split_once(text: &str, byte: u8) -> Option<(&str, &str)> {
    let at = find(text, byte, byte)?;
    Some((&text[..at], &text[at + 1..]))
}

/// Where the first byte like one of these, ASCII characters, stands.
pub(super) fn find(text: &str, one: u8, other: u8) -> Option<usize> {
    debug_assert!(one.is_ascii() && other.is_ascii());
    let bytes = text.as_bytes();
    let near = &bytes[..bytes.len().min(NEAR)];
    near.iter().position(|&byte| byte == one || byte == other).or_else(|| {
        let far = memchr::memchr2(one, other, &bytes[near.len()..]);
        far.map(|at| at + near.len())
    })
}

/// Whether it is a number by JSON's grammar, and nothing else.
pub(super) fn is_number(text: &[u8]) -> bool {
    !text.is_empty() && number_len(text) == text.len()
}

/// The length of the longest number, by JSON's grammar, that the text begins with; 0 if it begins with none.
pub(super) fn number_len(text: &[u8]) -> usize {
    let sign = usize::from(text.first() == Some(&b'-'));
    let integer = match text.get(sign) {
        Some(b'0') => 1,
        _ => digits(&text[sign.min(text.len())..]),
    };
    if integer == 0 {
        return 0;
    }
    let mut len = sign + integer;
    if text.get(len) == Some(&b'.') {
        match digits(&text[len + 1..]) {
            0 => return len,
            fraction => len += 1 + fraction,
        }
    }
    if matches!(text.get(len), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(len + 1), Some(b'+' | b'-')));
        match digits(&text[len + 1 + sign..]) {
            0 => {}
            exponent => len += 1 + sign + exponent,
        }
    }
    len
}

/// The number that the text is by JSON's grammar, if it is one that an `f64` can hold.
pub(super) fn finite_number(text: &str) -> Option<f64> {
    // `parse` accepts every number of JSON's grammar, and more.
    let number: f64 = is_number(text.as_bytes()).then(|| text.parse().ok())??;
    number.is_finite().then_some(number)
}

/// How many digits the text begins with.
fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["a", "_", ":", "a:b", "A9_", "__x", "http_requests_total"] {
            assert!(is_metric_name(name), "{name:?}");
        }
        for name in ["", "9a", "a-b", "a b", "a.b", "é", "a\n", "\0"] {
            assert!(!is_metric_name(name), "{name:?}");
            assert!(!is_label_name(name), "{name:?}");
        }
        assert!(is_label_name("_x9") && is_label_name("le") && is_label_name("_"));
        assert!(!is_label_name("__x") && !is_label_name("a:b") && !is_label_name("__name__"));
    }

    #[test]
    fn numbers() {
        for text in ["0", "-0", "10", "0.5", "1e3", "1E+2", "-1.25e-7", "1e400", "0e0"] {
            assert!(is_number(text.as_bytes()), "{text:?}");
        }
        for text in [
            "", "-", "01", "+1", ".5", "1.", "1e", "1e+", "0x10", "NaN", " 1", "1 ", "1.5.2", "1_0",
        ] {
            assert!(!is_number(text.as_bytes()), "{text:?}");
        }
        for (text, len) in
            [("12}", 2), ("01", 1), ("1.}", 1), ("1e}", 1), ("1e+", 1), ("-", 0), ("-x", 0)]
        {
            assert_eq!(number_len(text.as_bytes()), len, "{text:?}");
        }
        for (text, len) in [("-1.5e-3,", 7), ("1e5 ", 3), ("", 0), ("}", 0), ("1.5.5", 3)] {
            assert_eq!(number_len(text.as_bytes()), len, "{text:?}");
        }
        assert_eq!(finite_number("1e400"), None);
        assert_eq!(finite_number("-2.5e1"), Some(-25.0));
        assert_eq!(finite_number("1e-400"), Some(0.0));
    }
}
