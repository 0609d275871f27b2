//! How long the far end may take for an answer.
//!
//! A batch gets the full time first. A batch that got no verdict in it gets less the second time, since rows wait
//! behind it, and its pieces get what the far end needs for its answers at the moment, with room to spare. Rows that
//! are cut off by mistake are only sent again. While nothing is known of the far end's pace a batch gets the full time
//! twice, and if pieces get no answer one after another, they get more time. Pure; time is an argument.

use std::time::{Duration, Instant};

/// The time for a batch. OpenSearch gives up on single documents after two thirds of it and says so.
const FULL: Duration = Duration::from_secs(30);
/// The time for a batch that got no verdict just before, or if there was such a row lately.
const SECOND: Duration = Duration::from_secs(10);
/// The time for a batch that got no verdict just before, if there was such a row lately.
const WARY_SECOND: Duration = Duration::from_secs(5);
/// For how long there was such a row lately.
const WARY: Duration = Duration::from_mins(5);
/// The least time for a piece of a batch, and for a row that is tried alone.
const PIECE_LEAST: Duration = Duration::from_secs(2);
const ALONE_LEAST: Duration = Duration::from_secs(5);
/// How many times as long as the slowest answer of late a piece may take, up to the time of a second try. One that always
/// takes longer gets half as long again as it takes.
const ROOM: u32 = 4;

/// What is known of the far end's pace.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// The slowest of the last answers; earlier ones count less. `None` before the first one.
    slowest: Option<Duration>,
    /// The least time for any request, since shorter ones were too short.
    least: Duration,
    wary_until: Option<Instant>,
}

impl Patience {
    /// Notes an answer that took so long.
    pub(super) fn answered(&mut self, took: Duration) {
        self.slowest = Some(took.max(self.slowest.unwrap_or_default() * 7 / 8));
        self.least = Duration::ZERO;
    }

    /// Notes that one row after another got no answer: the time that they had may have been too short for any.
    pub(super) fn was_short(&mut self) {
        self.least = (self.with_room().max(PIECE_LEAST) * 2).min(FULL);
    }

    /// Notes that a row got no verdict alone: the next batches may hold others of its kind.
    pub(super) fn beware(&mut self, now: Instant) {
        self.wary_until = Some(now + WARY);
    }

    /// For a batch of which so many requests, one after another, got no verdict.
    pub(super) fn for_batch(&self, no_verdicts: u32, now: Instant) -> Duration {
        let is_wary = self.wary_until.is_some_and(|until| now < until);
        match (no_verdicts, is_wary) {
            (0, false) => FULL,
            _ if self.slowest.is_none() => FULL,
            (0, true) | (_, false) => SECOND.max(self.with_room()),
            (_, true) => WARY_SECOND.max(self.with_room()),
        }
    }

    /// For a piece of a batch that got no verdict.
    pub(super) fn for_piece(&self) -> Duration {
        self.with_room().max(PIECE_LEAST)
    }

    /// For a row that got no verdict alone and is tried again.
    pub(super) fn for_row_alone(&self) -> Duration {
        self.with_room().max(ALONE_LEAST)
    }

    fn with_room(&self) -> Duration {
        let slowest = self.slowest.unwrap_or_default();
        let with_room = (slowest * ROOM).min(SECOND.max(slowest * 3 / 2));
        with_room.max(self.least).min(FULL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_answers_slowly_gets_more_time() {
        let mut patience = Patience::default();
        assert_eq!((patience.for_piece(), patience.for_row_alone()), (PIECE_LEAST, ALONE_LEAST));
        patience.answered(Duration::from_secs(2));
        assert_eq!(patience.for_piece(), Duration::from_secs(8));
        // One that needs longer than the usual time for a second try is waited for all the same.
        patience.answered(Duration::from_secs(12));
        let now = Instant::now();
        for limit in [patience.for_piece(), patience.for_row_alone(), patience.for_batch(1, now)] {
            assert_eq!(limit, Duration::from_secs(18));
        }
        patience.answered(Duration::from_secs(25));
        assert_eq!(patience.for_piece(), FULL);
        (0..40).for_each(|_| patience.answered(Duration::ZERO));
        assert_eq!(patience.for_piece(), PIECE_LEAST);
    }

    #[test]
    fn who_was_never_heard_gets_more_time_until_there_is_an_answer() {
        let mut patience = Patience::default();
        let now = Instant::now();
        patience.beware(now);
        assert_eq!((patience.for_batch(0, now), patience.for_batch(1, now)), (FULL, FULL));
        let mut limits = Vec::new();
        for _ in 0..5 {
            patience.was_short();
            limits.push(patience.for_piece().as_secs());
        }
        assert_eq!(limits, [4, 8, 16, 30, 30]);
        patience.answered(Duration::ZERO);
        assert_eq!(patience.for_piece(), PIECE_LEAST);
    }

    #[test]
    fn a_batch_gets_less_time_once_something_got_no_verdict() {
        let mut patience = Patience::default();
        patience.answered(Duration::ZERO);
        let now = Instant::now();
        assert_eq!((patience.for_batch(0, now), patience.for_batch(1, now)), (FULL, SECOND));
        patience.beware(now);
        assert_eq!((patience.for_batch(0, now), patience.for_batch(1, now)), (SECOND, WARY_SECOND));
        assert_eq!(patience.for_batch(0, now + WARY), FULL);
    }

    #[test]
    fn a_row_of_five_thousand_is_alone_within_a_minute() {
        let mut patience = Patience::default();
        let now = Instant::now();
        // 5,000 rows, 625, 79, 10, 2, 1.
        let longest = |patience: &Patience| {
            patience.for_batch(0, now) + patience.for_batch(1, now) + 5 * patience.for_piece()
        };
        assert!(longest(&patience) <= Duration::from_secs(70));
        patience.answered(Duration::ZERO);
        assert!(longest(&patience) <= Duration::from_mins(1));
    }
}
