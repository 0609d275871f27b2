//! What the messages say: kinds and their weights, names, and the line of one series.
//!
//! Knows JSON's text and nothing of sockets, datagrams or time.

use std::io::Write as _;

use anyhow::{Context as _, Result, bail};

use crate::rng::Rng;

/// What a series is, and so which op its messages carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `inc`
    Counter,
    /// `set`
    Gauge,
    /// `obs`, with bounds of its own.
    Histogram,
}

impl Kind {
    /// Every kind, in the order of weights.
    pub(crate) const ALL: [Self; 3] = [Self::Counter, Self::Gauge, Self::Histogram];

    /// The word in `-mix`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }

    /// The op of its messages.
    pub(crate) const fn op(self) -> &'static str {
        match self {
            Self::Counter => "inc",
            Self::Gauge => "set",
            Self::Histogram => "obs",
        }
    }

    const fn help(self) -> &'static str {
        match self {
            Self::Counter => "Requests",
            Self::Gauge => "In flight",
            Self::Histogram => "Latency",
        }
    }

    /// The name of this kind's family number `family`.
    pub(crate) fn family(self, family: usize) -> String {
        let (stem, end) = match self {
            Self::Counter => ("http_requests", "_total"),
            Self::Gauge => ("http_in_flight", ""),
            Self::Histogram => ("http_request_seconds", ""),
        };
        if family == 0 { format!("{stem}{end}") } else { format!("{stem}_{family}{end}") }
    }
}

/// How the kinds are mixed: weights in the order of [`Kind::ALL`], of series and of messages alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Weights([usize; 3]);

impl Weights {
    /// Reads `counter:8,gauge:1,histogram:1`; a word without a number weighs 1.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut weights = [0_usize; 3];
        for part in text.split(',') {
            let (word, weight) = part.split_once(':').unwrap_or((part, "1"));
            let Some(place) = Kind::ALL.iter().position(|kind| kind.as_str() == word) else {
                bail!("{word:?} is no kind; it takes counter, gauge and histogram");
            };
            let weight: u16 = weight.parse().with_context(|| format!("{weight:?} is no weight"))?;
            weights[place] += usize::from(weight);
        }
        if weights == [0; 3] {
            bail!("all weights are 0");
        }
        Ok(Self(weights))
    }

    /// How many consecutive series hold every kind in its proportion.
    pub(crate) const fn period(self) -> usize {
        self.0[0] + self.0[1] + self.0[2]
    }

    /// What series number `series` is.
    pub(crate) const fn kind(self, series: usize) -> Kind {
        let place = series % self.period();
        if place < self.0[0] {
            Kind::Counter
        } else if place < self.0[0] + self.0[1] {
            Kind::Gauge
        } else {
            Kind::Histogram
        }
    }
}

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineStyle {
    /// One label, no help and no bounds, instead of the usual three or four labels.
    pub(crate) short: bool,
    /// How many families each kind has; series are spread over them.
    pub(crate) families: usize,
    /// The label text on the page is at least this long; 0 leaves it as it is.
    pub(crate) label_bytes: usize,
    /// Each message carries a serial number in an ignored field, and values vary.
    pub(crate) unique: bool,
}

/// What [`line()`] wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrittenLine {
    /// What a counter was asked to grow by; 0 for the other kinds.
    pub(crate) increment: u64,
    /// Where in the output the serial number's 16 digits stand, in a unique line.
    pub(crate) placeholder: Option<usize>,
}

/// Digits that the serial number takes.
pub(crate) const SERIAL_DIGITS: usize = 16;

