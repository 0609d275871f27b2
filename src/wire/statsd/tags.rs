//! The tags of a line, in the four styles that StatsD's dialects have, and the labels that they make.
//!
//! ```text
//! DogStatsD  name:1|c|#tag:value,tag:value      Librato   name#tag=value,tag=value:1|c
//! InfluxDB   name,tag=value,tag=value:1|c       SignalFX  name[tag=value,tag=value]:1|c
//! ```
//!
//! Runs on an ingest worker inside the parser. A tag without a name or a value is left out, and told.

use std::ops::Range;

use super::name;
use crate::config::{TagStyle, TagStyles};
use crate::metric::{Coercion, Coercions, Kind, Label, Rejection};
use crate::wire::text;

/// A tag of the line at hand.
#[derive(Clone, Debug)]
pub(super) struct Tag<'a> {
    /// Where in the names of the line the label's name is.
    name: Range<usize>,
    value: &'a str,
}

impl Tag<'_> {
    /// A value for places that hold no tag.
    pub(super) const NONE: Self = Self { name: 0..0, value: "" };
}

/// Adds tags to those that are there.
pub(super) struct TagCollector<'n, 'a> {
    names: &'n mut String,
    tags: Vec<Tag<'a>>,
    coercions: Coercions,
}

impl<'n, 'a> TagCollector<'n, 'a> {
    pub(super) fn new(names: &'n mut String, tags: Vec<Tag<'a>>) -> Self {
        Self { names, tags, coercions: Coercions::default() }
    }

    /// The tags, and what was put right in them.
    pub(super) fn finish(self) -> (Vec<Tag<'a>>, Coercions) {
        (self.tags, self.coercions)
    }

    /// Takes the name of a metric and the tags in it. Returns how many bytes the metric's name takes, at the front of
    /// the names.
    pub(super) fn name_with_tags(&mut self, text: &'a str, styles: TagStyles) -> usize {
        let may_have_tags = |byte: &u8| matches!(byte, b'#' | b',' | b'[' | b']');
        if !text.as_bytes().iter().any(may_have_tags) {
            return self.metric_name(text);
        }
        if styles.contains(TagStyle::SignalFx)
            && let Some(brackets) = Brackets::find(text)
        {
            let Brackets::Whole { before, tags, behind } = brackets else {
                self.coercions.insert(Coercion::Tag);
                return self.metric_name(text);
            };
            name::push_made(self.names, before.chars().chain(behind.chars()));
            let len = self.names.len();
            self.list(tags, b'=');
            return len;
        }
        let begins_tags = |char| match char {
            '#' => styles.contains(TagStyle::Librato),
            ',' => styles.contains(TagStyle::InfluxDb),
            _ => false,
        };
        let Some((metric, tags)) = text.split_once(begins_tags) else {
            return self.metric_name(text);
        };
        let len = self.metric_name(metric);
        self.list(tags, b'=');
        len
    }

    /// Takes the tags behind `|#`.
    pub(super) fn dogstatsd(&mut self, text: &'a str, styles: TagStyles) {
        if styles.contains(TagStyle::DogStatsD) {
            self.list(text, b':');
        }
    }

    /// Makes the metric's name. Returns how many bytes it takes, at the front of the names.
    pub(super) fn metric_name(&mut self, text: &str) -> usize {
        name::push(self.names, text);
        self.names.len()
    }

    /// Notes what was put right.
    pub(super) fn coerce(&mut self, coercion: Coercion) {
        self.coercions.insert(coercion);
    }

    /// Takes a tag with a name that needs no change. Without a value there is none.
    pub(super) fn named(&mut self, name: &str, value: &'a str) {
        if !value.is_empty() {
            let from = self.names.len();
            self.names.push_str(name);
            self.tags.push(Tag { name: from..self.names.len(), value });
        }
    }

    /// Takes a list of tags. Nothing behind its last comma is no tag.
    fn list(&mut self, text: &'a str, separator: u8) {
        let mut rest = text;
        while !rest.is_empty() {
            let tag;
            (tag, rest) = text::split_once(rest, b',').unwrap_or((rest, ""));
            self.tag(tag.strip_prefix('#').filter(|_| separator == b':').unwrap_or(tag), separator);
        }
    }

    fn tag(&mut self, text: &'a str, separator: u8) {
        match text::split_once(text, separator) {
            Some((tag, value)) if !tag.is_empty() && !value.is_empty() => {
                let from = self.names.len();
                name::push(self.names, tag);
                self.tags.push(Tag { name: from..self.names.len(), value });
            }
            _ => self.coercions.insert(Coercion::Tag),
        }
    }
}

/// The brackets of SignalFX's tags in the name of a metric.
enum Brackets<'a> {
    Whole {
        before: &'a str,
        tags: &'a str,
        behind: &'a str,
    },
    /// One of the two is missing, or they stand the wrong way round.
    Cut,
}

impl<'a> Brackets<'a> {
    /// `None` if there is neither of them.
    fn find(text: &'a str) -> Option<Self> {
        match (text.find('['), text.find(']')) {
            (None, None) => None,
            (Some(open), Some(close)) if open < close => Some(Self::Whole {
                before: &text[..open],
                tags: &text[open + 1..close],
                behind: &text[close + 1..],
            }),
            _ => Some(Self::Cut),
        }
    }
}

/// Writes the labels that the tags make, sorted by name; of tags of one name the last counts. Those of a sink, which
/// counts into no `kind`, may have any name.
pub(super) fn write_labels<'a>(
    names: &'a str,
    tags: &[Tag<'a>],
    kind: Option<Kind>,
    labels_max: usize,
    labels: &mut Vec<Label<'a>>,
) -> Result<(), Rejection> {
    labels
        .extend(tags.iter().map(|tag| Label { name: &names[tag.name.clone()], value: tag.value }));
    if !labels.is_sorted_by(|a, b| a.name < b.name) {
        // Names lie one behind the other, so the address of each tells which tag came first.
        labels.sort_unstable_by_key(|label| (label.name, label.name.as_ptr()));
        labels.dedup_by(|later, kept| {
            let same = later.name == kept.name;
            if same {
                *kept = *later;
            }
            same
        });
    }
    if labels.len() > labels_max {
        return Err(Rejection::TooManyLabels);
    }
    kind.map_or(Ok(()), |kind| labels.iter().try_for_each(|label| check_name(label.name, kind)))
}

/// All but this is made right when a name is made.
fn check_name(name: &str, kind: Kind) -> Result<(), Rejection> {
    if name.starts_with("__") {
        Err(Rejection::LabelName)
    } else if kind == Kind::Histogram && name == "le" {
        Err(Rejection::ReservedLabel)
    } else {
        Ok(())
    }
}
