//! Which indices there are: their names, how many a day, and what is known of each.
//!
//! Pure; time is an argument. A message names the index without its day.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use jiff::civil::Date;
use jiff::tz::Offset;

use super::document;
use crate::sinks::RejectReason;

/// Of messages that name none.
const DEFAULT: &str = "metric-events";
/// Longest name in bytes.
const NAME_MAX: usize = 255;
/// Days that are kept in mind: rows that waited on disk are of days before.
const DAYS_MAX: usize = 8;
/// An index that could not be created is tried again no sooner.
const CREATION_PERIOD: Duration = Duration::from_secs(10);

/// What is known of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IndexState {
    /// Nothing.
    Unknown,
    /// It is there.
    Made,
    /// It could not be created at this time; perhaps it is there all the same.
    Denied(Instant),
    /// No index can have this name.
    NoName,
}

/// An index of a day.
#[derive(Debug)]
pub(super) struct Index {
    /// As messages name it.
    template: Box<str>,
    /// With the day.
    pub(super) name: Box<str>,
    pub(super) state: IndexState,
    /// It was there once.
    known: bool,
    /// It, or its namesake of another day, has taken a document.
    served: bool,
}

/// All indices of the last days.
#[derive(Debug)]
pub(super) struct Indices {
    days: BTreeMap<Date, HashMap<Box<str>, usize, ahash::RandomState>>,
    all: Vec<Index>,
    day_max: usize,
    /// Templates of the first two indices that took a document. Two are enough to tell, for any index, whether
    /// another one has taken documents.
    witnesses: Vec<Box<str>>,
}

impl Indices {
    /// With at most so many a day.
    pub(super) fn new(day_max: usize) -> Self {
        Self { days: BTreeMap::new(), all: Vec::new(), day_max, witnesses: Vec::new() }
    }

    /// The number of the index that a row of this time goes to; it holds until [`Self::forget_old_days`].
    pub(super) fn find(&mut self, index: &str, time_ns: u64) -> Result<usize, RejectReason> {
        let template = if index.is_empty() { DEFAULT } else { index };
        let day = Offset::UTC.to_datetime(document::time(time_ns)).date();
        let of_day = self.days.entry(day).or_default();
        if let Some(number) = of_day.get(template) {
            return Ok(*number);
        }
        let name = format!("{template}-{day}").into_boxed_str();
        if !is_valid(&name) {
            return Err(RejectReason::IndexName);
        }
        if of_day.len() >= self.day_max {
            return Err(RejectReason::IndicesLimit);
        }
        of_day.insert(template.into(), self.all.len());
        let served = self.all.iter().any(|index| index.served && *index.template == *template);
        self.all.push(Index {
            template: template.into(),
            name,
            state: IndexState::Unknown,
            known: false,
            served,
        });
        Ok(self.all.len() - 1)
    }

    /// The index of this number.
    pub(super) fn get(&self, number: usize) -> &Index {
        &self.all[number]
    }

    /// Notes that an index is there; returns whether it was not before.
    pub(super) fn made(&mut self, number: usize) -> bool {
        let index = &mut self.all[number];
        index.state = IndexState::Made;
        !std::mem::replace(&mut index.known, true)
    }

    /// Notes that an index took a document.
    pub(super) fn served(&mut self, number: usize) {
        let index = &mut self.all[number];
        if !std::mem::replace(&mut index.served, true)
            && self.witnesses.len() < 2
            && !self.witnesses.contains(&index.template)
        {
            self.witnesses.push(index.template.clone());
        }
    }

    /// Notes what is known now.
    pub(super) fn set(&mut self, number: usize, state: IndexState) {
        self.all[number].state = state;
    }

    /// Whether an index that takes nothing will never: it never did, while others do. (Where none does, or
    /// this one did, something is wrong that will be mended.)
    pub(super) fn is_hopeless(&self, number: usize) -> bool {
        let index = &self.all[number];
        !index.served && self.witnesses.iter().any(|other| *other != index.template)
    }

    /// Whether an index is to be created now.
    pub(super) fn is_due(&self, number: usize, now: Instant) -> bool {
        match self.all[number].state {
            IndexState::Unknown => true,
            IndexState::Denied(tried) => now.saturating_duration_since(tried) >= CREATION_PERIOD,
            IndexState::Made | IndexState::NoName => false,
        }
    }

