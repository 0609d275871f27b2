//! Writes families of the server's own as text, each ready to be put in its place on the page.
//!
//! Runs on the thread `exporter`. It must not know where the numbers come from.

use crate::exposition::page;
use crate::exposition::page_writer::Texts;
use crate::stats::{Counter, FamilyDesc, OwnFamily, Stats, WorkerStats};

/// Texts of families, to which more are added.
pub(super) struct OwnPage {
    texts: Texts,
}

impl OwnPage {
    /// Begins with these texts, to which families are added.
    pub(super) fn new(texts: Texts) -> Self {
        Self { texts }
    }

    /// The texts with all that was added.
    pub(super) fn into_texts(self) -> Texts {
        self.texts
    }

    /// A family whose samples `write` appends to its header.
    pub(super) fn family(&mut self, family: &FamilyDesc, write: impl FnOnce(&mut Vec<u8>)) {
        let text = self.texts.entry(family.name).or_default();
        page::header(text, family.name, family.kind, family.help);
        write(text);
    }

    /// A family with one label or none, and a value for each value of the label.
    pub(super) fn own<'a>(
        &mut self,
        own: OwnFamily,
        values: impl IntoIterator<Item = (&'a str, f64)>,
    ) {
        let family = own.family();
        self.family(family, |text| {
            for (label_value, value) in values {
                let labels = match family.label {
                    "" => String::new(),
                    label => format!("{label}=\"{label_value}\""),
                };
                page::sample(text, family.name, labels.as_bytes(), value);
            }
        });
    }

    /// A family with two labels, and a value for each pair of their values.
    pub(super) fn labelled<'a>(
        &mut self,
        own: OwnFamily,
        values: impl IntoIterator<Item = ([&'a str; 2], f64)>,
    ) {
        let family = own.family();
        let (first, second) = family.label.split_once(',').expect("the table names both labels");
        self.family(family, |text| {
            // On the page labels stand in the order of their names; in the table they may not.
            for ([one, two], value) in values {
                let labels = if first < second {
                    format!("{first}=\"{one}\",{second}=\"{two}\"")
                } else {
                    format!("{second}=\"{two}\",{first}=\"{one}\"")
                };
                page::sample(text, family.name, labels.as_bytes(), value);
            }
        });
    }

    /// A family with one value and no label.
    pub(super) fn one(&mut self, own: OwnFamily, value: u64) {
        self.own(own, [("", value as f64)]);
    }

    /// A family whose value is the sum of a number that each worker has.
    pub(super) fn sum(&mut self, own: OwnFamily, stats: &Stats, number: fn(&WorkerStats) -> u64) {
        self.one(own, stats.iter().map(|worker| number(worker)).sum());
    }

    /// A family with one label, of which each worker has a counter for each value.
    pub(super) fn sums<'a, const N: usize>(
        &mut self,
        own: OwnFamily,
        stats: &Stats,
        names: impl IntoIterator<Item = &'a str>,
        counts: fn(&WorkerStats) -> &[Counter; N],
    ) {
        self.own(own, sums(stats, names, counts));
    }
}

/// Sums over workers of their counters, each with its name, in the order of the names as on the page.
pub(super) fn sums<'a, const N: usize>(
    stats: &Stats,
    names: impl IntoIterator<Item = &'a str>,
    counts: fn(&WorkerStats) -> &[Counter; N],
) -> Vec<(&'a str, f64)> {
    let sum = |index: usize| stats.iter().map(|worker| counts(worker)[index].get()).sum::<u64>();
    let mut values: Vec<_> =
        names.into_iter().enumerate().map(|(index, name)| (name, sum(index) as f64)).collect();
    values.sort_by_key(|&(name, _)| name);
    values
}
