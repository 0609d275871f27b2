//! What the server itself has counted about its HTTP port.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::scraper::PageClient;

/// The families that are read, and what is cut off their names in the table.
const PREFIX: &str = "metrics_server_http_";
const SUFFIX: &str = "_total";

/// Each counter's value by its short name.
pub(crate) type HttpCounters = BTreeMap<String, f64>;

/// Reads all of them from the page.
pub(crate) fn read(page: &PageClient) -> Result<HttpCounters> {
    Ok(parsed(&page.text()?))
}

/// The counters that have grown, and by how much.
pub(crate) fn increases(before: &HttpCounters, after: &HttpCounters) -> HttpCounters {
    let by = |(name, value): (&String, &f64)| {
        let by = value - before.get(name).unwrap_or(&0.0);
        (by > 0.0).then(|| (name.clone(), by))
    };
    after.iter().filter_map(by).collect()
}

fn parsed(page: &str) -> HttpCounters {
    let counter = |line: &str| {
        let (series, value) = line.strip_prefix(PREFIX)?.rsplit_once(' ')?;
        let (name, labels) = series.split_at(series.find('{').unwrap_or(series.len()));
        Some((format!("{}{labels}", name.strip_suffix(SUFFIX)?), value.parse().ok()?))
    };
    page.lines().filter_map(counter).collect()
}

#[cfg(test)]
mod tests {
    use super::{increases, parsed};

    #[test]
    fn counters_that_moved_are_told_by_their_short_names() {
        let page = |refused: u32| {
            parsed(&format!(
                "# TYPE metrics_server_http_refused_total counter\n\
                 metrics_server_http_refused_total{{reason=\"head\"}} {refused}\n\
                 metrics_server_http_panics_total 0\n\
                 metrics_server_http_connections 5\n\
                 orders_total{{shop=\"a\"}} 7\n"
            ))
        };
        assert_eq!(page(1).len(), 2);
        let increases = increases(&page(1), &page(4));
        assert_eq!(
            increases.into_iter().collect::<Vec<_>>(),
            [("refused{reason=\"head\"}".to_owned(), 3.0)]
        );
    }
}
