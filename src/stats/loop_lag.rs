//! A histogram of how long a worker left its UDP queue unread.
//!
//! Written by its worker once per turn of its loop, with a plain load and store; read by the exporter.

use super::counter::Counter;

/// How many finite bounds there are.
const BOUNDS: usize = 12;

/// Upper bounds of the buckets, in nanoseconds.
///
/// A lag matters once the socket's buffer fills meanwhile. The smallest buffer that is to be expected, Linux'
/// default of 416 KiB, holds 300 datagrams of 200 bytes as the kernel charges them: they arrive within 300 µs
/// at a million a second. The buffer that `-udp-rcvbuf` asks for, 16 MiB as the kernel doubles it, holds
/// 12,000: they arrive within a second at 12,000 a second. Between these two every power of ten has two or
/// three bounds. One is 20 ms, the most that `make bench` allows while pages are made. One is 100 µs, half of
/// the default `-udp-batch-wait`, so that turns that waited for their batch differ from those that did not.
const BOUNDS_NS: [u64; BOUNDS] = [
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    1_000_000_000,
];

/// The same bounds in seconds, as the page shows them.
pub(crate) const LOOP_LAG_BOUNDS_SECONDS: [f64; BOUNDS] = in_seconds(BOUNDS_NS);

const fn in_seconds(bounds_ns: [u64; BOUNDS]) -> [f64; BOUNDS] {
    let mut seconds = [0.0; BOUNDS];
    let mut index = 0;
    while index < BOUNDS {
        seconds[index] = bounds_ns[index] as f64 / 1e9;
        index += 1;
    }
    seconds
}

/// The histogram of one worker.
#[derive(Debug, Default)]
pub struct LoopLag {
    /// Observations by the bucket they fall into, not cumulated; the last is of those above all bounds.
    buckets: [Counter; BOUNDS + 1],
    sum_ns: Counter,
}

impl LoopLag {
    /// Adds one observation. Only the one writer may call it.
    pub(crate) fn observe(&self, lag_ns: u64) {
        // A bound belongs to its bucket, as `le` says.
        self.buckets[BOUNDS_NS.partition_point(|&bound_ns| bound_ns < lag_ns)].add(1);
        self.sum_ns.add(lag_ns);
    }

    /// Observations by the bucket they fall into, not cumulated.
    pub(crate) fn buckets(&self) -> [u64; BOUNDS + 1] {
        std::array::from_fn(|bucket| self.buckets[bucket].get())
    }

    /// The sum of all observations.
    pub(crate) fn sum_seconds(&self) -> f64 {
        self.sum_ns.get() as f64 / 1e9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bucket of a single observation.
    fn bucket_of(lag_ns: u64) -> usize {
        let lag = LoopLag::default();
        lag.observe(lag_ns);
        let buckets = lag.buckets();
        assert_eq!(buckets.iter().sum::<u64>(), 1);
        buckets.iter().position(|&count| count == 1).unwrap()
    }

    #[test]
    fn a_bound_belongs_to_its_bucket_and_what_is_above_to_the_next() {
        assert_eq!(bucket_of(0), 0);
        for (bucket, bound_ns) in BOUNDS_NS.into_iter().enumerate() {
            assert_eq!(bucket_of(bound_ns), bucket);
            assert_eq!(bucket_of(bound_ns + 1), bucket + 1);
        }
        assert_eq!(bucket_of(u64::MAX), BOUNDS);
    }

    #[test]
    fn bounds_ascend_and_are_shown_in_seconds() {
        assert!(BOUNDS_NS.is_sorted_by(|lower, upper| lower < upper));
        assert_eq!(LOOP_LAG_BOUNDS_SECONDS[..2], [0.000_1, 0.000_25]);
        assert_eq!(LOOP_LAG_BOUNDS_SECONDS.last(), Some(&1.0));
    }

    #[test]
    fn the_sum_is_that_of_all_observations() {
        let lag = LoopLag::default();
        lag.observe(1_500_000_000);
        lag.observe(500_000_000);
        assert!((lag.sum_seconds() - 2.0).abs() < 1e-9, "{}", lag.sum_seconds());
    }
}
