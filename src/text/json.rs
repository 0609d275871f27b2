//! JSON text as Go's `encoding/json` writes it: numbers and strings.
//!
//! Pure functions; they append to the caller's buffer and allocate nothing else.

use crate::text::decimal::Decimal;

/// Appends a finite number: plain decimal from 1e-6 up to 1e21, otherwise with an exponent (`1e-7`, `1e+21`).
pub(crate) fn write_f64(out: &mut Vec<u8>, value: f64) {
    let magnitude = value.abs();
    #[expect(clippy::cast_possible_truncation, reason = "compared with the value before use")]
    let integer = value as i64;
    // Up to 2^53 every integer is its own shortest text.
    if magnitude < 9_007_199_254_740_992.0
        && (integer as f64 - value) == 0.0
        && (integer != 0 || value.is_sign_positive())
    {
        out.extend_from_slice(itoa::Buffer::new().format(integer).as_bytes());
        return;
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    if magnitude == 0.0 {
        out.push(b'0');
        return;
    }
    let mut buffer = zmij::Buffer::new();
    let decimal = Decimal::read(buffer.format_finite(magnitude).as_bytes());
    if (1e-6..1e21).contains(&magnitude) {
        write_plain(out, &decimal);
    } else {
        write_scientific(out, &decimal);
    }
}

fn write_plain(out: &mut Vec<u8>, decimal: &Decimal) {
    let digits = decimal.digits();
    let Ok(exponent) = usize::try_from(decimal.exponent) else {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + decimal.exponent.unsigned_abs() as usize - 1, b'0');
        out.extend_from_slice(digits);
        return;
    };
    let whole = exponent + 1;
    if digits.len() <= whole {
        out.extend_from_slice(digits);
        out.resize(out.len() + whole - digits.len(), b'0');
    } else {
        out.extend_from_slice(&digits[..whole]);
        out.push(b'.');
        out.extend_from_slice(&digits[whole..]);
    }
}

fn write_scientific(out: &mut Vec<u8>, decimal: &Decimal) {
    let (first, rest) = decimal.digits().split_at(1);
    out.extend_from_slice(first);
    if !rest.is_empty() {
        out.push(b'.');
        out.extend_from_slice(rest);
    }
    out.extend_from_slice(if decimal.exponent < 0 { b"e-" } else { b"e+" });
    out.extend_from_slice(itoa::Buffer::new().format(decimal.exponent.unsigned_abs()).as_bytes());
}

/// Appends a string with its quotes. Besides what JSON demands `<`, `>`, `&`, U+2028 and U+2029 are escaped.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    write_utf8(out, text.as_bytes());
}

/// Does as [`write_string`] with a text that is known to be UTF-8.
pub(crate) fn write_utf8(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let (mut done, mut at) = (0, 0);
    while at < bytes.len() {
        let (escaped, len): (&[u8], usize) = match bytes[at] {
            b'"' => (b"\\\"", 1),
            b'\\' => (b"\\\\", 1),
            b'\n' => (b"\\n", 1),
            b'\r' => (b"\\r", 1),
            b'\t' => (b"\\t", 1),
            b'<' => (b"\\u003c", 1),
            b'>' => (b"\\u003e", 1),
            b'&' => (b"\\u0026", 1),
            byte if byte < 0x20 => (b"", 1), // written as `\u00XX` behind the match
            0xe2 if bytes[at..].starts_with("\u{2028}".as_bytes()) => (b"\\u2028", 3),
            0xe2 if bytes[at..].starts_with("\u{2029}".as_bytes()) => (b"\\u2029", 3),
            _ => {
                at += 1;
                continue;
            }
        };
        out.extend_from_slice(&bytes[done..at]);
        out.extend_from_slice(escaped);
        if escaped.is_empty() {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            let byte = usize::from(bytes[at]);
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', HEX[byte >> 4], HEX[byte & 15]]);
        }
        at += len;
        done = at;
    }
    out.extend_from_slice(&bytes[done..]);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_go() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-17.0, "-17"),
            (0.1, "0.1"),
            (-2.5, "-2.5"),
            (1e-6, "0.000001"),
            (1.25e-6, "0.00000125"),
            (1e-7, "1e-7"),
            (-1.5e-10, "-1.5e-10"),
            (123_456_789.0, "123456789"),
            (9_007_199_254_740_993.0, "9007199254740992"),
            (1e20, "100000000000000000000"),
            (1.23e20, "123000000000000000000"),
            (1e21, "1e+21"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (1_234_567.5, "1234567.5"),
        ];
        for (value, expected) in cases {
            let mut out = Vec::new();
            write_f64(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn any_number_reads_back_as_itself() {
        let mut state = 1_u64;
        for _ in 0..100_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let value = f64::from_bits(state);
            if !value.is_finite() {
                continue;
            }
            let mut out = Vec::new();
            write_f64(&mut out, value);
            let text = String::from_utf8(out).unwrap();
            assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits(), "{text}");
        }
    }

    #[test]
    fn strings_are_those_of_go() {
        let mut out = Vec::new();
        write_string(&mut out, "h <b>&\" \\ \n\r\t\u{1}\u{1f}\u{7f} \u{2028}\u{2029}\u{2027} é");
        let expected = "\"h \\u003cb\\u003e\\u0026\\\" \\\\ \\n\\r\\t\\u0001\\u001f\u{7f} \\u2028\\u2029\u{2027} é\"";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
