//! Of which kin the far end took rows of late: if it takes rows of one kin, it is not away because it takes none of
//! another.
//!
//! Pure; time is an argument.

use std::time::{Duration, Instant};

/// The kin that rows were taken of last. Two are enough to tell, for any kin, whether rows of another were taken.
#[derive(Debug, Default)]
pub(super) struct TakenLately {
    newest: Option<TakenKin>,
    /// Of another kin than the newest.
    other: Option<TakenKin>,
}

/// When a row of a kin was taken.
#[derive(Clone, Copy, Debug)]
struct TakenKin {
    kin: u64,
    at: Instant,
}

impl TakenLately {
    /// Notes that the far end took a row of this kin.
    pub(super) fn note(&mut self, kin: u64, now: Instant) {
        let before = self.newest.replace(TakenKin { kin, at: now });
        if let Some(before) = before.filter(|before| before.kin != kin) {
            self.other = Some(before);
        }
    }

    /// Whether it took a row of none of these kin, at most so long ago.
    pub(super) fn others_than(&self, kin: &[u64], now: Instant, within: Duration) -> bool {
        let known = [self.newest, self.other].into_iter().flatten();
        known
            .filter(|taken| now.saturating_duration_since(taken.at) <= within)
            .any(|taken| !kin.contains(&taken.kin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kin_says_nothing_of_itself_and_little_of_others_after_a_while() {
        let (now, minute) = (Instant::now(), Duration::from_mins(1));
        let mut taken = TakenLately::default();
        let others = |taken: &TakenLately, kin: u64, now| taken.others_than(&[kin], now, minute);
        assert!(!others(&taken, 1, now));
        taken.note(1, now);
        assert!(!others(&taken, 1, now) && others(&taken, 2, now));
        assert!(!others(&taken, 2, now + 2 * minute));
        taken.note(2, now);
        (0..3).for_each(|_| taken.note(2, now));
        assert!(others(&taken, 1, now) && others(&taken, 2, now) && others(&taken, 3, now));
    }
}
