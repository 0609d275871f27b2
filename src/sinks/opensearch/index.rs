//! One index of a day, and what is known of it.
//!
//! Pure; time is an argument.

use std::time::{Duration, Instant};

/// The shortest time between two tries to create an index that was denied.
const CREATION_PERIOD: Duration = Duration::from_secs(10);
/// The same for an index that is given up: a try may cost all others the time that an answer may take.
const GIVEN_UP_PERIOD: Duration = Duration::from_mins(5);
/// For how long an index that stored a document is taken for one that works: longer than a document without a verdict is
/// tried until it is taken for poison.
const STORED_LATELY: Duration = Duration::from_mins(2);
/// How often, one after another, the creation of an index gets no verdict before its rows are given up. Those count
/// between which others stored documents: a service that is away as a whole must not cost a row.
const NO_VERDICTS_MAX: u32 = 5;

/// What is known of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IndexState {
    /// Nothing: it has to be created before rows are sent to it.
    Unknown,
    /// Nothing, although it was to be created at this time: no rows are sent to it before it is tried again.
    NoVerdict(Instant),
    /// It exists.
    Made,
    /// The service refused to create it at this time. It may exist all the same, created by somebody else.
    Denied(Instant),
    /// No index can have this name.
    NoName,
}

/// An index of a day.
#[derive(Debug)]
pub(super) struct Index {
    template: Box<str>,
    name: Box<str>,
    state: IndexState,
    /// Whether it was once seen to exist.
    was_made: bool,
    has_stored: bool,
    /// When it stored a document last.
    stored_at: Option<Instant>,
    /// How often its creation got no verdict, one after another, while others stored documents.
    no_verdicts: u32,
    /// How many documents all indices had stored when that was counted last.
    stored_before: u64,
    /// Until when no rows are sent to it, since it took none while others did.
    rests_until: Option<Instant>,
}

impl Index {
    /// An index of which nothing is known, but for whether that of the same template has stored a document on
    /// another day.
    pub(super) fn new(template: &str, name: Box<str>, has_stored: bool) -> Self {
        let template = template.into();
        Self {
            template,
            name,
            state: IndexState::Unknown,
            was_made: false,
            has_stored,
            stored_at: None,
            no_verdicts: 0,
            stored_before: 0,
            rests_until: None,
        }
    }

    /// The name without the day.
    pub(super) fn template(&self) -> &str {
        &self.template
    }

    /// The name with the day.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What is known now.
    pub(super) fn state(&self) -> IndexState {
        self.state
    }

    /// Whether it, or the index of the same template of another day, has stored a document.
    pub(super) fn has_stored(&self) -> bool {
        self.has_stored
    }

    /// Notes what is known now.
    pub(super) fn set(&mut self, state: IndexState) {
        self.state = state;
        self.no_verdicts = 0;
    }

    /// Notes that its creation got no verdict at this time, when all indices together had stored so many documents.
    pub(super) fn no_verdict(&mut self, now: Instant, stored: u64) {
        self.state = IndexState::NoVerdict(now);
        if stored > self.stored_before {
            self.stored_before = stored;
            self.no_verdicts += 1;
        }
    }

    /// Whether its creation got no verdict so often that more tries will not help.
    pub(super) fn is_given_up(&self) -> bool {
        self.no_verdicts >= NO_VERDICTS_MAX
    }

    /// Notes that it took no rows while others did.
    pub(super) fn rest(&mut self, now: Instant) {
        self.rests_until = Some(now + CREATION_PERIOD);
    }

    /// Whether rows can be sent to it now.
    pub(super) fn takes_rows(&self, now: Instant) -> bool {
        !matches!(self.state, IndexState::NoVerdict(_) | IndexState::NoName | IndexState::Unknown)
            && self.rests_until.is_none_or(|until| now >= until)
    }

    /// Notes that it exists; returns whether that was never seen before.
    pub(super) fn made(&mut self) -> bool {
        self.set(IndexState::Made);
        !std::mem::replace(&mut self.was_made, true)
    }

    /// Notes that it has stored a document; returns whether that was not known before.
    pub(super) fn stored(&mut self, now: Instant) -> bool {
        self.stored_at = Some(now);
        !std::mem::replace(&mut self.has_stored, true)
    }

    /// Whether it stored a document lately, so that it works.
    pub(super) fn has_stored_lately(&self, now: Instant) -> bool {
        self.stored_at.is_some_and(|at| now.saturating_duration_since(at) <= STORED_LATELY)
    }

    /// Whether to try to create it now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        match self.state {
            IndexState::Unknown => true,
            IndexState::Denied(tried) | IndexState::NoVerdict(tried) => {
                let period = if self.is_given_up() { GIVEN_UP_PERIOD } else { CREATION_PERIOD };
                now.saturating_duration_since(tried) >= period
            }
            IndexState::Made | IndexState::NoName => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_that_is_not_there_is_tried_again_later() {
        let mut index = Index::new("a", "a-1970-01-01".into(), false);
        let now = Instant::now();
        assert!(index.is_due(now));
        index.set(IndexState::Denied(now));
        assert!(!index.is_due(now));
        assert!(index.is_due(now + CREATION_PERIOD));
        assert!(index.made());
        assert!(!index.is_due(now + CREATION_PERIOD));
        index.set(IndexState::Unknown);
        assert!(index.is_due(now) && !index.takes_rows(now));
        for stored in 1..=u64::from(NO_VERDICTS_MAX) {
            assert!(!index.is_given_up());
            assert!(index.is_due(now + CREATION_PERIOD));
            for _ in 0..9 {
                index.no_verdict(now, stored); // counts once: nobody stored anything meanwhile
                assert!(!index.is_due(now) && !index.takes_rows(now));
            }
        }
        assert!(index.is_given_up());
        assert!(!index.is_due(now + CREATION_PERIOD) && index.is_due(now + GIVEN_UP_PERIOD));
        assert!(!index.made(), "it was there before");
        assert!(!index.is_given_up() && index.takes_rows(now));
        index.rest(now);
        assert!(!index.takes_rows(now) && index.takes_rows(now + CREATION_PERIOD));
        assert!(!index.has_stored_lately(now));
        assert!(index.stored(now) && !index.stored(now));
        assert!(index.has_stored_lately(now) && !index.has_stored_lately(now + 2 * STORED_LATELY));
    }
}
