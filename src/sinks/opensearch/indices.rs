//! The indices that rows go to: how many a day, what is known of each, and what that means for its rows.
//!
//! Pure; time is an argument. An index is called by a number here. Its *template* is its name without the day, as
//! messages give it.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use jiff::civil::Date;
use jiff::tz::Offset;

use super::index::{Index, IndexState};
use super::response::DocumentResult;
use super::{document, index_name};
use crate::sinks::{RejectReason, RowResult};

/// Days whose indices are remembered: today, and a week of days of which rows may have waited on disk.
const DAYS_MAX: usize = 8;

/// The numbers of one day's indices, by template.
type IndicesOfDay = HashMap<Box<str>, usize, ahash::RandomState>;

/// All indices of the last days.
#[derive(Debug)]
pub(super) struct Indices {
    days: BTreeMap<Date, IndicesOfDay>,
    /// By number.
    all: Vec<Index>,
    day_max: usize,
    /// The first two templates whose indices have stored a document. Two are enough to tell, for any index, whether
    /// one of another template has.
    storing_templates: Vec<Box<str>>,
    /// How many documents all indices have stored.
    stored: u64,
}

impl Indices {
    /// None yet, and at most so many of one day.
    pub(super) fn new(day_max: usize) -> Self {
        Self {
            days: BTreeMap::new(),
            all: Vec::new(),
            day_max,
            storing_templates: Vec::new(),
            stored: 0,
        }
    }

    /// The number of the index that a row of this time goes to, valid until [`Self::forget_old_days`] is called.
    /// `template` is empty if the message names no index.
    ///
    /// # Errors
    /// There can be no such index, or there are too many of that day.
    pub(super) fn find(&mut self, template: &str, time_ns: u64) -> Result<usize, RejectReason> {
        let template = if template.is_empty() { index_name::DEFAULT } else { template };
        let day = Offset::UTC.to_datetime(document::time(time_ns)).date();
        let of_day = self.days.entry(day).or_default();
        if let Some(number) = of_day.get(template) {
            return Ok(*number);
        }
        let name = index_name::of_day(template, day).ok_or(RejectReason::IndexName)?;
        if of_day.len() >= self.day_max {
            return Err(RejectReason::IndicesLimit);
        }
        of_day.insert(template.into(), self.all.len());
        let mut same_template = self.all.iter().filter(|index| index.template() == template);
        let has_stored = same_template.any(Index::has_stored);
        self.all.push(Index::new(template, name, has_stored));
        Ok(self.all.len() - 1)
    }

    /// The index with this number.
    pub(super) fn get(&self, number: usize) -> &Index {
        &self.all[number]
    }

    /// The index with this number, to note what is known of it.
    pub(super) fn get_mut(&mut self, number: usize) -> &mut Index {
        &mut self.all[number]
    }

    /// Notes that an index has stored a document.
    pub(super) fn stored(&mut self, number: usize, now: Instant) {
        self.stored += 1;
        let index = &mut self.all[number];
        if index.stored(now)
            && self.storing_templates.len() < 2
            && !self.storing_templates.iter().any(|known| **known == *index.template())
        {
            self.storing_templates.push(index.template().into());
        }
    }

    /// Notes that the creation of an index got no verdict at this time.
    pub(super) fn no_verdict(&mut self, number: usize, now: Instant) {
        self.all[number].no_verdict(now, self.stored);
    }

    /// Those of these numbers that are to be created now. Those that never were tried come first, so that one whose
    /// creation hangs does not hold them up.
    pub(super) fn due(&self, mut numbers: Vec<usize>, now: Instant) -> Vec<usize> {
        numbers.retain(|number| self.all[*number].is_due(now));
        numbers.sort_by_key(|number| self.all[*number].state() != IndexState::Unknown);
        numbers
    }

    /// What becomes of a row that was sent to this index, by the result of its document.
    pub(super) fn row_result(&mut self, number: usize, result: DocumentResult) -> RowResult {
        match result {
            DocumentResult::Stored => RowResult::Delivered,
            DocumentResult::Refused => RowResult::Rejected(RejectReason::Refused),
            DocumentResult::TooLong => RowResult::Rejected(RejectReason::TooLong),
            // The index existed and is gone: it is created again with the next try.
            DocumentResult::NoIndex if self.get(number).state() == IndexState::Made => {
                self.get_mut(number).set(IndexState::Unknown);
                RowResult::Retry
            }
            // Anybody may send names of indices that this user may not write to. Their rows must not hold up the
            // others.
            DocumentResult::NoIndex | DocumentResult::Denied
                if self.get(number).state() != IndexState::Unknown && self.is_hopeless(number) =>
            {
                RowResult::Rejected(RejectReason::Refused)
            }
            DocumentResult::Again | DocumentResult::NoIndex | DocumentResult::Denied => {
                RowResult::Retry
            }
        }
    }

