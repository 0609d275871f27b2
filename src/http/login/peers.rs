//! Which clients have sent wrong passwords, and how long each of them has to wait before it may try again.
//!
//! It must not know passwords, nor read a clock.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::forgotten::{ForgottenLogins, LoginTable};
use crate::http::network::Network;

/// A client has to wait from this failure on. The two before it cost nothing, as a typing mistake should not.
const FREE_FAILURES: u32 = 3;
/// How long a client waits after [`FREE_FAILURES`] failures. Each further failure doubles the wait.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait. It is below the usual interval between scrapes, so that the first scrape after its password was
/// corrected is let in.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// The failures of a client are forgotten once it has had no further one for this long.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(10);
/// Most clients that are remembered: some 64 bytes each, 64 KiB in all. For one more, the client whose last failure is
/// the oldest is forgotten.
const NETWORKS_MAX: usize = 1_024;

/// The clients that have failed, each known by its network.
pub(super) struct Peers {
    failed: HashMap<Network, FailedLogins>,
    forgotten: Arc<ForgottenLogins>,
}

struct FailedLogins {
    count: u32,
    last: Instant,
}

impl Peers {
    /// No client has failed yet.
    pub(super) fn new(forgotten: Arc<ForgottenLogins>) -> Self {
        Self { failed: HashMap::new(), forgotten }
    }

    /// How long this client still has to wait; `None` if it may try now.
    pub(super) fn wait(&self, network: Network, now: Instant) -> Option<Duration> {
        let failures = self.failed.get(&network)?;
        let doublings = failures.count.checked_sub(FREE_FAILURES)?;
        let whole = FIRST_WAIT.saturating_mul(2u32.saturating_pow(doublings)).min(WAIT_MAX);
        let left = whole.saturating_sub(now.saturating_duration_since(failures.last));
        (!left.is_zero()).then_some(left)
    }

    /// Counts a failure of this client.
    pub(super) fn book_failure(&mut self, network: Network, now: Instant) {
        if self.failed.len() >= NETWORKS_MAX && !self.failed.contains_key(&network) {
            let oldest = self.failed.iter().min_by_key(|(_, failures)| failures.last);
            let oldest = *oldest.expect("the table is full").0;
            self.failed.remove(&oldest);
            self.forgotten.count(LoginTable::Failures);
        }
        let failures = self.failed.entry(network).or_insert(FailedLogins { count: 0, last: now });
        if now.saturating_duration_since(failures.last) >= FORGOTTEN_AFTER {
            failures.count = 0;
        }
        *failures = FailedLogins { count: failures.count.saturating_add(1), last: now };
    }

    /// Takes back a failure that was counted before its password was checked and found right. The client may have been
    /// forgotten since.
    pub(super) fn take_back_failure(&mut self, network: Network) {
        if let Some(failures) = self.failed.get_mut(&network) {
            failures.count -= 1;
            if failures.count == 0 {
                self.failed.remove(&network);
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
        let (mut peers, here, start) =
            (Peers::new(Arc::default()), network("192.0.2.1"), Instant::now());
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
        let (mut peers, here, start) =
            (Peers::new(Arc::default()), network("192.0.2.1"), Instant::now());
        (0..5).for_each(|_| peers.book_failure(here, start));
        let later = start + FORGOTTEN_AFTER;
        (0..2).for_each(|_| peers.book_failure(here, later));
        assert_eq!(peers.wait(here, later), None, "two failures, not seven");
        peers.book_failure(here, later);
        assert!(peers.wait(here, later).is_some());
        peers.take_back_failure(here);
        assert_eq!(peers.wait(here, later), None);
        (0..2).for_each(|_| peers.take_back_failure(here));
        assert!(peers.failed.is_empty());
        peers.take_back_failure(here);
        assert!(peers.failed.is_empty());
    }

    #[test]
    fn the_table_is_bounded_and_forgets_who_failed_longest_ago() {
        let (mut peers, start) = (Peers::new(Arc::default()), Instant::now());
        for number in (0..=u32::MAX).take(NETWORKS_MAX + 1) {
            let network = Network::of(std::net::Ipv4Addr::from(number).into());
            let now = start + Duration::from_millis(number.into());
            (0..3).for_each(|_| peers.book_failure(network, now));
        }
        assert_eq!(peers.failed.len(), NETWORKS_MAX);
        assert!(!peers.failed.contains_key(&network("0.0.0.0")), "the first is gone");
        assert!(peers.failed.contains_key(&network("0.0.0.1")));
        assert_eq!(peers.forgotten.by_table().next(), Some(("failures", 1)));
    }
}
