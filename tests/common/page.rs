//! Reading a page of metrics: strictly, so that a page that Prometheus would refuse fails the test that scraped it.

use std::collections::{BTreeMap, BTreeSet};

/// A parsed page.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Page {
    /// The page as served.
    pub(crate) text: String,
    samples: BTreeMap<String, f64>,
}

impl Page {
    /// Parses a page.
    ///
    /// # Panics
    /// If it is not one HELP, one TYPE and then the samples per family, each family and each series once.
    pub(crate) fn parse(text: &str) -> Self {
        assert!(text.is_empty() || text.ends_with('\n'), "the last line has no newline");
        let mut families = BTreeSet::new();
        let mut samples = BTreeMap::new();
        let mut family = "";
        let mut lines = text.split('\n').peekable();
        while let Some(line) = lines.next().filter(|line| !line.is_empty()) {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                family = rest.split(' ').next().unwrap_or_default();
                assert!(families.insert(family), "family {family} comes twice");
                let kind = lines.next().and_then(|l| l.strip_prefix(&format!("# TYPE {family} ")));
                assert!(
                    matches!(kind, Some("counter" | "gauge" | "histogram")),
                    "no TYPE after: {line}"
                );
                continue;
            }
            let (series, value) =
                line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line:?}"));
            let name = series.split('{').next().unwrap_or_default();
            let suffix = name.strip_prefix(family);
            assert!(
                matches!(suffix, Some("" | "_bucket" | "_sum" | "_count")),
                "{line:?} stands under {family}"
            );
            let number = value.parse().unwrap_or_else(|_| panic!("no number: {line:?}"));
            assert!(
                samples.insert(series.to_owned(), number).is_none(),
                "series {series} comes twice"
            );
        }
        assert!(lines.next().is_none(), "an empty line in the page");
        Self { text: text.to_owned(), samples }
    }

    /// The families of users, as served: all but those that the server makes itself.
    pub(crate) fn user(&self) -> String {
        let mut ours = false;
        self.text
            .split_inclusive('\n')
            .filter(|line| {
                if let Some(family) = line.strip_prefix("# HELP ") {
                    ours = ["metrics_server_", "process_", "promhttp_"]
                        .iter()
                        .any(|p| family.starts_with(p));
                }
                !ours
            })
            .collect()
    }

    /// The value of a series, written as on the page: `name{label="value"}`.
    pub(crate) fn get(&self, series: &str) -> Option<f64> {
        self.samples.get(series).copied()
    }

    /// The value of one of the server's own series, named without `metrics_server_`.
    ///
    /// # Panics
    /// If there is none: all of them stand from the start.
    pub(crate) fn own(&self, series: &str) -> u64 {
        let name = format!("metrics_server_{series}");
        whole(self.get(&name).unwrap_or_else(|| panic!("no series {name} on:\n{}", self.text)))
    }

    /// The sum over an own family, named without `metrics_server_`.
    pub(crate) fn own_sum(&self, family: &str) -> u64 {
        self.own_family(family).values().sum()
    }

    /// An own family: label text with braces, or an empty text, and value.
    pub(crate) fn own_family(&self, family: &str) -> BTreeMap<String, u64> {
        let name = format!("metrics_server_{family}");
        let of = |series: &str| {
            series
                .strip_prefix(&name)
                .filter(|l| l.is_empty() || l.starts_with('{'))
                .map(str::to_owned)
        };
        self.samples
            .iter()
            .filter_map(|(series, value)| Some((of(series)?, whole(*value))))
            .collect()
    }

    /// How many messages were refused for a reason.
    pub(crate) fn rejected(&self, reason: &str) -> u64 {
        self.own(&format!(r#"messages_rejected_total{{reason="{reason}"}}"#))
    }

    /// How many messages were put right for a reason.
    pub(crate) fn coerced(&self, reason: &str) -> u64 {
        self.own(&format!(r#"messages_coerced_total{{reason="{reason}"}}"#))
    }

    /// How many messages were accepted, of all ops.
    pub(crate) fn accepted(&self) -> u64 {
        self.own_sum("messages_accepted_total")
    }

    /// How many messages were refused, for all reasons.
    pub(crate) fn refused(&self) -> u64 {
        self.own_sum("messages_rejected_total")
    }

    /// How many messages were framed.
    pub(crate) fn framed(&self) -> u64 {
        self.own("messages_framed_total")
    }
}

/// A count as an integer.
fn whole(value: f64) -> u64 {
    assert!(value >= 0.0 && value.fract() == 0.0 && value < 1e15, "{value} is no count");
    // Checked above: a whole number far below 2^53.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked in the line above"
    )]
    let count = value as u64;
    count
}

/// Compares two texts of user families line by line; the error shows what differs.
///
/// With `ulp` above 0 values with a fraction may differ by so many units in the last place: workers add up parts.
pub(crate) fn compare(want: &str, got: &str, ulp: u64) -> Result<(), String> {
    let (mut want_lines, mut got_lines) = (want.split('\n'), got.split('\n'));
    for number in 1.. {
        match (want_lines.next(), got_lines.next()) {
            (None, None) => break,
            (Some(w), Some(g)) if w == g || near(w, g, ulp) => {}
            (w, g) => {
                return Err(format!(
                    "line {number}\n  wanted: {w:?}\n  got:    {g:?}\nwhole page:\n{got}"
                ));
            }
        }
    }
    Ok(())
}

fn near(want: &str, got: &str, ulp: u64) -> bool {
    let (Some((want_series, want)), Some((got_series, got))) =
        (want.rsplit_once(' '), got.rsplit_once(' '))
    else {
        return false;
    };
    let (Ok(want), Ok(got)) = (want.parse::<f64>(), got.parse::<f64>()) else { return false };
    let same_sign = want.is_sign_negative() == got.is_sign_negative();
    want_series == got_series
        && want.fract() != 0.0
        && same_sign
        && want.to_bits().abs_diff(got.to_bits()) <= ulp
}
