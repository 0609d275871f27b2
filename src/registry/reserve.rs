//! The part of one limit that is kept free for series that were refused before (see `newcomers`).

use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// The part of a limit that is kept free: room for the newcomers of some seconds, and little beside the limit.
const KEPT_PART: u64 = 16;
/// After so many looks of the exporter, one a second, between which the limit has refused nothing, no room is kept any
/// more. Newcomers that come once in a few seconds are so long in getting in.
const QUIET_LOOKS_MAX: u32 = 10;

/// What is kept free of one limit. Written by workers whose series is refused, and by the exporter once a second.
#[derive(Debug)]
pub(super) struct Reserve {
    /// How much is kept free; 0 while nothing is.
    kept: AtomicU64,
    /// Whether a series that was refused before was refused again, since the exporter has looked last.
    wanted: AtomicBool,
    /// Whether any series was refused since then. What the reserve alone refuses does not count: a flood would keep it
    /// for ever.
    refused: AtomicBool,
    /// How often the exporter has looked since any was. Only the exporter uses it.
    quiet_looks: AtomicU32,
}

impl Reserve {
    /// Nothing is kept free.
    pub(super) fn new() -> Self {
        Self {
            kept: AtomicU64::new(0),
            wanted: AtomicBool::new(false),
            refused: AtomicBool::new(false),
            quiet_looks: AtomicU32::new(0),
        }
    }

    /// How much of the limit is kept free.
    pub(super) fn kept(&self) -> u64 {
        self.kept.load(Ordering::Relaxed)
    }

    /// The limit has refused a series that takes so `much` of it. One that `comes_again` wants room, and there has to
    /// be enough for it.
    pub(super) fn refused(&self, limit: u64, much: u64, comes_again: bool) {
        self.refused.store(true, Ordering::Relaxed);
        if comes_again && much <= limit {
            let kept = (limit / KEPT_PART).max(much);
            self.kept.fetch_max(kept, Ordering::Relaxed);
            self.wanted.store(true, Ordering::Relaxed);
        }
    }

    /// How much is to be free now, if somebody wants room. Called by the exporter once a second.
    pub(super) fn take_want(&self) -> Option<u64> {
        if self.refused.swap(false, Ordering::Relaxed) {
            self.quiet_looks.store(0, Ordering::Relaxed);
        } else {
            let quiet_looks = self.quiet_looks.load(Ordering::Relaxed) + 1;
            let is_over = quiet_looks == QUIET_LOOKS_MAX;
            self.quiet_looks.store(if is_over { 0 } else { quiet_looks }, Ordering::Relaxed);
            if is_over {
                self.kept.store(0, Ordering::Relaxed);
            }
        }
        self.wanted.swap(false, Ordering::Relaxed).then(|| self.kept())
    }
}

#[cfg(test)]
#[cfg(not(any(model_loom, shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn room_is_kept_from_the_first_want_until_nothing_was_refused_for_some_looks() {
        let reserve = Reserve::new();
        reserve.refused(160, 1, false);
        assert_eq!((reserve.kept(), reserve.take_want()), (0, None));
        reserve.refused(160, 1, true);
        assert_eq!((reserve.kept(), reserve.take_want()), (10, Some(10)));
        for _ in 1..QUIET_LOOKS_MAX {
            assert_eq!((reserve.take_want(), reserve.kept()), (None, 10));
        }
        reserve.refused(160, 1, false);
        for _ in 0..QUIET_LOOKS_MAX {
            assert_eq!((reserve.take_want(), reserve.kept()), (None, 10));
        }
        assert_eq!((reserve.take_want(), reserve.kept()), (None, 0));
    }

    #[test]
    fn so_much_is_kept_that_the_largest_series_gets_in() {
        let reserve = Reserve::new();
        reserve.refused(160, 5, true);
        reserve.refused(160, 30, true);
        reserve.refused(160, 161, true); // never fits
        assert_eq!(reserve.take_want(), Some(30));
        reserve.refused(15, 161, true);
        assert_eq!(reserve.take_want(), None);
    }
}
