//! Dates and times in UTC, as index names and documents carry them.
//!
//! Pure arithmetic on the proleptic Gregorian calendar.

use std::io::Write as _;

const NS: u64 = 1_000_000_000;
const DAY_NS: u64 = 86_400 * NS;

/// Days since 1970 of a time in nanoseconds since then.
pub(super) fn day(time_ns: u64) -> u64 {
    time_ns / DAY_NS
}

/// Appends a day as `2024-02-29`.
pub(super) fn write_date(out: &mut Vec<u8>, day: u64) {
    // Years are counted from March, so that a leap day is a year's last, and from the year 0.
    let days = day + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let date = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = 400 * era + year_of_era + u64::from(month <= 2);
    let _ = write!(out, "{year:04}-{month:02}-{date:02}"); // a Vec takes everything
}

/// Appends a time as Go writes it: `2024-02-29T23:59:59.12Z`, a fraction without zeros at its end.
pub(super) fn write_time(out: &mut Vec<u8>, time_ns: u64) {
    write_date(out, day(time_ns));
    let seconds = time_ns % DAY_NS / NS;
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let _ = write!(out, "T{hour:02}:{minute:02}:{second:02}");
    let mut fraction = time_ns % NS;
    if fraction > 0 {
        let mut digits = 9;
        while fraction.is_multiple_of(10) {
            (fraction, digits) = (fraction / 10, digits - 1);
        }
        let _ = write!(out, ".{fraction:0digits$}");
    }
    out.push(b'Z');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_go_does() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399_999_999_999, "2000-02-28T23:59:59.999999999Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00Z"),
            (951_868_800_000_000_010, "2000-03-01T00:00:00.00000001Z"),
            (4_107_542_400_500_000_000, "2100-03-01T00:00:00.5Z"),
            (1_790_000_000_120_000_000, "2026-09-21T14:13:20.12Z"),
            (u64::MAX, "2554-07-21T23:34:33.709551615Z"),
        ];
        for (time_ns, expected) in cases {
            let mut out = Vec::new();
            write_time(&mut out, time_ns);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn each_day_follows_the_one_before() {
        let text = |day| {
            let mut out = Vec::new();
            write_date(&mut out, day);
            String::from_utf8(out).unwrap()
        };
        let mut before = text(0);
        for day in 1..60_000 {
            let now = text(day);
            assert!(now > before && now.len() == 10, "{before} {now}");
            before = now;
        }
        assert_eq!(before, "2134-04-10");
    }
}
