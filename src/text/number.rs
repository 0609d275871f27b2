//! Numbers in the page's text: the shortest digits that read back as the same value, in Go's spelling.
//!
//! Pure functions; they append to the caller's buffer and allocate nothing else.

use crate::text::decimal::Decimal;

/// Numbers below this magnitude are written plainly: integers all of them, others from [`PLAIN_FROM`] on.
const PLAIN_BELOW: f64 = 1e6;
/// The smallest magnitude of a number other than 0 that is written plainly.
const PLAIN_FROM: f64 = 1e-4;

/// Appends `value` as client libraries of Prometheus in Go print it.
///
/// Plain decimal for 0.0001 <= |value| < 1000000, otherwise one digit, a fraction where there is one, and
/// an exponent with its sign and at least two digits (`1e+06`, `2.5e-07`). Both zeros are `0`; the rest
/// are `NaN`, `+Inf` and `-Inf`.
pub(crate) fn write_f64(out: &mut Vec<u8>, value: f64) {
    let magnitude = value.abs();
    #[expect(clippy::cast_possible_truncation, reason = "compared with the value before use")]
    let integer = value as i32;
    if magnitude < PLAIN_BELOW && f64::from(integer) - value == 0.0 {
        out.extend_from_slice(itoa::Buffer::new().format(integer).as_bytes());
    } else if !value.is_finite() {
        out.extend_from_slice(non_finite(value));
    } else {
        let mut buffer = zmij::Buffer::new();
        let shortest = buffer.format_finite(value).as_bytes();
        if (PLAIN_FROM..PLAIN_BELOW).contains(&magnitude) {
            // A fraction in this range comes out plain, and without a trailing `.0`.
            out.extend_from_slice(shortest);
        } else {
            write_scientific(out, shortest);
        }
    }
}

/// Appends a count by the same rule, so that 1003000 is `1.003e+06`. Above 2^53 it is rounded as an `f64` is.
pub(crate) fn write_u64(out: &mut Vec<u8>, count: u64) {
    #[expect(clippy::cast_possible_truncation, reason = "compared before")]
    if count < 1_000_000 {
        out.extend_from_slice(itoa::Buffer::new().format(count as u32).as_bytes());
    } else {
        write_f64(out, count as f64);
    }
}

fn non_finite(value: f64) -> &'static [u8] {
    if value.is_nan() {
        b"NaN"
    } else if value > 0.0 {
        b"+Inf"
    } else {
        b"-Inf"
    }
}

/// Appends a finite number other than 0, given in any decimal spelling, as `d.ddde+XX`.
fn write_scientific(out: &mut Vec<u8>, text: &[u8]) {
    let unsigned = match text.strip_prefix(b"-") {
        Some(rest) => {
            out.push(b'-');
            rest
        }
        None => text,
    };
    let decimal = Decimal::read(unsigned);
    let (first, rest) = decimal.digits().split_at(1);
    out.extend_from_slice(first);
    if !rest.is_empty() {
        out.push(b'.');
        out.extend_from_slice(rest);
    }
    out.push(b'e');
    out.push(if decimal.exponent < 0 { b'-' } else { b'+' });
    let power = decimal.exponent.unsigned_abs();
    if power < 10 {
        out.push(b'0');
    }
    out.extend_from_slice(itoa::Buffer::new().format(power).as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(value: f64) -> String {
        let mut out = Vec::new();
        write_f64(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    fn count_text(count: u64) -> String {
        let mut out = Vec::new();
        write_u64(&mut out, count);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn known_values_are_spelled_as_go_does() {
        let table = [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-1.0, "-1"),
            (3.0, "3"),
            (0.1, "0.1"),
            (-2.5, "-2.5"),
            (0.5, "0.5"),
            (999_999.0, "999999"),
            (-999_999.0, "-999999"),
            (999_999.5, "999999.5"),
            (999_999.999_999_999_9, "999999.9999999999"),
            (1e6, "1e+06"),
            (-1e6, "-1e+06"),
            (1_000_001.0, "1.000001e+06"),
            (1_003_000.0, "1.003e+06"),
            (1_234_567.5, "1.2345675e+06"),
            (123_456_789.0, "1.23456789e+08"),
            (0.0001, "0.0001"),
            (0.000_123_4, "0.0001234"),
            (-0.0001, "-0.0001"),
            (0.000_099_999_999_999_999_99, "9.999999999999999e-05"),
            (0.00001, "1e-05"),
            (-0.00001, "-1e-05"),
            (0.000_012_5, "1.25e-05"),
            (1e-7, "1e-07"),
            (1e15, "1e+15"),
            (1e16, "1e+16"),
            (1e17, "1e+17"),
            (1e20, "1e+20"),
            (1e21, "1e+21"),
            (1e100, "1e+100"),
            (1.5e-300, "1.5e-300"),
            (5e-324, "5e-324"),
            (1_088_087_644_210_110.2, "1.0880876442101102e+15"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::MIN, "-1.7976931348623157e+308"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (9_007_199_254_740_993.0, "9.007199254740992e+15"),
            (0.300_000_000_000_000_04, "0.30000000000000004"),
            (70.000_000_000_000_03, "70.00000000000003"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
            (-f64::NAN, "NaN"),
        ];
        for (value, expected) in table {
            assert_eq!(text(value), expected, "{value:e}");
        }
    }

    #[test]
    fn counts_follow_the_rule_of_floats() {
        let table = [
            (0, "0"),
            (7, "7"),
            (999_999, "999999"),
            (1_000_000, "1e+06"),
            (1_003_000, "1.003e+06"),
            (1_000_001, "1.000001e+06"),
            (u64::MAX, "1.8446744073709552e+19"),
        ];
        for (count, expected) in table {
            assert_eq!(count_text(count), expected);
        }
    }

    /// The same rule over the digits of the standard library.
    fn naive(value: f64) -> String {
        let scientific = format!("{value:e}");
        let (mantissa, exponent) = scientific.split_once('e').unwrap();
        let exponent: i32 = exponent.parse().unwrap();
        if value == 0.0 {
            "0".to_owned()
        } else if (-4..6).contains(&exponent) {
            format!("{value}")
        } else {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.abs())
        }
    }

    proptest! {
        #[test]
        fn any_value_reads_back(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!(text(value).parse::<f64>().unwrap().to_bits(), (value + 0.0).to_bits());
            // Where two shortest texts are equally near, we take the even digit as Go does, and std the upper.
            prop_assert_eq!(text(value).len(), naive(value).len());
        }

        #[test]
        fn everyday_values_are_spelled_by_the_rule(digits in -99_999_999_i64..99_999_999, places in 0..16_i32) {
            let value = digits as f64 / 10_f64.powi(places);
            prop_assert_eq!(text(value), naive(value));
        }

        #[test]
        fn any_count_is_its_float(count in any::<u64>(), shift in 0..64_u32) {
            let count = count >> shift;
            prop_assert_eq!(count_text(count), text(count as f64));
        }
    }
}