    /// Drops what is known of days long gone. Numbers change.
    pub(super) fn forget_old_days(&mut self) {
        while self.days.len() > DAYS_MAX {
            let Some((_, gone)) = self.days.pop_first() else { return };
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

/// Whether an index can have this name.
fn is_valid(name: &str) -> bool {
    const FORBIDDEN: &[char] = &['\\', '/', '*', '?', '"', '<', '>', '|', ' ', ',', '#', ':'];
    name.len() <= NAME_MAX
        && !name.starts_with(['-', '_', '+'])
        && !name.contains(FORBIDDEN)
        && !name.contains(|char: char| char.is_control() || char.is_whitespace())
        && name.to_lowercase() == name
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_NS: u64 = 86_400_000_000_000;

    #[test]
    fn a_name_has_its_day_and_a_default() {
        let mut indices = Indices::new(9);
        let first = indices.find("idx", 20_000 * DAY_NS).unwrap();
        assert_eq!(&*indices.get(first).name, "idx-2024-10-04");
        assert_eq!(indices.find("idx", 20_001 * DAY_NS - 1), Ok(first));
        let next = indices.find("idx", 20_001 * DAY_NS).unwrap();
        assert_eq!(&*indices.get(next).name, "idx-2024-10-05");
        let other = indices.find("", 20_000 * DAY_NS).unwrap();
        assert_eq!(&*indices.get(other).name, "metric-events-2024-10-04");
        assert_eq!(indices.find("metric-events", 20_000 * DAY_NS), Ok(other));
    }

    #[test]
    fn names_that_no_index_can_have_are_refused() {
        let mut indices = Indices::new(1_000);
        let long = "x".repeat(NAME_MAX - "-2024-10-04".len());
        for name in ["a", "a.b", ".a", "a-b_c+d", "1", "größe", "日本", &long] {
            assert!(indices.find(name, 20_000 * DAY_NS).is_ok(), "{name}");
        }
        let longer = format!("{long}x");
        let names = [
            "A",
            "Größe",
            "_a",
            "-a",
            "+a",
            "a/b",
            "..\\a",
            "a*",
            "a?",
            "a\"",
            "<a",
            "a>",
            "a|b",
            "a b",
            "a,b",
            "a#",
            "a:b",
            "a\n",
            "a\u{a0}b",
            "a\0",
            "../_cluster/settings?pretty#",
            &longer,
        ];
        for name in names {
            assert_eq!(indices.find(name, 20_000 * DAY_NS), Err(RejectReason::IndexName), "{name}");
        }
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
                indices.set(number, IndexState::Made);
            }
        }
        indices.forget_old_days();
        assert_eq!(indices.all.len(), 2 * DAYS_MAX);
        for day in 12..20 {
            for name in ["a", "b"] {
                let number = indices.find(name, day * DAY_NS).unwrap();
                assert_eq!(&*indices.get(number).name, format!("{name}-1970-01-{:02}", day + 1));
                assert_eq!(indices.get(number).state, IndexState::Made);
            }
        }
        assert_eq!(indices.all.len(), 2 * DAYS_MAX);
    }

    #[test]
    fn an_index_is_hopeless_if_others_serve_and_it_never_did() {
        let mut indices = Indices::new(9);
        let [a, b] = ["a", "b"].map(|name| indices.find(name, 0).unwrap());
        assert!(!indices.is_hopeless(a) && !indices.is_hopeless(b));
        indices.served(a);
        assert!(!indices.is_hopeless(a) && indices.is_hopeless(b));
        indices.served(b);
        assert!(!indices.is_hopeless(a) && !indices.is_hopeless(b));
        let [a, c] = ["a", "c"].map(|name| indices.find(name, DAY_NS).unwrap());
        assert!(!indices.is_hopeless(a) && indices.is_hopeless(c));
    }

    #[test]
    fn an_index_that_could_not_be_created_is_tried_again_later() {
        let mut indices = Indices::new(9);
        let (number, now) = (indices.find("a", 0).unwrap(), Instant::now());
        assert!(indices.is_due(number, now));
        indices.set(number, IndexState::Denied(now));
        assert!(!indices.is_due(number, now));
        assert!(indices.is_due(number, now + CREATION_PERIOD));
        assert!(indices.made(number));
        assert!(!indices.is_due(number, now + CREATION_PERIOD));
        indices.set(number, IndexState::Unknown);
        assert!(indices.is_due(number, now));
        assert!(!indices.made(number), "it was there before");
    }
}
