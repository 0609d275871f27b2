//! Go's spelling of booleans, whole numbers and quoted text, as its `flag` package reads and prints them.
//!
//! Pure functions; they must not know any flag.

use std::fmt::Write as _;
use std::num::IntErrorKind;

/// Why a value was refused; its text is Go's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadValue {
    /// Not of this kind.
    Syntax,
    /// Of this kind, but too large or too small.
    Range,
}

impl BadValue {
    /// Go's words for it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "parse error",
            Self::Range => "value out of range",
        }
    }
}

/// A boolean: Go knows six spellings of each.
pub(super) fn parse_bool(text: &str) -> Result<bool, BadValue> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(BadValue::Syntax),
    }
}

/// A whole number as Go writes literals: `20000`, `0x4e20`, `1_000`, `010` (octal), `0b1`, `-5`.
pub(super) fn parse_int(text: &str) -> Result<i64, BadValue> {
    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = parse_magnitude(unsigned)?;
    let value = if negative { -magnitude } else { magnitude };
    i64::try_from(value).map_err(|_| BadValue::Range)
}

fn parse_magnitude(text: &str) -> Result<i128, BadValue> {
    let (radix, prefix) = radix(text);
    let digits = ungroup(&text[prefix..], prefix > 0).ok_or(BadValue::Syntax)?;
    // Checked here, since `from_str_radix` would take a sign.
    if !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err(BadValue::Syntax);
    }
    i128::from_str_radix(&digits, radix).map_err(|error| match error.kind() {
        IntErrorKind::PosOverflow => BadValue::Range,
        _ => BadValue::Syntax,
    })
}

/// The radix and the length of the prefix that tells it.
fn radix(text: &str) -> (u32, usize) {
    let bytes = text.as_bytes();
    if bytes.len() < 2 || bytes[0] != b'0' {
        return (10, 0);
    }
    match bytes[1].to_ascii_lowercase() {
        b'x' => (16, 2),
        b'b' => (2, 2),
        b'o' => (8, 2),
        _ => (8, 1),
    }
}

/// The digits without their underscores, each of which must stand between two digits or after a prefix.
fn ungroup(text: &str, after_prefix: bool) -> Option<String> {
    let mut digits = String::with_capacity(text.len());
    let mut may_group = after_prefix;
    for c in text.chars() {
        if c == '_' {
            if !may_group {
                return None;
            }
            may_group = false;
        } else {
            digits.push(c);
            may_group = true;
        }
    }
    (!text.ends_with('_')).then_some(digits)
}

/// The text in double quotes, escaped as Go's `%q`.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{b}' => quoted.push_str("\\v"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_ascii_control() => push_code(&mut quoted, 'x', 2, c),
            c if c != ' ' && (c.is_control() || c.is_whitespace() || c == '\u{feff}') => {
                push_code(&mut quoted, 'u', 4, c);
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn push_code(out: &mut String, kind: char, width: usize, c: char) {
    // Writing to a String cannot fail.
    let _ = write!(out, "\\{kind}{:0width$x}", u32::from(c));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_have_six_spellings_each() {
        for text in ["1", "t", "T", "TRUE", "true", "True"] {
            assert_eq!(parse_bool(text), Ok(true), "{text}");
        }
        for text in ["0", "f", "F", "FALSE", "false", "False"] {
            assert_eq!(parse_bool(text), Ok(false), "{text}");
        }
        for text in ["yes", "no", "tRUE", "fALSE", "on", "", " true", "2", "y"] {
            assert_eq!(parse_bool(text), Err(BadValue::Syntax), "{text}");
        }
    }

    #[test]
    fn whole_numbers_are_go_literals() {
        let good = [
            ("0", 0),
            ("20000", 20_000),
            ("+7", 7),
            ("-5", -5),
            ("0x4e20", 20_000),
            ("0X4E20", 20_000),
            ("-0x10", -16),
            ("1_000", 1_000),
            ("0x_1f", 31),
            ("0_7", 7),
            ("010", 8),
            ("00", 0),
            ("0b1", 1),
            ("0B101", 5),
            ("0o17", 15),
            ("0O17", 15),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ];
        for (text, value) in good {
            assert_eq!(parse_int(text), Ok(value), "{text}");
        }
        let bad = [
            "", "-", "+", "x", "1e3", "1.0", "08", "0x", "0b", "0b2", "0o8", "_1", "1_", "1__0",
            "0x_", "0_", " 1", "1 ", "--1", "+-1", "0x-1", "ff", "１",
        ];
        for text in bad {
            assert_eq!(parse_int(text), Err(BadValue::Syntax), "{text}");
        }
        for text in
            ["9223372036854775808", "-9223372036854775809", "0xffffffffffffffff", &"9".repeat(50)]
        {
            assert_eq!(parse_int(text), Err(BadValue::Range), "{text}");
        }
    }

    #[test]
    fn quotes_escape_what_a_terminal_must_not_get() {
        let cases = [
            ("", r#""""#),
            (":9099", r#"":9099""#),
            (r#"a"b\c"#, r#""a\"b\\c""#),
            ("a\nb\tc\r", r#""a\nb\tc\r""#),
            ("\u{7}\u{8}\u{b}\u{c}", r#""\a\b\v\f""#),
            ("\u{1b}[31m\u{7f}", r#""\x1b[31m\x7f""#),
            ("\u{a0}\u{85}\u{feff}", r#""\u00a0\u0085\ufeff""#),
            ("café", r#""café""#),
        ];
        for (text, quoted) in cases {
            assert_eq!(quote(text), quoted);
        }
    }
}
