//! How UDP and unix share a worker's time: by what they use of it, however many connections there are.
//!
//! Each of the two gets slices of bounded time. While both wait, the next slice is for the one that has used
//! less. Plain arithmetic: it must not know clocks or sockets.

use crate::planted::{self, Fault};

/// A slice ends with the first turn or batch that ends after this time.
pub(super) const SLICE_NS: u64 = 1_000_000;
/// The lead that is made up for at most. A batch of long datagrams takes several milliseconds, but where the
/// kernel has taken the core away meanwhile, the class is not to blame for all of the time. It also bounds how
/// long UDP waits until unix has made up for a lead: 10 ms, since more than 20 ms should never pass.
const LEAD_NS_MAX: i64 = 10_000_000;

/// What a slice is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SourceClass {
    /// The UDP socket.
    Udp,
    /// Unix listeners and connections, all together.
    Unix,
}

/// The account of one worker.
#[derive(Debug, Default)]
pub(super) struct Shares {
    /// Time that unix has used more than UDP since they began to compete; negative if it is less.
    unix_lead_ns: i64,
}

impl Shares {
    /// Whose slice it is; `None` if neither waits.
    pub(super) fn next(&mut self, udp_waits: bool, unix_waits: bool) -> Option<SourceClass> {
        match (udp_waits, unix_waits) {
            (true, true) if planted::is(Fault::UnixFirst) => Some(SourceClass::Unix),
            (true, true) if self.unix_lead_ns >= 0 => Some(SourceClass::Udp),
            (true, true) => Some(SourceClass::Unix),
            (true, false) => {
                self.unix_lead_ns = 0; // nobody was kept waiting
                Some(SourceClass::Udp)
            }
            (false, true) => {
                // UDP gets no credit for time in which it had nothing to do, but its own lead stays until unix
                // has made up for it: otherwise one long batch at a time would escape the account.
                self.unix_lead_ns = self.unix_lead_ns.min(0);
                Some(SourceClass::Unix)
            }
            (false, false) => None,
        }
    }

    /// Books the time of a slice.
    pub(super) fn book(&mut self, class: SourceClass, time_ns: u64) {
        let time_ns = i64::try_from(time_ns).unwrap_or(i64::MAX).min(2 * LEAD_NS_MAX);
        let lead_ns = match class {
            SourceClass::Udp => self.unix_lead_ns - time_ns,
            SourceClass::Unix => self.unix_lead_ns + time_ns,
        };
        self.unix_lead_ns = lead_ns.clamp(-LEAD_NS_MAX, LEAD_NS_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Time that each has had once both together have had a second. Slices take what is given.
    fn second(shares: &mut Shares, udp_ns: u64, unix_ns: u64) -> [u64; 2] {
        let mut used = [0, 0];
        while used[0] + used[1] < 1_000 * MS {
            let class = shares.next(true, true).unwrap();
            let time = [udp_ns, unix_ns][class as usize];
            shares.book(class, time);
            used[class as usize] += time;
        }
        used
    }

    #[test]
    fn slices_of_any_length_end_in_equal_shares() {
        for (udp, unix) in [(MS, MS), (MS, 3 * MS), (9 * MS, MS), (MS, MS / 50)] {
            let used = second(&mut Shares::default(), udp, unix);
            let difference = used[0].abs_diff(used[1]);
            assert!(difference <= udp.max(unix), "{udp} and {unix} ns: {used:?}");
        }
    }

    #[test]
    fn order_of_slices() {
        let mut shares = Shares::default();
        let mut order = Vec::new();
        for _ in 0..7 {
            let class = shares.next(true, true).unwrap();
            shares.book(class, if class == SourceClass::Udp { MS } else { 2 * MS });
            order.push(class);
        }
        let expected =
            [0, 1, 0, 0, 1, 0, 0].map(|class| [SourceClass::Udp, SourceClass::Unix][class]);
        assert_eq!(order, expected);
    }

    #[test]
    fn who_waits_alone_is_next_and_nobody_saves_up() {
        let mut shares = Shares::default();
        assert_eq!(shares.next(false, false), None);
        for _ in 0..100 {
            assert_eq!(shares.next(false, true), Some(SourceClass::Unix));
            shares.book(SourceClass::Unix, MS);
        }
        // UDP has a claim to the last slice alone, in which it may have begun to wait.
        let used = second(&mut shares, MS, MS);
        assert!(used[0].abs_diff(used[1]) <= 2 * MS, "{used:?}");
        for _ in 0..100 {
            assert_eq!(shares.next(true, false), Some(SourceClass::Udp));
        }
        assert_eq!(shares.next(true, true), Some(SourceClass::Udp), "neither has a claim");
    }

    #[test]
    fn a_long_batch_is_made_up_for_even_if_no_other_waits_behind_it() {
        let mut shares = Shares::default();
        assert_eq!(shares.next(true, true), Some(SourceClass::Udp));
        shares.book(SourceClass::Udp, 5 * MS);
        assert_eq!(shares.next(false, true), Some(SourceClass::Unix));
        shares.book(SourceClass::Unix, MS);
        for _ in 0..4 {
            assert_eq!(shares.next(true, true), Some(SourceClass::Unix));
            shares.book(SourceClass::Unix, MS);
        }
        assert_eq!(shares.next(true, true), Some(SourceClass::Udp));
    }

    /// Slices of messages that are parsed, and longer ones: the last turn of a unix slice takes up to 1 ms where the
    /// messages are parsed and 7 ms where they are the dearest that are known, the last batch of a UDP slice up to 4 ms.
    #[test]
    fn udp_is_read_again_within_20_ms_however_many_connections_wait() {
        for (udp, unix) in [(MS / 20, 2 * MS), (MS, 2 * MS), (5 * MS, 2 * MS), (5 * MS, 8 * MS)] {
            let mut shares = Shares::default();
            let (mut unread, mut longest) = (0, 0);
            for _ in 0..1_000 {
                match shares.next(true, true).unwrap() {
                    SourceClass::Udp => {
                        longest = longest.max(unread);
                        unread = udp;
                        shares.book(SourceClass::Udp, udp);
                    }
                    SourceClass::Unix => {
                        unread += unix;
                        shares.book(SourceClass::Unix, unix);
                    }
                }
            }
            assert!(longest <= 20 * MS, "slices of {udp} and {unix} ns: {longest} ns");
        }
    }

    #[test]
    fn no_lead_is_made_up_for_beyond_its_bound() {
        let mut shares = Shares::default();
        shares.book(SourceClass::Udp, u64::MAX);
        let mut slices = 0;
        while shares.next(true, true) == Some(SourceClass::Unix) {
            shares.book(SourceClass::Unix, MS);
            slices += 1;
        }
        assert_eq!(slices, 10);
    }
}
