//! A JSON number at the front of other bytes: how long it is and what it is, in one pass.
//!
//! Runs on an ingest worker for every known message; it must not know where the number stands.

use crate::wire::text::number_len;

/// An `f64` holds every integer of so many digits exactly, and every power of ten with so many zeros.
const EXACT_DIGITS: usize = 15;

const POWERS: [f64; EXACT_DIGITS + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// A finite number in the text of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct JsonNumber {
    /// How many bytes it is long.
    pub(super) len: usize,
    /// Its value, rounded to the nearest `f64` as the parser rounds it.
    pub(super) value: f64,
}

/// The longest number at the front by JSON's grammar; `None` if there is none, or it is not finite or very long.
#[inline]
pub(super) fn read(text: &[u8]) -> Option<JsonNumber> {
    let Digits { end: len, number } = Digits::read(text, 0, 0);
    if len == 0 || len > EXACT_DIGITS || (len > 1 && text[0] == b'0') {
        return any_number(text);
    }
    match text.get(len) {
        Some(b'.') => decimal(text, len, number),
        Some(b'e' | b'E') => any_number(text),
        _ => Some(JsonNumber { len, value: number as f64 }),
    }
}

/// A number with a point. The integer that all its digits make and the power of ten are exact floats, so only
/// the division rounds.
#[inline]
fn decimal(text: &[u8], point: usize, whole: u64) -> Option<JsonNumber> {
    let Digits { end: len, number } = Digits::read(text, point + 1, whole);
    let places = len - (point + 1);
    if places == 0 || len > EXACT_DIGITS || matches!(text.get(len), Some(b'e' | b'E')) {
        return any_number(text);
    }
    Some(JsonNumber { len, value: number as f64 / POWERS[places] })
}

/// A run of digits in a text.
struct Digits {
    /// Where the digits end.
    end: usize,
    /// The number that they make together with the digits before them. It is right only if these are no more
    /// than [`EXACT_DIGITS`] in all.
    number: u64,
}

impl Digits {
    /// Reads the digits from `at` on, which follow those of the number `before`.
    #[inline]
    fn read(text: &[u8], mut at: usize, before: u64) -> Self {
        let mut number = before;
        while let Some(digit) = text.get(at).map(|byte| byte.wrapping_sub(b'0'))
            && digit < 10
        {
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
            at += 1;
        }
        Self { end: at, number }
    }
}

/// A message with a longer number is parsed each time. No `f64` needs more than 25 bytes; and there may be several
/// objects before one number, which is read for each of them.
const NUMBER_BYTES_MAX: usize = 64;

/// Any number, by the standard library.
#[cold]
fn any_number(text: &[u8]) -> Option<JsonNumber> {
    let len = number_len(text);
    if len > NUMBER_BYTES_MAX {
        return None;
    }
    // `parse` accepts more than JSON's grammar, but here it gets a number of that grammar or nothing.
    let value: f64 = str::from_utf8(&text[..len]).ok()?.parse().ok()?;
    value.is_finite().then_some(JsonNumber { len, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str) {
        let len = number_len(text.as_bytes());
        let value = text[..len].parse().ok().filter(|value: &f64| value.is_finite());
        let found = read(text.as_bytes()).map(|number| (number.len, number.value.to_bits()));
        assert_eq!(found, value.map(|value| (len, value.to_bits())), "{text:?}");
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