/// Appends the message of one series, without a line end.
pub(crate) fn line(
    out: &mut Vec<u8>,
    style: LineStyle,
    kind: Kind,
    series: usize,
    rng: &mut Rng,
) -> WrittenLine {
    let pick = if style.unique { rng.below(9999) as u64 + 1 } else { 1 };
    let name = kind.family(series % style.families);
    let mut text = format!(r#"{{"name":"{name}","#);
    labels(&mut text, style, kind, series);
    out.extend_from_slice(text.as_bytes());
    let placeholder = style.unique.then(|| {
        out.extend_from_slice(br#""x":"0000000000000000","#);
        out.len() - SERIAL_DIGITS - 2
    });
    let value = match (kind, style.unique) {
        (Kind::Histogram, true) => format!("{}.{:02}", pick / 1000, pick % 100),
        (Kind::Histogram, false) => "0.25".to_owned(),
        _ => pick.to_string(),
    };
    let bounds = if kind == Kind::Histogram && !style.short {
        r#","bucket_custom":[0.05,0.1,0.5,1,5]"#
    } else {
        ""
    };
    // Writing to a Vec cannot fail.
    let _ = write!(out, r#""op":"{}","value":{value}{bounds}}}"#, kind.op());
    WrittenLine { increment: if kind == Kind::Counter { pick } else { 0 }, placeholder }
}

/// Appends help and labels.
fn labels(text: &mut String, style: LineStyle, kind: Kind, series: usize) {
    use std::fmt::Write as _;
    // Writing to a String cannot fail.
    if style.short {
        let _ = write!(text, r#""labels":{{"r":"{series}"}},"#);
        return;
    }
    let method = if kind == Kind::Histogram { r#","method":"GET""# } else { "" };
    let plain = r#"app="shop",route="/r/",status="200""#.len() + series.to_string().len();
    let pad = "x".repeat(style.label_bytes.saturating_sub(plain + method.len().saturating_sub(2)));
    let help = kind.help();
    let _ = write!(
        text,
        r#""help":"{help}","labels":{{"app":"shop{pad}","route":"/r/{series}","status":"200"{method}}},"#
    );
}

#[cfg(test)]
mod tests {
    use super::{Kind, LineStyle, Rng, Weights, line};

    const STYLE: LineStyle = LineStyle { short: false, families: 1, label_bytes: 0, unique: false };

    fn text(style: LineStyle, kind: Kind, series: usize) -> String {
        let mut out = Vec::new();
        line(&mut out, style, kind, series, &mut Rng::new(1));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_counter_line_is_the_one_that_all_figures_speak_of() {
        let expected = r#"{"name":"http_requests_total","help":"Requests","labels":{"app":"shop","route":"/r/17","status":"200"},"op":"inc","value":1}"#;
        assert_eq!(text(STYLE, Kind::Counter, 17), expected);
        assert_eq!(expected.len(), 124);
    }

    #[test]
    fn the_histogram_line_has_four_labels_and_177_bytes() {
        let line = text(STYLE, Kind::Histogram, 17);
        assert_eq!(line.len(), 177);
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(json["labels"].as_object().unwrap().len(), 4);
        assert_eq!(json["bucket_custom"].as_array().unwrap().len(), 5);
    }

    #[test]
    fn every_style_of_every_kind_is_json() {
        for kind in Kind::ALL {
            for (short, unique) in [(false, false), (false, true), (true, false), (true, true)] {
                let style = LineStyle { short, families: 3, label_bytes: 0, unique };
                let json: serde_json::Value = serde_json::from_str(&text(style, kind, 5)).unwrap();
                assert_eq!(json["op"], kind.op());
                assert_eq!(json["name"], kind.family(2));
                assert!(json["value"].is_number());
                assert_eq!(json["x"].is_string(), unique);
            }
        }
    }

    #[test]
    fn label_text_is_as_long_as_asked_for() {
        let style = LineStyle { label_bytes: 105, ..STYLE };
        for (kind, series) in [(Kind::Counter, 3), (Kind::Histogram, 999_999)] {
            let json: serde_json::Value = serde_json::from_str(&text(style, kind, series)).unwrap();
            let labels = json["labels"].as_object().unwrap();
            let pairs: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
            assert_eq!(pairs.join(",").len(), 105);
        }
    }

    #[test]
    fn weights_set_the_share_of_each_kind() {
        let weights = Weights::parse("counter:8,gauge:1,histogram").unwrap();
        let kinds: Vec<Kind> = (0..20).map(|series| weights.kind(series)).collect();
        let count = |kind| kinds.iter().filter(|k| **k == kind).count();
        assert_eq!(Kind::ALL.map(count), [16, 2, 2]);
        assert!(Weights::parse("counter:0").is_err());
        assert!(Weights::parse("summary:1").is_err());
        assert!(Weights::parse("").is_err());
    }
}
