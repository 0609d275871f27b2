//! A strict reader of pages in the text format 0.0.4: it takes less than Prometheus does, namely what we write.

use std::collections::BTreeSet;

/// A family's lines, as far as they were read.
#[derive(Debug)]
struct Family<'a> {
    name: &'a str,
    kind: &'a str,
    series: BTreeSet<(&'a str, String)>,
    histogram: Option<Histogram<'a>>,
}

/// The series of a histogram that is being read.
#[derive(Debug)]
struct Histogram<'a> {
    labels: Vec<&'a str>,
    le: f64,
    count: f64,
    /// 0 in the buckets, 1 behind `_sum`.
    place: u8,
}

/// One sample line.
#[derive(Debug)]
struct Sample<'a> {
    name: &'a str,
    /// `name="value"` of each, escaped.
    labels: Vec<&'a str>,
    value: f64,
}

/// Reads a page; returns how many families it has.
///
/// # Panics
/// If any line is not what it must be at its place.
pub(crate) fn read(page: &str) -> usize {
    assert!(page.is_empty() || page.ends_with('\n'), "the last line has no end");
    let mut names: Vec<&str> = Vec::new();
    let mut lines = page.split_terminator('\n').peekable();
    while let Some(help) = lines.next() {
        let rest = help.strip_prefix("# HELP ").unwrap_or_else(|| panic!("no HELP: {help:?}"));
        let (name, text) = rest.split_once(' ').unwrap_or_else(|| panic!("no text: {help:?}"));
        escapes(text, "\\n");
        let kind = lines.next().and_then(|line| line.strip_prefix("# TYPE "));
        let kind = kind.and_then(|rest| rest.strip_prefix(name)?.strip_prefix(' '));
        let kind = kind.unwrap_or_else(|| panic!("no TYPE behind {help:?}"));
        assert!(matches!(kind, "counter" | "gauge" | "histogram"), "{name} is a {kind}");
        assert!(is_name(name, true), "{name:?}");
        assert!(names.last().is_none_or(|last| *last < name), "{name} stands too late");
        names.push(name);
        let mut family = Family { name, kind, series: BTreeSet::new(), histogram: None };
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            family.take(sample(line));
        }
        assert!(family.histogram.is_none(), "{name} lacks its _count");
        assert!(!family.series.is_empty(), "{name} has no samples");
    }
    names.len()
}

impl<'a> Family<'a> {
    fn take(&mut self, sample: Sample<'a>) {
        let suffix = sample.name.strip_prefix(self.name);
        let suffix = suffix.unwrap_or_else(|| panic!("{sample:?} under {}", self.name));
        let key = (suffix, sample.labels.join(","));
        assert!(self.series.insert(key), "twice: {sample:?}");
        match (self.kind, suffix) {
            ("counter", "") => assert!(sample.value >= 0.0, "{sample:?}"),
            ("gauge", "") => assert!(sample.value.is_finite(), "{sample:?}"),
            ("histogram", "_bucket") => self.bucket(sample),
            ("histogram", "_sum") => {
                let histogram = self.histogram.as_mut().expect("a sum stands behind buckets");
                assert!(histogram.le.is_infinite() && histogram.place == 0, "{sample:?}");
                assert_eq!(histogram.labels, sample.labels);
                histogram.place = 1;
            }
            ("histogram", "_count") => {
                let histogram = self.histogram.take().expect("a count stands behind a sum");
                assert_eq!((histogram.place, histogram.labels), (1, sample.labels));
                assert_eq!(histogram.count.to_bits(), sample.value.to_bits(), "_count and +Inf");
            }
            _ => panic!("a {} has no {sample:?}", self.kind),
        }
    }

    fn bucket(&mut self, mut sample: Sample<'a>) {
        let le =
            sample.labels.pop().and_then(|label| label.strip_prefix("le=\"")?.strip_suffix('"'));
        let le = number(le.unwrap_or_else(|| panic!("le is not the last label: {sample:?}")));
        assert!(sample.value >= 0.0 && sample.value.fract() == 0.0, "{sample:?}");
        if let Some(histogram) = &self.histogram {
            assert_eq!(histogram.labels, sample.labels);
            assert!(histogram.le < le && histogram.count <= sample.value, "{sample:?}");
            assert_eq!(histogram.place, 0, "{sample:?}");
        }
        let Sample { labels, value, .. } = sample;
        self.histogram = Some(Histogram { labels, le, count: value, place: 0 });
    }
}

fn sample(line: &str) -> Sample<'_> {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line:?}"));
    let (name, rest) = series.split_once('{').unwrap_or((series, ""));
    assert!(is_name(name, true), "{line:?}");
    if rest.is_empty() {
        assert!(!series.contains('{'), "empty braces: {line:?}");
        return Sample { name, labels: Vec::new(), value: number(value) };
    }
    let mut rest = rest.strip_suffix('}').unwrap_or_else(|| panic!("not closed: {line:?}"));
    let (mut labels, mut last) = (Vec::new(), "");
    loop {
        let (label, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line:?}"));
        assert!(is_name(label, false), "{line:?}");
        // `le` stands last, the others by name.
        assert!(last < label || label == "le", "{line:?}");
        last = label;
        let end = closing_quote(value).unwrap_or_else(|| panic!("no end of text: {line:?}"));
        escapes(&value[..end], "\\n\"");
        let len = label.len() + 2 + end + 1;
        labels.push(&rest[..len]);
        if len == rest.len() {
            break;
        }
        rest = rest[len..].strip_prefix(',').unwrap_or_else(|| panic!("no comma: {line:?}"));
    }
    Sample { name, labels, value: number(value) }
}

/// Where the first quote is that no backslash escapes.
fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

/// Each backslash has one of these behind it.
fn escapes(text: &str, allowed: &str) {
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char == '\\' {
            assert!(chars.next().is_some_and(|next| allowed.contains(next)), "{text:?}");
        }
    }
}

fn is_name(name: &str, colons: bool) -> bool {
    let letter = |char: char| char.is_ascii_alphabetic() || char == '_' || (colons && char == ':');
    name.starts_with(letter) && name.chars().all(|char| letter(char) || char.is_ascii_digit())
}

/// A number as Go writes it.
fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        _ => {
            let plain =
                text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e'));
            assert!(plain, "no number: {text:?}");
            text.parse().unwrap_or_else(|_| panic!("no number: {text:?}"))
        }
    }
}
