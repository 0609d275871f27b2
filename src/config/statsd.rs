//! How StatsD lines are read.
//!
//! Runs on `main`, once. It must not know how a line is parsed.

use super::convert::list;
use super::error::UsageError;
use super::table::Values;

/// A way in which StatsD's dialects write tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagStyle {
    /// Behind `|#`.
    DogStatsD,
    /// Behind a comma in the name.
    InfluxDb,
    /// Behind a `#` in the name.
    Librato,
    /// Between brackets in the name.
    SignalFx,
}

/// The styles in which tags are taken, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TagStyles(u8);

const NAMES: [(&str, TagStyle); 4] = [
    ("dogstatsd", TagStyle::DogStatsD),
    ("influxdb", TagStyle::InfluxDb),
    ("librato", TagStyle::Librato),
    ("signalfx", TagStyle::SignalFx),
];

impl TagStyles {
    /// Every style. None looks like another.
    pub fn all() -> Self {
        Self(NAMES.iter().fold(0, |bits, &(_, style)| bits | bit(style)))
    }

    /// Whether tags are taken in this style.
    #[inline]
    pub fn contains(self, style: TagStyle) -> bool {
        self.0 & bit(style) != 0
    }

    /// What the flag says.
    pub(super) fn read(values: &Values) -> Result<Self, UsageError> {
        let text = &values.statsd_tags;
        let bits = list(text).iter().try_fold(0, |bits, name| {
            let known = NAMES.iter().find(|(known, _)| known == name);
            let (_, style) =
                known.ok_or_else(|| UsageError::value("statsd-tags", text, "no such style"))?;
            Ok(bits | bit(*style))
        });
        bits.map(Self)
    }
}

const fn bit(style: TagStyle) -> u8 {
    1 << style as u8
}
