//! The `timestamp` of a message in RFC 3339, written as Go's `time` package writes what it has read.
//!
//! jiff does not do: its parsers also take a blank or `t` for the `T`, `+0200`, second 60 and a date without seconds,
//! none of which Go's `time.RFC3339` takes, and refuse a tenth digit of the fraction, which Go cuts off. Of what Go
//! takes, three odd forms are left out here: a comma before the fraction, an hour of one digit, and an offset whose
//! minutes are 60.
//!
//! Runs on ingest workers; appends to the caller's buffer and allocates nothing else.

use std::ops::RangeInclusive;

/// Appends the text if it is a valid time, and nothing if it is none. Digits behind nanoseconds and zeros at the end
/// of the fraction are left out, and an offset of zero becomes `Z`.
pub(super) fn write(out: &mut Vec<u8>, text: &str) {
    let Some((seconds, rest)) = text.as_bytes().split_at_checked(19) else { return };
    let Some((fraction, offset)) = fraction_and_offset(rest) else { return };
    if !is_date_and_time(seconds) {
        return;
    }
    out.extend_from_slice(seconds);
    let fraction = &fraction[..fraction.len().min(9)];
    let digits = fraction.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
    if digits > 0 {
        out.push(b'.');
        out.extend_from_slice(&fraction[..digits]);
    }
    out.extend_from_slice(offset);
}

/// Whether 19 bytes are a date and a time, such as `2024-01-02T03:04:05`.
fn is_date_and_time(text: &[u8]) -> bool {
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if marks.iter().any(|(at, mark)| text[*at] != *mark) {
        return false;
    }
    let number = |from: usize, to: usize| digits(&text[from..to]);
    let (Some(year), Some(month), Some(day)) = (number(0, 4), number(5, 7), number(8, 10)) else {
        return false;
    };
    let within =
        |from, to, range: RangeInclusive<u32>| number(from, to).is_some_and(|n| range.contains(&n));
    (1..=days(year, month)).contains(&day)
        && within(11, 13, 0..=23)
        && within(14, 16, 0..=59)
        && within(17, 19, 0..=59)
}

/// Splits what follows the seconds into the digits behind the point and an offset such as `Z` or `+02:00`.
fn fraction_and_offset(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (fraction, offset) = match text.strip_prefix(b".") {
        Some(rest) => {
            let len = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if len == 0 {
                return None;
            }
            rest.split_at(len)
        }
        None => (&[][..], text),
    };
    match offset {
        b"Z" | b"+00:00" | b"-00:00" => Some((fraction, b"Z")),
        [b'+' | b'-', hours @ .., b':', minute, second] if hours.len() == 2 => {
            let fits = digits(hours)? <= 24 && digits(&[*minute, *second])? <= 59;
            fits.then_some((fraction, offset))
        }
        _ => None,
    }
}

/// The number that the text is made of, if all of it is digits.
fn digits(text: &[u8]) -> Option<u32> {
    text.iter()
        .try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
}

/// How many days the month has; 0 if there is no such month.
fn days(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        1..=12 => 31,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_go_does() {
        let cases = [
            ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z"),
            ("2024-01-02T03:04:05.120Z", "2024-01-02T03:04:05.12Z"),
            ("2024-01-02T03:04:05.000+02:30", "2024-01-02T03:04:05+02:30"),
            ("2024-02-29T23:59:59.1234567891+00:00", "2024-02-29T23:59:59.123456789Z"),
        ];
        for (text, expected) in cases {
            let mut out = Vec::new();
            write(&mut out, text);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_no_time_is_left_out() {
        let texts = [
            "",
            "now",
            "2024-01-02",
            "2024-01-02 03:04:05Z",
            "2024-01-02T03:04:05",
            "2023-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-00-01T00:00:00Z",
            "2024-01-02T24:00:00Z",
            "2024-01-02T03:04:05.Z",
            "2024-01-02T03:04:05+0200",
            "2024-01-02T03:04:60Z",
            "2024-01-02T03:04:05Zx",
            "2024-01-02T03:04:05ä",
            "2024-01-00T03:04:05Z",
        ];
        for text in texts {
            let mut out = Vec::new();
            write(&mut out, text);
            assert!(out.is_empty(), "{text}");
        }
    }
}
