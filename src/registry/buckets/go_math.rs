//! Roots and powers with the rounding of the original Go metrics-server, last bit included.
//!
//! Bucket bounds are label values (`le`), so one wrong bit makes another series. Go has its own
//! approximations of `exp` and `log`, written in assembly on amd64, and those of the standard library
//! (`powf`, `exp`, `ln`) differ from them in the last bits. What follows does the same IEEE operations in
//! the same order as Go 1.19 to 1.26 do on an amd64 processor with FMA, and only for the arguments that
//! bounds need: finite ones above 1.
//!
//! Pure functions; knows nothing of buckets.

use std::f64::consts::{FRAC_1_SQRT_2, LOG2_E};

/// Bits of a float's fraction.
const FRACTION_BITS: u32 = 52;
/// The fraction of a float.
const FRACTION: u64 = (1 << FRACTION_BITS) - 1;
/// The exponent field, once shifted down; as a value, that of the infinities.
const EXPONENT: u64 = 0x7ff;
/// The exponent field of numbers in [1, 2).
const BIAS: i32 = 0x3ff;

/// `x^(1/n)` as Go's `math.Pow(x, 1/n)` rounds it, for `x` > 1 and `n` ≥ 1; an infinite `x` is its
/// own root.
pub(super) fn root(x: f64, n: usize) -> f64 {
    match n {
        1 => x,
        2 => x.sqrt(),
        _ if x == f64::INFINITY => x,
        _ => exp(1.0 / n as f64 * log(x)),
    }
}

/// `x^0`, `x^1`, ... `x^(count-1)` as Go's `math.Pow` rounds them, for `x` ≥ 1 (infinity included).
///
/// Go multiplies the squares `x`, `x^2`, `x^4`, ... of the bits that `n` has, the smallest first, and keeps the
/// power of two apart from the fraction. So `x^n` is the product for `n` without its highest bit, times the square
/// of that bit: one multiplication for each power. The power of two need not be kept apart here: multiplying by
/// it rounds nothing, and with no factor below 1 whatever overflows on the way overflows at the end.
pub(super) fn powers(x: f64, count: usize) -> Vec<f64> {
    let mut powers = vec![1.0; count];
    let (mut made, mut square) = (1, x);
    while made < count {
        // `square` is `x` to the power of `made`, which is a power of two.
        let (old, new) = powers.split_at_mut(made);
        for (new, old) in new.iter_mut().zip(old) {
            *new = *old * square;
        }
        made *= 2;
        square *= square;
    }
    powers
}

/// `e^x`, for `x` between 0 and 500: a Taylor series of x/16, squared four times.
///
/// `mul_add` rounds once, as the processor's FMA does; without that instruction it is computed in
/// software, with the same result.
fn exp(x: f64) -> f64 {
    /// The upper bits of ln 2, so few that small multiples are exact.
    const LN_2_HIGH: f64 = 0.693_147_180_559_663;
    /// What ln 2 has beyond them.
    const LN_2_LOW: f64 = 2.823_529_056_303_157_7e-13;
    /// 1/8!, 1/7!, ... 1/0!, but for the last factor of x.
    const TAYLOR: [f64; 8] = [
        2.480_158_730_158_73e-5,
        0.000_198_412_698_412_698_4,
        0.001_388_888_888_888_889,
        0.008_333_333_333_333_333,
        0.041_666_666_666_666_664,
        0.166_666_666_666_666_66,
        0.5,
        1.0,
    ];

    let twos = (x * LOG2_E).round_ties_even();
    let rest = (-twos).mul_add(LN_2_LOW, (-twos).mul_add(LN_2_HIGH, x)) * 0.0625;
    let series = polynomial(TAYLOR, |sum, term| sum.mul_add(rest, term));
    // With m = e^rest - 1, the square of e^rest is 1 + m(m + 2): no digit of a small m is lost.
    let m = rest * series;
    let m = m * (m + 2.0);
    let m = m * (m + 2.0);
    let m = m * (m + 2.0);
    let power = (m + 2.0).mul_add(m, 1.0);
    #[expect(clippy::cast_possible_truncation, reason = "a whole number below 1,000")]
    let twos = twos as i32;
    scale(power, twos)
}

/// `ln x`, for finite `x` > 1: a polynomial in s = f/(2+f), where x = 2^k (1+f), with the widely used
/// coefficients of fdlibm.
fn log(x: f64) -> f64 {
    /// The upper bits of ln 2, so few that k times them is exact.
    const LN_2_HIGH: f64 = 0.693_147_180_369_123_8;
    /// What ln 2 has beyond them.
    const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    /// The coefficients of s^2, s^6, s^10, s^14, the last first.
    const ODD: [f64; 4] = [
        0.147_981_986_051_165_86,
        0.181_835_721_616_180_5,
        0.285_714_287_436_623_9,
        0.666_666_666_666_673_5,
    ];
    /// The coefficients of s^4, s^8, s^12, the last first.
    const EVEN: [f64; 3] =
        [0.153_138_376_992_093_73, 0.222_221_984_321_497_84, 0.399_999_999_994_094_2];

    let Split { mut fraction, exponent: mut k } = Split::of(x);
    if fraction < FRAC_1_SQRT_2 {
        fraction *= 2.0;
        k -= 1;
    }
    let k = f64::from(k);
    let f = fraction - 1.0;
    let s = f / (2.0 + f);
    let s2 = s * s;
    let s4 = s2 * s2;
    // Go multiplies and adds in two steps here, so `mul_add` would round otherwise.
    let horner = |sum: f64, term: f64| sum * s4 + term;
    let odd = s2 * polynomial(ODD, horner);
    let even = s4 * polynomial(EVEN, horner);
    let half_square = 0.5 * f * f;
    k * LN_2_HIGH - ((half_square - (s * (half_square + (odd + even)) + k * LN_2_LOW)) - f)
}

/// The value of a polynomial by Horner's rule. Its coefficients come with that of the highest power first;
/// `step` multiplies the sum so far and adds the next coefficient, rounding as Go does in that place.
fn polynomial<const N: usize>(coefficients: [f64; N], step: impl Fn(f64, f64) -> f64) -> f64 {
    coefficients.into_iter().reduce(step).expect("a polynomial has a coefficient")
}

/// A normal, positive float as `fraction · 2^exponent`, with a fraction in [0.5, 1).
struct Split {
    fraction: f64,
    exponent: i32,
}

impl Split {
    fn of(x: f64) -> Self {
        let half = (BIAS - 1) as u64;
        let fraction = f64::from_bits(x.to_bits() & FRACTION | half << FRACTION_BITS);
        Self { fraction, exponent: exponent_field(x) - (BIAS - 1) }
    }
}

/// `x · 2^exponent`, infinite where it overflows, for a normal `x` > 0 and a product that is normal as well.
fn scale(x: f64, exponent: i32) -> f64 {
    match u64::try_from(exponent_field(x) + exponent) {
        Ok(field) if field < EXPONENT => {
            f64::from_bits(x.to_bits() & FRACTION | field << FRACTION_BITS)
        }
        Ok(_) => f64::INFINITY,
        Err(_) => 0.0,
    }
}

/// The exponent of a positive `x`, biased.
fn exponent_field(x: f64) -> i32 {
    (x.to_bits() >> FRACTION_BITS & EXPONENT) as i32 // eleven bits
}
