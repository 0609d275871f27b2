//! Reads a page in Prometheus' text format, and keeps what books need: sums per sample name, and our own series.
//!
//! A page of a million series is summed line by line and never held. No sockets.

use std::collections::HashMap;
use std::io::BufRead;

use anyhow::{Context as _, Result};

use crate::num::nearest;

/// The sum over all series of one sample name.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct SampleTotal {
    /// How many lines there were.
    pub(crate) lines: u64,
    /// Of the values that are whole and not negative: exact up to 2^53 each.
    pub(crate) integers: u128,
    /// Of all others.
    pub(crate) others: f64,
}

impl SampleTotal {
    fn add(&mut self, value: f64) {
        self.lines += 1;
        if value >= 0.0 && value.fract() == 0.0 {
            self.integers += nearest(value).unsigned_abs();
        } else {
            self.others += value;
        }
    }

    /// As one number.
    pub(crate) fn value(&self) -> f64 {
        self.integers as f64 + self.others
    }
}

/// What a page says.
#[derive(Debug, Default)]
pub(crate) struct MetricsPage {
    totals: HashMap<String, SampleTotal>,
    /// The server's own labelled series: name and label text, value.
    own: Vec<(String, String, f64)>,
}

impl MetricsPage {
    /// Reads all lines. An error names the line that is not of the format.
    pub(crate) fn read(mut reader: impl BufRead) -> Result<Self> {
        let mut page = Self::default();
        let mut line = String::new();
        while reader.read_line(&mut line).context("page broken off")? > 0 {
            let text = line.trim_end_matches('\n');
            if !text.is_empty() && !text.starts_with('#') {
                page.sample(text)
                    .with_context(|| format!("no line of a metrics page: {text:?}"))?;
            }
            line.clear();
        }
        Ok(page)
    }

    fn sample(&mut self, line: &str) -> Result<()> {
        let (series, value) = line.rsplit_once(' ').context("no value")?;
        let (name, labels) = match series.split_once('{') {
            Some((name, rest)) => (name, rest.strip_suffix('}').context("no closing brace")?),
            None => (series, ""),
        };
        // Rust reads NaN and +Inf in the format's spelling.
        let value: f64 = value.parse().context("no number")?;
        if !labels.is_empty() && name.starts_with("metrics_server_") {
            self.own.push((name.to_owned(), labels.to_owned(), value));
        }
        // A name is copied once, not for each of its series.
        if let Some(total) = self.totals.get_mut(name) {
            total.add(value);
        } else {
            self.totals.entry(name.to_owned()).or_default().add(value);
        }
        Ok(())
    }

    /// The sum over all series with this sample name; zeros if there is none.
    pub(crate) fn total(&self, name: &str) -> SampleTotal {
        self.totals.get(name).copied().unwrap_or_default()
    }

    /// Whether any series has this sample name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.totals.contains_key(name)
    }

    /// The sum over the server's own series of this name with this label.
    pub(crate) fn labelled(&self, name: &str, label: &str, value: &str) -> f64 {
        let pair = format!("{label}=\"{value}\"");
        let fits = |labels: &str| labels.split(',').any(|one| one == pair);
        self.own.iter().filter(|own| own.0 == name && fits(&own.1)).map(|own| own.2).sum()
    }

    /// Every series of this name, as its label text and value.
    pub(crate) fn own<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.own.iter().filter(move |own| own.0 == name).map(|own| (own.1.as_str(), own.2))
    }
}

#[cfg(test)]
mod tests {
    use super::{MetricsPage, SampleTotal, nearest};

    const TEXT: &str = "\
# HELP http_requests_total Requests
# TYPE http_requests_total counter
http_requests_total{route=\"/a b}\"} 1.234567e+06
http_requests_total{route=\"/c\"} 3
http_requests_total{route=\"/d\"} 0.5

metrics_server_received_bytes_total{transport=\"udp\"} 10
metrics_server_received_bytes_total{transport=\"unix\"} 20
up 1
h_bucket{le=\"+Inf\"} 4
weird NaN
";

    #[test]
    fn sums_go_over_all_series_of_a_name() {
        let page = MetricsPage::read(TEXT.as_bytes()).unwrap();
        let expected = SampleTotal { lines: 3, integers: 1_234_570, others: 0.5 };
        assert_eq!(page.total("http_requests_total"), expected);
        assert_eq!(page.total("up").integers, 1);
        assert!(page.has("up") && !page.has("down"));
        assert_eq!(page.total("down"), SampleTotal::default());
        assert!(page.total("weird").value().is_nan());
    }

    #[test]
    fn own_series_are_found_by_label() {
        let page = MetricsPage::read(TEXT.as_bytes()).unwrap();
        let bytes = |transport| {
            nearest(page.labelled("metrics_server_received_bytes_total", "transport", transport))
        };
        assert_eq!([bytes("udp"), bytes("unix"), bytes("tcp")], [10, 20, 0]);
        assert_eq!(page.own("metrics_server_received_bytes_total").count(), 2);
    }

    #[test]
    fn lines_of_no_metric_are_errors() {
        for text in ["name\n", "name x\n", "name{a=\"b\" 1\n"] {
            assert!(MetricsPage::read(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
