//! DogStatsD's messages that are no metrics: events and service checks.
//!
//! ```text
//! _e{length of title,length of text}:title|text[|d:time][|h:host][|p:priority][|t:type][|k:key][|s:source][|#tags]
//! _sc|name|status[|d:time][|h:host][|#tags][|m:message]
//! ```
//!
//! Runs on an ingest worker inside the parser.

use super::fields::is_origin;
use super::tags::TagCollector;
use crate::config::TagStyles;
use crate::metric::{Coercion, Op, Rejection};

/// Fields of an event that become labels, with the labels' names.
const EVENT_LABELS: &[(&str, &str)] = &[
    ("h:", "host"),
    ("p:", "priority"),
    ("t:", "alert_type"),
    ("k:", "aggregation_key"),
    ("s:", "source_type_name"),
];
/// The same of a service check.
const CHECK_LABELS: &[(&str, &str)] = &[("h:", "host")];

/// The highest status of a service check: ok, warning, critical, unknown.
const STATUS_MAX: u8 = 3;

/// An event or a service check.
#[derive(Clone, Copy, Debug)]
pub(super) enum DogStatsD<'a> {
    /// An event: its title, and its text as it was sent.
    Event { title: &'a str, text: &'a str },
    /// A service check. Its name is the first of the names.
    Check { status: u8, name_len: usize },
}

/// What a line of DogStatsD's begins, if it is one of these.
pub(super) fn op(line: &str) -> Option<Op> {
    if line.starts_with("_e{") {
        Some(Op::Event)
    } else {
        line.starts_with("_sc|").then_some(Op::Set)
    }
}

impl<'a> DogStatsD<'a> {
    /// Reads a line that [`op`] has told, and its tags into the collector.
    pub(super) fn read(
        line: &'a str,
        collector: &mut TagCollector<'_, 'a>,
        styles: TagStyles,
    ) -> Result<Self, Rejection> {
        if let Some(rest) = line.strip_prefix("_e{") {
            return event(rest, collector, styles).ok_or(Rejection::Syntax);
        }
        // A message may hold anything, and is the last field.
        let fields = line.split_once("|m:").map_or(line, |(fields, _message)| fields);
        let mut fields = fields.split('|').skip(1);
        let (name, status) = fields.next().zip(fields.next()).ok_or(Rejection::Syntax)?;
        let name_len = collector.metric_name(name);
        take_fields(fields, CHECK_LABELS, collector, styles).ok_or(Rejection::Syntax)?;
        let status = status.parse().ok().filter(|&status| status <= STATUS_MAX);
        Ok(Self::Check { status: status.ok_or(Rejection::Value)?, name_len })
    }
}

/// Reads an event behind its opening brace; `None` if it has not its form.
fn event<'a>(
    rest: &'a str,
    collector: &mut TagCollector<'_, 'a>,
    styles: TagStyles,
) -> Option<DogStatsD<'a>> {
    let (lengths, rest) = rest.split_once("}:")?;
    let (title_len, text_len) = lengths.split_once(',')?;
    let (title, rest) = rest.split_at_checked(title_len.parse().ok()?)?;
    let (text, fields) = rest.strip_prefix('|')?.split_at_checked(text_len.parse().ok()?)?;
    if !fields.is_empty() {
        take_fields(fields.strip_prefix('|')?.split('|'), EVENT_LABELS, collector, styles)?;
    }
    Some(DogStatsD::Event { title, text })
}

/// Takes the fields behind those that must be there; `None` if one is not known.
fn take_fields<'a>(
    mut fields: impl Iterator<Item = &'a str>,
    labels: &[(&str, &str)],
    collector: &mut TagCollector<'_, 'a>,
    styles: TagStyles,
) -> Option<()> {
    fields.try_for_each(|field| {
        if let Some(tags) = field.strip_prefix('#') {
            collector.dogstatsd(tags, styles);
        } else if field.starts_with("d:") {
            collector.coerce(Coercion::Timestamp);
        } else if let Some((value, name)) =
            labels.iter().find_map(|&(prefix, name)| Some((field.strip_prefix(prefix)?, name)))
        {
            collector.named(name, value);
        } else if !is_origin(field) {
            return None;
        }
        Some(())
    })
}
