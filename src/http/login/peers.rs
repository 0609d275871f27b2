//! Which addresses sent wrong passwords, and how long they have to wait.
//!
//! It must not know passwords nor read a clock.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::http::network::Network;

/// Wrong passwords that are free: a slip of the finger, and a client that was set up wrongly in two ways.
const FREE_FAILURES: u32 = 3;
/// The wait after the last free failure; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Less than the interval of usual scrapes, so that a scraper whose password was mended is let in at once.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// After so long without a failure the earlier ones are forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(10);
/// Addresses that are remembered at once: 64 KiB. Past it the one that failed longest ago is forgotten.
const NETWORKS_MAX: usize = 1_024;

/// Networks with failures.
pub(super) struct Peers(HashMap<Network, FailedLogins>);

struct FailedLogins {
    count: u32,
    last: Instant,
}

impl Peers {
    /// Nobody has failed.
    pub(super) fn new() -> Self {
        Self(HashMap::new())
    }

    /// How long this network has still to wait; `None` if it may try.
    pub(super) fn wait(&self, network: Network, now: Instant) -> Option<Duration> {
        let failures = self.0.get(&network)?;
        let doublings = failures.count.checked_sub(FREE_FAILURES)?;
        let whole = FIRST_WAIT.saturating_mul(2u32.saturating_pow(doublings)).min(WAIT_MAX);
        let left = whole.saturating_sub(now.saturating_duration_since(failures.last));
        (!left.is_zero()).then_some(left)
    }

    /// Books a failure.
    pub(super) fn book_failure(&mut self, network: Network, now: Instant) {
        if self.0.len() >= NETWORKS_MAX && !self.0.contains_key(&network) {
            let oldest = self.0.iter().min_by_key(|(_, failures)| failures.last);
            if let Some(oldest) = oldest.map(|(network, _)| *network) {
                self.0.remove(&oldest);
            }
        }
        let failures = self.0.entry(network).or_insert(FailedLogins { count: 0, last: now });
        if now.saturating_duration_since(failures.last) >= FORGOTTEN_AFTER {
            failures.count = 0;
        }
        *failures = FailedLogins { count: failures.count.saturating_add(1), last: now };
    }

    /// Takes back a failure that was none.
    pub(super) fn take_back_failure(&mut self, network: Network) {
        if let Some(failures) = self.0.get_mut(&network) {
            failures.count -= 1;
            if failures.count == 0 {
                self.0.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        Network::of(text.parse().unwrap())
    }

    #[test]
    fn waits_grow_from_the_third_failure_on_and_have_an_end() {
        let (mut peers, here, start) = (Peers::new(), network("192.0.2.1"), Instant::now());
        let seconds: Vec<_> = (0..9)
            .map(|_| {
                peers.book_failure(here, start);
                peers.wait(here, start).map(|wait| wait.as_secs())
            })
            .collect();
        let expected =
            [None, None, Some(1), Some(2), Some(4), Some(8), Some(10), Some(10), Some(10)];
        assert_eq!(seconds, expected);
        assert_eq!(peers.wait(here, start + Duration::from_secs(9)), Some(Duration::from_secs(1)));
        assert_eq!(peers.wait(here, start + WAIT_MAX), None);
        assert_eq!(peers.wait(network("192.0.2.2"), start), None, "another address does not wait");
    }

    #[test]
    fn failures_are_forgotten_after_a_while_and_taken_back_one_by_one() {
        let (mut peers, here, start) = (Peers::new(), network("192.0.2.1"), Instant::now());
        (0..5).for_each(|_| peers.book_failure(here, start));
        let later = start + FORGOTTEN_AFTER;
        (0..2).for_each(|_| peers.book_failure(here, later));
        assert_eq!(peers.wait(here, later), None, "two failures, not seven");
        peers.book_failure(here, later);
        assert!(peers.wait(here, later).is_some());
        peers.take_back_failure(here);
        assert_eq!(peers.wait(here, later), None);
        (0..2).for_each(|_| peers.take_back_failure(here));
        assert!(peers.0.is_empty());
        peers.take_back_failure(here);
        assert!(peers.0.is_empty());
    }

    #[test]
    fn the_table_is_bounded_and_forgets_who_failed_longest_ago() {
        let (mut peers, start) = (Peers::new(), Instant::now());
        for number in (0..=u32::MAX).take(NETWORKS_MAX + 1) {
            let network = Network::of(std::net::Ipv4Addr::from(number).into());
            let now = start + Duration::from_millis(number.into());
            (0..3).for_each(|_| peers.book_failure(network, now));
        }
        assert_eq!(peers.0.len(), NETWORKS_MAX);
        assert!(!peers.0.contains_key(&network("0.0.0.0")), "the first is gone");
        assert!(peers.0.contains_key(&network("0.0.0.1")));
    }
}
