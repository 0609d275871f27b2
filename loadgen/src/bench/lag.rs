//! How long the server's workers left their sockets unread, read from two of its pages.

use anyhow::{Context as _, Result, ensure};

use crate::http;

/// The histogram, as its family is called.
const FAMILY: &str = "metrics_server_worker_loop_lag_seconds";

/// One bucket, summed over workers.
#[derive(Debug)]
struct Bucket {
    /// The bound as the page writes it.
    le: String,
    /// Observations up to the bound.
    count: f64,
}

/// The histogram on one page, buckets in ascending order.
#[derive(Debug)]
pub(crate) struct LoopLagReading(Vec<Bucket>);

impl LoopLagReading {
    /// Scrapes it.
    pub(crate) fn scrape(address: &str) -> Result<Self> {
        let mut page = Vec::new();
        http::get(address, false, &mut page)?;
        Self::read(&page)
    }

    /// Reads it from a page, or from the part of one in which the server's own families stand.
    fn read(page: &[u8]) -> Result<Self> {
        let mut buckets: Vec<Bucket> = Vec::new();
        for line in std::str::from_utf8(page)?.lines() {
            let Some(sample) = line.strip_prefix(FAMILY).and_then(|l| l.strip_prefix("_bucket{"))
            else {
                continue;
            };
            let (_, rest) = sample.split_once("le=\"").context("a bucket without a bound")?;
            let (le, count) = rest.split_once("\"} ").context("a bucket without a count")?;
            let count: f64 = count.parse()?;
            match buckets.iter_mut().find(|bucket| bucket.le == le) {
                Some(bucket) => bucket.count += count,
                None => buckets.push(Bucket { le: le.to_owned(), count }),
            }
        }
        ensure!(!buckets.is_empty(), "no {FAMILY} on the page");
        Ok(Self(buckets))
    }

    /// The smallest bound in seconds that this share of the observations since the earlier reading has not
    /// exceeded; 1 for all of them.
    pub(crate) fn bound_since(&self, earlier: &Self, share: f64) -> Result<f64> {
        let since = |index: usize| self.0[index].count - earlier.0[index].count;
        let all = since(self.0.len() - 1);
        ensure!(all > 0.0, "no datagram was read between two pages");
        let reached = (0..self.0.len()).find(|&index| since(index) >= share * all);
        Ok(self.0[reached.context("counts that fall")?].le.parse()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page of two workers, the second of which has had one observation of at most 1 ms.
    fn page(counts: [u64; 3]) -> LoopLagReading {
        let of = |worker: u32, counts: [u64; 3]| {
            let line = |(le, count)| {
                format!("{FAMILY}_bucket{{worker=\"{worker}\",le=\"{le}\"}} {count}\n")
            };
            ["0.001", "0.02", "+Inf"].into_iter().zip(counts).map(line).collect::<String>()
        };
        let text = format!("# TYPE x gauge\nx 1\n{}{}", of(0, counts), of(1, [1, 1, 1]));
        LoopLagReading::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_bound_is_that_of_the_longest_observation_since() {
        let bound = |earlier, later| page(later).bound_since(&page(earlier), 1.0).ok();
        assert_eq!(bound([0, 0, 0], [5, 5, 5]), Some(0.001));
        assert_eq!(bound([0, 0, 0], [5, 6, 6]), Some(0.02));
        assert_eq!(bound([0, 0, 1], [5, 6, 7]), Some(0.02), "one before was longer");
        assert_eq!(bound([0, 0, 0], [5, 6, 7]), Some(f64::INFINITY));
        let most = page([98, 99, 100]).bound_since(&page([0, 0, 0]), 0.99);
        assert_eq!(most.ok(), Some(0.02), "one of a hundred was longer");
    }

    #[test]
    fn a_page_without_the_family_or_without_observations_is_an_error() {
        assert!(LoopLagReading::read(b"x 1\n").is_err());
        assert!(page([1, 1, 1]).bound_since(&page([1, 1, 1]), 1.0).is_err());
    }
}
