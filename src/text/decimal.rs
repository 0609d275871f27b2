//! A number's decimal text taken apart into its digits and its power of ten.
//!
//! Pure; it allocates nothing.

/// Digits that are kept. The shortest text of an `f64` that reads back as the same value has 17 at most.
const DIGITS_MAX: usize = 24;

/// The significant digits of a decimal text, and the power of ten of the first of them.
pub(super) struct Decimal {
    digits: [u8; DIGITS_MAX],
    len: usize,
    /// The power of ten of the first digit.
    pub(super) exponent: i32,
}

impl Decimal {
    /// The significant digits, without zeros at either end.
    pub(super) fn digits(&self) -> &[u8] {
        &self.digits[..self.len]
    }

    /// Takes apart the text of a finite number above zero, with or without point and exponent.
    pub(super) fn read(text: &[u8]) -> Self {
        let mantissa_len = memchr::memchr(b'e', text).unwrap_or(text.len());
        let (mantissa, exponent) = text.split_at(mantissa_len);
        let point = memchr::memchr(b'.', mantissa).unwrap_or(mantissa_len);
        let mut decimal =
            Self { digits: [0; DIGITS_MAX], len: 0, exponent: read_exponent(exponent) };
        let mut leading_zeros = 0;
        for &digit in mantissa.iter().filter(|&&byte| byte != b'.') {
            if decimal.len == 0 && digit == b'0' {
                leading_zeros += 1;
            } else if decimal.len < decimal.digits.len() {
                decimal.digits[decimal.len] = digit;
                decimal.len += 1;
            }
        }
        while decimal.len > 1 && decimal.digits[decimal.len - 1] == b'0' {
            decimal.len -= 1;
        }
        decimal.exponent += small(point) - small(leading_zeros) - 1;
        decimal
    }
}

/// The signed integer after an `e`; 0 where there is none.
fn read_exponent(text: &[u8]) -> i32 {
    let Some((_, signed)) = text.split_first() else { return 0 };
    let magnitude = signed
        .iter()
        .filter(|byte| byte.is_ascii_digit())
        .fold(0, |sum, &digit| sum * 10 + i32::from(digit - b'0'));
    if signed.first() == Some(&b'-') { -magnitude } else { magnitude }
}

/// A length within a number's text.
fn small(length: usize) -> i32 {
    i32::try_from(length).expect("a number's text has some 30 bytes at most")
}
