//! A value with its type and its sample rate: what is done with it, and how much of it counts.
//!
//! Pure; runs on an ingest worker.

use super::parsed::Scaling;
use crate::metric::{Kind, Op, Rejection};

/// The type of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StatType {
    /// `c`
    Counter,
    /// `g`
    Gauge,
    /// `ms`: a histogram of seconds.
    Timer,
    /// `h` and `d`
    Histogram,
}

/// Milliseconds in a second.
const MILLISECONDS: f64 = 1_000.0;

/// The lowest sample rate. One sample in a million is less than any client keeps; a rate far below it would make one
/// line a flood.
const RATE_MIN: f64 = 1e-6;

impl StatType {
    /// The type with this text; `None` for sets, which cannot be added up, and for any other.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        match text {
            "c" => Some(Self::Counter),
            "g" => Some(Self::Gauge),
            "ms" => Some(Self::Timer),
            "h" | "d" => Some(Self::Histogram),
            _ => None,
        }
    }

    /// The type of the family that it counts into.
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Counter => Kind::Counter,
            Self::Gauge => Kind::Gauge,
            Self::Timer | Self::Histogram => Kind::Histogram,
        }
    }

    /// What is done with this value, as it stands in the line: one with a sign is added to a gauge.
    pub(super) fn op(self, value: &str) -> Op {
        match self {
            Self::Counter => Op::Inc,
            Self::Gauge if value.starts_with(['+', '-']) => Op::Add,
            Self::Gauge => Op::Set,
            Self::Timer | Self::Histogram => Op::Obs,
        }
    }

    fn scaling(self, rate: f64) -> Scaling {
        match self {
            Self::Counter => Scaling::new(rate, 1),
            Self::Gauge => Scaling::NONE,
            Self::Timer => Scaling::new(MILLISECONDS, weight(rate)),
            Self::Histogram => Scaling::new(1.0, weight(rate)),
        }
    }
}

/// How many observations one stands for. The rest that is no whole one is dropped, as `statsd_exporter` does.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from 1 to a million, since the rate is in its range"
)]
fn weight(rate: f64) -> u64 {
    (1.0 / rate) as u64
}

/// A value as it stands in the line, and what becomes of it.
pub(super) struct ScaledNumber {
    pub(super) number: f64,
    pub(super) scaling: Scaling,
}

/// Reads the rate at which values were sampled: 1 if there is none.
pub(super) fn read_rate(text: Option<&str>) -> Result<f64, Rejection> {
    let rate = text.map_or(Ok(1.0), |text| text.parse().map_err(|_| Rejection::SampleRate))?;
    (RATE_MIN..=1.0).contains(&rate).then_some(rate).ok_or(Rejection::SampleRate)
}

/// Reads a value that was sampled at this rate.
pub(super) fn read(stat_type: StatType, text: &str, rate: f64) -> Result<ScaledNumber, Rejection> {
    let number: f64 = text.parse().map_err(|_| Rejection::Value)?;
    let scaling = stat_type.scaling(rate);
    if !scaling.scale(number).is_finite() {
        Err(Rejection::Value)
    } else if stat_type == StatType::Counter && number < 0.0 {
        Err(Rejection::NegativeIncrement)
    } else {
        Ok(ScaledNumber { number, scaling })
    }
}
