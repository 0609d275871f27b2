//! The timer of expiry, and the sums over its passes.
//!
//! A series is gone at most min(ttl/10, 1 s) after its deadline. A pass first asks the workers that own a series'
//! cells to give them up, and a later one removes it. So passes come twice as often as that, and 2 ms apart while
//! answers are outstanding: a worker answers between two batches.

use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::control::Control;
use crate::logger::throttle::Throttle;
use crate::registry::directory::{Directory, SeriesView};
use crate::registry::expiry::Expiry;
use crate::text::excerpt::excerpt;

/// Upper bounds of the histogram of passes, in seconds. They are those of the original Go metrics-server: 0.1 and
/// fourteen powers of ten.
pub(crate) const PASS_BOUNDS_SECONDS: [f64; 15] =
    [0.1, 1., 10., 100., 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13];

/// How long after a pass that waits for answers of workers the next one comes.
const ANSWER_WAIT: Duration = Duration::from_millis(2);
/// The least time between two passes, however short the ttl is.
const PERIOD_MIN: Duration = Duration::from_millis(5);

/// Sums over all passes.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExpiryTotals {
    /// Series removed: counters, gauges, histograms.
    pub deleted: [u64; 3],
    /// Series removed to make room for others: counters, gauges, histograms.
    pub evicted: [u64; 3],
    /// Series watched after the last pass.
    pub watched: u64,
    /// Passes by the bucket that their time falls into, not cumulated; the last is of those above all bounds.
    pub counts: [u64; PASS_BOUNDS_SECONDS.len() + 1],
    /// Time of all passes.
    pub seconds: f64,
}

/// Makes passes over series, and adds up what they did.
#[derive(Debug)]
pub(crate) struct ExpiryTimer {
    expiry: Expiry,
    period: Duration,
    passes: ExpiryTotals,
    control: Arc<Control>,
    /// Lets a line on evicted series pass now and then.
    evicted_log: Throttle,
    /// How many series were evicted since the last such line.
    evicted_unlogged: usize,
}

impl ExpiryTimer {
    /// Makes passes of this expiry, which removes series that are older than `ttl`. Evicted series are logged at most
    /// once per `log_interval`.
    pub(crate) fn new(
        expiry: Expiry,
        ttl: Duration,
        control: Arc<Control>,
        log_interval: Duration,
    ) -> Self {
        Self {
            expiry,
            period: period(ttl),
            passes: ExpiryTotals::default(),
            control,
            evicted_log: Throttle::new(log_interval),
            evicted_unlogged: 0,
        }
    }

    /// Makes one pass. Returns after how long the next is due.
    pub(crate) fn pass(&mut self, directory: &mut Directory) -> Duration {
        let began_ns = clock::now_ns();
        let pass = self.expiry.pass(directory, began_ns);
        for entry in &pass.removed {
            self.passes.deleted[entry.family().kind as usize] += 1;
        }
        for entry in &pass.evicted {
            self.passes.evicted[entry.family().kind as usize] += 1;
        }
        self.log_evicted(&pass.evicted);
        self.passes.watched = directory.series().iter().sum();
        pass.wake.iter().for_each(|&worker| self.control.wake(worker));
        let seconds = Duration::from_nanos(clock::now_ns() - began_ns).as_secs_f64();
        self.passes.counts[PASS_BOUNDS_SECONDS.partition_point(|&bound| bound < seconds)] += 1;
        self.passes.seconds += seconds;
        if pass.outstanding > 0 { ANSWER_WAIT } else { self.period }
    }

    /// Names one of the series that were evicted, unless a line on others was logged a moment ago.
    fn log_evicted(&mut self, evicted: &[SeriesView]) {
        self.evicted_unlogged += evicted.len();
        if let Some(entry) = evicted.first()
            && self.evicted_log.allows()
        {
            let count = std::mem::take(&mut self.evicted_unlogged);
            let labels = String::from_utf8_lossy(entry.text());
            let series = excerpt(&format!("{}{{{labels}}}", entry.family().name));
            log::warn!(
                "A limit is reached: {count} series that had one sample were removed to make room for new ones, such \
                 as {series}"
            );
        }
    }

    /// The sums so far.
    pub(crate) fn passes(&self) -> &ExpiryTotals {
        &self.passes
    }
}

/// The time between two passes.
fn period(ttl: Duration) -> Duration {
    (ttl / 20).clamp(PERIOD_MIN, Duration::from_millis(500))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worst case: a pass that looks for idle series comes just before the deadline, others that do not look follow
    /// it for an eightieth of the ttl, then one asks the workers, the one after it finds no answer yet, and the third
    /// finds them.
    #[test]
    fn a_series_is_gone_a_tenth_of_the_ttl_after_its_deadline() {
        for millis in [100, 200, 1_000, 5_000, 10_000, 60_000, 86_400_000] {
            let ttl = Duration::from_millis(millis);
            let promised = (ttl / 10).min(Duration::from_secs(1));
            let unseen = (ttl / 80).min(Duration::from_millis(250));
            // Passes for answers are looks as well where they are rarer than that.
            let unseen = if unseen < ANSWER_WAIT { Duration::ZERO } else { unseen };
            let worst = unseen + period(ttl) + 2 * ANSWER_WAIT;
            assert!(worst <= promised, "{ttl:?}: {worst:?}");
        }
    }
}