    /// What becomes of a row that is not sent to its index.
    pub(super) fn unsent_result(&self, number: usize) -> RowResult {
        let index = self.get(number);
        match index.state() {
            IndexState::NoName => RowResult::Rejected(RejectReason::IndexName),
            // Anybody may send names over whose creation something between here and there falls silent.
            IndexState::NoVerdict(_) if index.is_given_up() && self.is_hopeless(number) => {
                RowResult::Rejected(RejectReason::Refused)
            }
            _ => RowResult::Retry,
        }
    }

    /// Whether an index that stores nothing now never will, as far as can be told: it never did, while indices of
    /// other templates do. If none does, or this one did, the cause is one that somebody will mend.
    fn is_hopeless(&self, number: usize) -> bool {
        let index = &self.all[number];
        !index.has_stored()
            && self.storing_templates.iter().any(|other| **other != *index.template())
    }

    /// Forgets the indices of all but the newest days. The numbers of those that stay change.
    pub(super) fn forget_old_days(&mut self) {
        while self.days.len() > DAYS_MAX
            && let Some((_, gone)) = self.days.pop_first()
        {
            let mut numbers: Vec<_> = gone.into_values().collect();
            numbers.sort_unstable();
            for number in numbers.into_iter().rev() {
                self.all.remove(number);
                let others = self.days.values_mut().flat_map(HashMap::values_mut);
                others.filter(|other| **other > number).for_each(|other| *other -= 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_NS: u64 = 86_400_000_000_000;

    #[test]
    fn a_name_has_its_day_and_a_default() {
        let mut indices = Indices::new(9);
        let first = indices.find("idx", 20_000 * DAY_NS).unwrap();
        assert_eq!(indices.get(first).name(), "idx-2024-10-04");
        assert_eq!(indices.find("idx", 20_001 * DAY_NS - 1), Ok(first));
        let next = indices.find("idx", 20_001 * DAY_NS).unwrap();
        assert_eq!(indices.get(next).name(), "idx-2024-10-05");
        let other = indices.find("", 20_000 * DAY_NS).unwrap();
        assert_eq!(indices.get(other).name(), "metric-events-2024-10-04");
        assert_eq!(indices.find("metric-events", 20_000 * DAY_NS), Ok(other));
        assert_eq!(indices.find("A", 20_000 * DAY_NS), Err(RejectReason::IndexName));
    }

    #[test]
    fn an_index_that_was_never_tried_is_created_before_those_that_hang() {
        let mut indices = Indices::new(9);
        let numbers: Vec<_> = ["x", "y", "z"].map(|name| indices.find(name, 0).unwrap()).into();
        let now = Instant::now();
        indices.no_verdict(numbers[0], now);
        let later = now + std::time::Duration::from_secs(20);
        assert_eq!(indices.due(numbers.clone(), now), [1, 2]);
        assert_eq!(indices.due(numbers, later), [1, 2, 0]);
    }

    #[test]
    fn a_day_has_only_so_many() {
        let mut indices = Indices::new(2);
        for day in [20_000, 20_001] {
            assert!(indices.find("a", day * DAY_NS).is_ok());
            assert!(indices.find("b", day * DAY_NS).is_ok());
            assert_eq!(indices.find("c", day * DAY_NS), Err(RejectReason::IndicesLimit));
            assert!(indices.find("a", day * DAY_NS).is_ok());
        }
    }

    #[test]
    fn old_days_are_forgotten_and_the_others_keep_their_names() {
        let mut indices = Indices::new(9);
        for day in (0..20).rev() {
            for name in ["a", "b"] {
                let number = indices.find(name, day * DAY_NS).unwrap();
                indices.get_mut(number).set(IndexState::Made);
            }
        }
        indices.forget_old_days();
        assert_eq!(indices.all.len(), 2 * DAYS_MAX);
        for day in 12..20 {
            for name in ["a", "b"] {
                let number = indices.find(name, day * DAY_NS).unwrap();
                assert_eq!(indices.get(number).name(), format!("{name}-1970-01-{:02}", day + 1));
                assert_eq!(indices.get(number).state(), IndexState::Made);
            }
        }
        assert_eq!(indices.all.len(), 2 * DAYS_MAX);
    }

    #[test]
    fn an_index_is_hopeless_if_others_store_and_it_never_did() {
        let mut indices = Indices::new(9);
        let [a, b] = ["a", "b"].map(|name| indices.find(name, 0).unwrap());
        assert!(!indices.is_hopeless(a) && !indices.is_hopeless(b));
        indices.stored(a, Instant::now());
        assert!(!indices.is_hopeless(a) && indices.is_hopeless(b));
        indices.stored(b, Instant::now());
        assert!(!indices.is_hopeless(a) && !indices.is_hopeless(b));
        let [a, c] = ["a", "c"].map(|name| indices.find(name, DAY_NS).unwrap());
        assert!(!indices.is_hopeless(a) && indices.is_hopeless(c));
    }
}
