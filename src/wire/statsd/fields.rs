//! Divides the body of a line, what stands behind its first colon, into samples and these into their fields.
//!
//! Pure; runs on an ingest worker. It must not know what the fields mean.

use crate::metric::Rejection;
use crate::wire::text;

/// The fields of one sample, as they stand in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SampleFields<'a> {
    values: &'a str,
    stat_type: &'a str,
    rate: Option<&'a str>,
    tags: Option<&'a str>,
    has_timestamp: bool,
}

impl<'a> SampleFields<'a> {
    /// Divides the first sample from the others, if there are others.
    ///
    /// A colon ends a sample where it stands in a type, a rate or a time; in tags and in a container's id it is a part of
    /// the text.
    pub(super) fn split_off(body: &'a str) -> (Result<Self, Rejection>, Option<&'a str>) {
        let Some((values, rest)) = text::split_once(body, b'|') else {
            return (Err(Rejection::Syntax), None);
        };
        let (stat_type, mut rest) = divide(rest, b':');
        let mut fields = Self { values, stat_type, rate: None, tags: None, has_timestamp: false };
        let mut is_sound = true;
        while let Some(text) = rest.strip_prefix('|') {
            let field;
            (field, rest) = divide(text, if may_hold_colons(text) { b'|' } else { b':' });
            is_sound &= fields.take(field);
        }
        let fields = if is_sound { Ok(fields) } else { Err(Rejection::Syntax) };
        (fields, rest.strip_prefix(':'))
    }

    /// Takes a field behind the type; whether it is one that is known, and the first of its kind where there may be one.
    fn take(&mut self, field: &'a str) -> bool {
        if let Some(rate) = field.strip_prefix('@') {
            self.rate.replace(rate).is_none()
        } else if let Some(tags) = field.strip_prefix('#') {
            self.tags.replace(tags).is_none()
        } else if field.starts_with('T') {
            self.has_timestamp = true;
            true
        } else {
            is_origin(field)
        }
    }

    /// The values; one at least, which may be empty.
    pub(super) fn values(&self) -> impl Iterator<Item = &'a str> {
        self.values.split(':')
    }

    /// The type.
    pub(super) fn stat_type(&self) -> &'a str {
        self.stat_type
    }

    /// The sample rate, without its `@`.
    pub(super) fn rate(&self) -> Option<&'a str> {
        self.rate
    }

    /// DogStatsD's tags, without their `#`.
    pub(super) fn tags(&self) -> Option<&'a str> {
        self.tags
    }

    /// Whether there is a DogStatsD timestamp.
    pub(super) fn has_timestamp(&self) -> bool {
        self.has_timestamp
    }
}

/// The text up to the first `|` or byte like this, an ASCII character, and the rest with it.
fn divide(text: &str, end: u8) -> (&str, &str) {
    text.split_at(text::find(text, b'|', end).unwrap_or(text.len()))
}

/// Whether the field at the front may have colons in it.
fn may_hold_colons(field: &str) -> bool {
    field.starts_with('#') || ORIGINS.iter().any(|prefix| field.starts_with(prefix))
}

/// Fields by which DogStatsD's clients tell in which container they run, and how many tags the agent is to add for it:
/// a container's id, external data, a cardinality. They say nothing about the sample.
const ORIGINS: [&str; 3] = ["c:", "e:", "card:"];

/// Whether it is one of these.
pub(super) fn is_origin(field: &str) -> bool {
    ORIGINS.iter().any(|prefix| field.strip_prefix(prefix).is_some_and(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All samples of a body, `None` for one that is refused.
    fn samples(body: &str) -> Vec<Option<SampleFields<'_>>> {
        let (mut rest, mut samples) = (Some(body), Vec::new());
        while let Some(text) = rest {
            let fields;
            (fields, rest) = SampleFields::split_off(text);
            samples.push(fields.ok());
        }
        samples
    }

    /// A sample with these fields alone.
    fn plain<'a>(values: &'a str, stat_type: &'a str) -> SampleFields<'a> {
        SampleFields { values, stat_type, rate: None, tags: None, has_timestamp: false }
    }

    #[test]
    fn fields_in_any_order() {
        assert_eq!(samples("1|c"), [Some(plain("1", "c"))]);
        assert_eq!(samples("|"), [Some(plain("", ""))]);
        let whole = SampleFields {
            rate: Some("0.1"),
            tags: Some("a:b,c:d"),
            has_timestamp: true,
            ..plain("1", "c")
        };
        assert_eq!(samples("1|c|#a:b,c:d|@0.1|T12|c:id:x|e:it-false|card:low"), [Some(whole)]);
    }

    #[test]
    fn several_samples_and_several_values() {
        let first = SampleFields { rate: Some("0.5"), ..plain("1:2", "ms") };
        let others = [plain("3", "g"), plain("4:5", "c")];
        assert_eq!(
            samples("1:2|ms|@0.5:3|g:4:5|c"),
            [Some(first), Some(others[0]), Some(others[1])]
        );
        assert_eq!(samples("1|c|c:a:2|c"), [None], "c twice");
    }

    #[test]
    fn what_is_no_field_is_refused() {
        for body in
            ["1", "", "1|c|", "1|c||@1", "1|c|x", "1|c|c:", "1|c|c", "1|c|@1|@1", "1|c|#a|#b"]
        {
            assert_eq!(samples(body), [None], "{body}");
        }
        assert_eq!(samples("1|c|x:2|c"), [None, Some(plain("2", "c"))]);
    }
}
