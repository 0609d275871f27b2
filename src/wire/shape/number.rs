//! A JSON number in front of other bytes: how long it is and what it is, in one pass.
//!
//! Runs on an ingest worker for every known message; it must not know where the number stands.

use crate::wire::text::number_len;

/// Numbers of so many digits, and powers of ten with so many zeros, are floats exactly.
const EXACT_DIGITS: usize = 15;

const POWERS: [f64; EXACT_DIGITS + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// The longest number in front by JSON's grammar and its value, rounded as the parser rounds it: to
/// nearest. None if there is no number, or no finite one.
#[inline]
pub(super) fn number(text: &[u8]) -> Option<(usize, f64)> {
    let (len, digits) = digits(text, 0, 0);
    if len == 0 || len > EXACT_DIGITS || (len > 1 && text[0] == b'0') {
        return any_number(text);
    }
    match text.get(len) {
        Some(b'.') => decimal(text, len, digits),
        Some(b'e' | b'E') => any_number(text),
        _ => Some((len, digits as f64)),
    }
}

/// Digits before a point and behind it: both exact floats, so that dividing them rounds once.
#[inline]
fn decimal(text: &[u8], point: usize, whole: u64) -> Option<(usize, f64)> {
    let (len, digits) = digits(text, point + 1, whole);
    let places = len - (point + 1);
    if places == 0 || len > EXACT_DIGITS || matches!(text.get(len), Some(b'e' | b'E')) {
        return any_number(text);
    }
    Some((len, digits as f64 / POWERS[places]))
}

/// Where the digits from `at` on end, and the number that they go on from `before`: right only as long
/// as [`EXACT_DIGITS`] are not exceeded.
#[inline]
fn digits(text: &[u8], mut at: usize, before: u64) -> (usize, u64) {
    let mut sum = before;
    while let Some(digit) = text.get(at).map(|byte| byte.wrapping_sub(b'0'))
        && digit < 10
    {
        sum = sum.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    (at, sum)
}

/// Any number, the long way.
#[cold]
fn any_number(text: &[u8]) -> Option<(usize, f64)> {
    let len = number_len(text);
    // JSON's grammar is part of what `parse` takes.
    let value: f64 = str::from_utf8(&text[..len]).ok()?.parse().ok()?;
    value.is_finite().then_some((len, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str) {
        let len = number_len(text.as_bytes());
        let value = text[..len].parse().ok().filter(|value: &f64| value.is_finite());
        let found = number(text.as_bytes());
        let bits = |(len, value): (usize, f64)| (len, value.to_bits());
        assert_eq!(found.map(bits), value.map(|value| bits((len, value))), "{text:?}");
    }

    #[test]
    fn numbers_are_what_the_standard_library_makes_of_them() {
        for text in [
            "",
            "}",
            "-",
            "-0",
            "0",
            "00",
            "01",
            "7}",
            "1.",
            "1.}",
            ".5",
            "0.5",
            "1.5.5",
            "1e",
            "1e5",
            "1.5e3,",
            "1.e3",
            "9007199254740993",
            "999999999999999",
            "0.1",
            "0.123456789012345",
            "1.234567890123456",
            "12345678901234.5",
            "1e400",
            "-1e400",
            "1e-400",
            "18446744073709551616",
            "0.000000000000001",
            "0.0",
            "123456.789 ",
            "1.7976931348623157e308",
            "+1",
            "NaN",
        ] {
            check(text);
        }
        let mut state = 1_u64;
        for _ in 0..200_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let whole = state >> (state & 31) >> 20;
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let places = usize::try_from(state >> 60).expect("four bits");
            check(&format!(
                "{whole}.{:0places$}}}",
                (state >> 33) % 10_u64.pow(u32::try_from(places).expect("few"))
            ));
        }
    }
}
