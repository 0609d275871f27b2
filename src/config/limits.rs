//! Limits of what the page of metrics may hold, in lines, bytes and time.
//!
//! Runs on `main`, once. It must not know how a limit is kept.

use std::time::Duration;

use super::convert::{count, duration, size};
use super::error::UsageError;
use super::table::Values;

/// Limits of what stands on the page; past one, a new series is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LimitsConfig {
    /// Most buckets of a histogram.
    pub buckets_max: usize,
    /// Most exposed lines; a histogram has its buckets and 3 more.
    pub lines_max: u64,
    /// Most exposed lines of one name.
    pub name_lines_max: u64,
    /// Most bytes of all that lives because of input.
    pub memory_max_bytes: usize,
    /// Most bytes of templates, by which messages are known but for their value, of all workers.
    pub templates_max_bytes: usize,
    /// Whether series of one name may have different sets of label names.
    pub mixed_label_sets: bool,
    /// Whether series that had one sample only make room for those that come again.
    pub evict_singletons: bool,
    /// How long a series stands after its last sample; `None`: for ever.
    pub series_ttl: Option<Duration>,
}

/// What waits in memory beside series, unfinished messages and the queue of each sink, gets at most this part of
/// `-memory-max`: so all of it together leaves half to series, and a sink that is away takes nothing from them.
const SHARE_BESIDE_SERIES: i64 = 8;

/// The bound of something that waits beside series: what its flag says, or its share of all memory if that is less.
pub(super) fn beside_series(flag_bytes: i64, values: &Values) -> i64 {
    flag_bytes.min(values.memory_max / SHARE_BESIDE_SERIES)
}

impl LimitsConfig {
    /// What the flags say.
    pub(super) fn read(values: &Values) -> Result<Self, UsageError> {
        Ok(Self {
            buckets_max: size(values.buckets_max),
            lines_max: count(values.lines_max),
            name_lines_max: count(values.name_lines_max),
            memory_max_bytes: size(values.memory_max),
            templates_max_bytes: size(values.shapes_max_bytes),
            mixed_label_sets: values.mixed_label_sets,
            // Where nothing is removed, nothing is evicted either.
            evict_singletons: values.evict_singletons && values.metric_clean_up,
            series_ttl: series_ttl(values)?,
        })
    }
}

fn series_ttl(values: &Values) -> Result<Option<Duration>, UsageError> {
    if !values.metric_clean_up {
        return Ok(None);
    }
    if values.metric_ttl <= 0 {
        let text = super::duration::text(values.metric_ttl);
        let cause = "with -metric-clean-up it must be above 0";
        return Err(UsageError::value("metric-ttl", &text, cause));
    }
    Ok(Some(duration(values.metric_ttl)))
}
