//! Go's durations: `1h30m`, `.5s`, `-1s`, `200us`, kept as signed nanoseconds.
//!
//! Pure functions. A crate for durations is not used: those at hand take more than Go does (`1d`) and less
//! (signs, `.5s`, the Greek mu, fractions below a nanosecond).

use super::flag::Nanos;
use super::go::BadValue;

const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),  // micro sign
    ("\u{3bc}s", 1_000), // Greek mu
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Digits of a fraction that can matter: the longest unit has 3.6e12 ns.
const FRACTION_DIGITS: usize = 18;

/// Reads a duration; as with Go, one too long for 64 bits of nanoseconds is a plain parse error.
pub(super) fn parse(text: &str) -> Result<Nanos, BadValue> {
    parse_signed(text).ok_or(BadValue::Syntax)
}

fn parse_signed(text: &str) -> Option<Nanos> {
    let (sign, unsigned) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    if unsigned == "0" {
        return Some(0);
    }
    if unsigned.is_empty() {
        return None;
    }
    let mut rest = unsigned;
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let (part, after) = parse_part(rest)?;
        total += part;
        if total > 1 << 63 {
            return None; // before a long text can overflow the sum itself
        }
        rest = after;
    }
    i64::try_from(sign * total).ok()
}

/// One number with its unit, in nanoseconds rounded down, and the text after it.
fn parse_part(text: &str) -> Option<(i128, &str)> {
    let (whole, rest) = split_digits(text);
    let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), split_digits);
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    let unit = UNITS.iter().find(|(name, _)| *name == unit)?.1;
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    Some((i128::from(whole) * i128::from(unit) + part_of(fraction, unit)?, rest))
}

fn part_of(fraction: &str, unit: u64) -> Option<i128> {
    let digits = &fraction[..fraction.len().min(FRACTION_DIGITS)];
    if digits.is_empty() {
        return Some(0);
    }
    let numerator: u64 = digits.parse().ok()?;
    let denominator = 10_i128.pow(u32::try_from(digits.len()).ok()?);
    Some(i128::from(numerator) * i128::from(unit) / denominator)
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// The duration as Go prints it: `24h0m0s`, `1.5s`, `200µs`, `0s`.
pub(super) fn text(nanos: Nanos) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let nanos = nanos.unsigned_abs();
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{nanos}ns"),
        1_000..1_000_000 => format!("{sign}{}µs", decimal(nanos, 1_000)),
        1_000_000..1_000_000_000 => format!("{sign}{}ms", decimal(nanos, 1_000_000)),
        _ => format!("{sign}{}", clock_text(nanos)),
    }
}

fn clock_text(nanos: u64) -> String {
    let minutes = nanos / 60_000_000_000;
    let seconds = decimal(nanos % 60_000_000_000, 1_000_000_000);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// `value / unit` without trailing zeros; `unit` is a power of ten.
fn decimal(value: u64, unit: u64) -> String {
    let whole = value / unit;
    let fraction = value % unit;
    if fraction == 0 {
        return whole.to_string();
    }
    // The unit's own text gives the width: a leading 1 keeps the zeros after the point.
    let padded = (unit + fraction).to_string();
    format!("{whole}.{}", padded[1..].trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_go_takes() {
        let cases = [
            ("0", 0),
            ("-0", 0),
            ("+0", 0),
            ("0s", 0),
            ("+5ms", 5_000_000),
            ("-1s", -1_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("24h0m0s", 86_400_000_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("1.5h", 5_400_000_000_000),
            ("1h1h", 7_200_000_000_000),
            ("1m0.5s", 60_500_000_000),
            ("-.5s", -500_000_000),
            ("7ns", 7),
            ("0.5ns", 0),
            ("200us", 200_000),
            ("200µs", 200_000),
            ("200μs", 200_000),
            ("3ms", 3_000_000),
            ("2m", 120_000_000_000),
            ("1.000000001s", 1_000_000_001),
            ("0.3333333333333333333333s", 333_333_333),
            ("9223372036854775807ns", i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
            ("2562047h", 9_223_369_200_000_000_000),
        ];
        for (text, nanos) in cases {
            assert_eq!(parse(text), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        let cases = [
            "",
            "+",
            "-",
            "5",
            "1d",
            "1w",
            "1 s",
            " 1s",
            "1s ",
            "1h 1m",
            "1e3s",
            ".",
            ".s",
            "s",
            "1",
            "00",
            "1s5",
            "--1s",
            "+-1s",
            "1S",
            "1H",
            "1sec",
            "1.2.3s",
            "2562048h",
            "9223372036854775808ns",
            "-9223372036854775809ns",
            "99999999999999999999s",
            "1h-1m",
            "0x1s",
            "1_0s",
            "nan",
            "1hm",
            "١s",
        ];
        for text in cases {
            assert_eq!(parse(text), Err(BadValue::Syntax), "{text}");
        }
        assert_eq!(parse(&"9223372036854775807ns".repeat(100)), Err(BadValue::Syntax));
    }

    #[test]
    fn prints_as_go_prints() {
        let cases = [
            (0, "0s"),
            (1, "1ns"),
            (999, "999ns"),
            (200_000, "200µs"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (100_000_000, "100ms"),
            (3_300_000_000, "3.3s"),
            (1_000_000_001, "1.000000001s"),
            (245_000_000_000, "4m5s"),
            (245_001_000_000, "4m5.001s"),
            (18_367_001_000_000, "5h6m7.001s"),
            (86_400_000_000_000, "24h0m0s"),
            (-1_500_000_000, "-1.5s"),
            (i64::MAX, "2562047h47m16.854775807s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ];
        for (nanos, expected) in cases {
            assert_eq!(text(nanos), expected);
        }
    }

    #[test]
    fn reads_what_it_prints() {
        for nanos in
            [0, 1, 999, 1_001, 1_234_567, 60_000_000_000, 3_600_000_000_001, i64::MAX, i64::MIN]
        {
            assert_eq!(parse(&text(nanos)), Ok(nanos));
        }
    }
}
