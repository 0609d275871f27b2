//! The histogram of how long workers left their UDP sockets unread.

use crate::common::wait::until;
use crate::common::{Page, Server, inc};

/// The histogram of one worker as a page shows it.
#[derive(Debug, PartialEq)]
struct Histogram {
    /// The buckets' counts in the page's order, the infinite one last.
    buckets: Vec<f64>,
    sum: f64,
    count: f64,
}

impl Histogram {
    /// That of this worker; each bucket has at least what those below it have, and the last has all.
    fn read(page: &Page, worker: usize) -> Self {
        let name = "metrics_server_worker_loop_lag_seconds";
        let begin = format!("{name}_bucket{{worker=\"{worker}\",le=\"");
        let lines = page.text.lines().filter(|line| line.starts_with(&begin));
        let buckets: Vec<f64> = lines.map(value).collect();
        let other = |suffix| page.get(&format!("{name}_{suffix}{{worker=\"{worker}\"}}")).unwrap();
        let histogram = Self { buckets, sum: other("sum"), count: other("count") };
        assert!(histogram.buckets.is_sorted(), "{histogram:?}");
        assert_eq!(histogram.buckets.last(), Some(&histogram.count), "{histogram:?}");
        histogram
    }

    /// Whether nothing has become less since an earlier page.
    fn is_past(&self, earlier: &Self) -> bool {
        let pairs = self.buckets.iter().zip(&earlier.buckets);
        self.buckets.len() == earlier.buckets.len()
            && pairs.into_iter().all(|(now, before)| now >= before)
            && self.sum >= earlier.sum
            && self.count >= earlier.count
    }
}

fn value(line: &str) -> f64 {
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

/// Sends datagrams and waits until all are read and a turn with datagrams was observed; the page then.
fn send(server: &Server, datagrams: u64, earlier: &Page) -> Page {
    let sent = earlier.own("datagrams_received_total") + datagrams;
    (0..datagrams).for_each(|_| server.send_udp(inc("a")));
    until("a turn that read datagrams is observed", || {
        let page = server.scrape();
        let read = page.own("datagrams_received_total");
        let count = Histogram::read(&page, 0).count;
        if read == sent && count > Histogram::read(earlier, 0).count {
            return Ok(page);
        }
        Err(format!("{read} of {sent} datagrams read, {count} turns observed"))
    })
}

#[test]
fn turns_that_read_datagrams_are_observed() {
    let server = Server::start(&["-workers", "1"]);
    let first = server.scrape();
    let none = Histogram::read(&first, 0);
    assert_eq!((none.sum, none.count), (0.0, 0.0), "nothing was read");
    assert!(none.buckets.len() > 10, "{none:?}");
    let second = send(&server, 200, &first);
    let some = Histogram::read(&second, 0);
    assert!(some.sum > 0.0 && some.is_past(&none), "{some:?} after {none:?}");
    assert!(some.count <= 200.0, "not more turns than datagrams: {some:?}");
    let more = Histogram::read(&send(&server, 10, &second), 0);
    assert!(more.sum > some.sum && more.is_past(&some), "{more:?} after {some:?}");
    server.stop();
}

/// A worker that reads no datagrams has the family, and no observations: unix streams do not count.
#[test]
fn each_worker_has_its_own() {
    let server = Server::start(&["-workers", "3"]);
    let before = server.scrape();
    server.send_unix(inc("a"));
    let page = until("the message counts", || {
        let page = server.scrape();
        if page.accepted() == 1 { Ok(page) } else { Err(format!("{}", page.accepted())) }
    });
    for worker in 0..3 {
        assert_eq!(Histogram::read(&page, worker), Histogram::read(&before, worker));
        assert!(Histogram::read(&page, worker).count < 1.0);
    }
    server.stop();
}
