//! Series that nobody wants, and series that come and go.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use metrics_server::testing::planted::Fault;

use crate::books;
use crate::common::server::Server;
use crate::common::wait::until;
use crate::common::{Page, http, resident};
use crate::flood::Flood;
use crate::row::Row;

const LINES_MAX: u64 = 20_000;
/// Series that stand before the flood.
const KNOWN: u64 = 100;
const FLOOD: u64 = 300_000;
const MIB: u64 = 1 << 20;

pub(crate) const BOMB: Row = Row {
    name: "F12",
    what: "300,000 messages, each of a series of its own, come where 20,000 lines may be, with messages of series that \
           stand already between them (scaled down: not a million)",
    holds: "as many series as there is room for, all others are refused with the reason; old series count exactly; \
            memory stays below the account and a tenth and 8 MiB",
    planted: Fault::LinesUnlimited,
    run: || {
        let lines = LINES_MAX.to_string();
        let server =
            Server::start(&["-workers", "2", "-source-labels=false", "-lines-max", &lines]);
        for number in 0..KNOWN {
            server.send_unix(known(number));
        }
        server.settled();
        let before = resident::bytes(&server);
        let old = Flood::unix(&server, Duration::from_millis(1), |number| known(number % KNOWN));
        thread::scope(|scope| {
            for half in 0..2 {
                let mut client = server.connect("ms.sock");
                scope.spawn(move || {
                    for number in 0..FLOOD / 2 {
                        let number = 2 * number + half;
                        let message = format!(
                            r#"{{"name":"bomb","labels":{{"id":"{number:040}"}},"op":"inc","value":1}}"#
                        );
                        client.send(message.as_bytes());
                    }
                });
            }
        });
        let old = old.stop();
        let page = books::closed(&server);
        let refused = page.rejected("lines_limit");
        let stand = page.own_sum("series");
        assert_eq!((stand, page.own("exposed_lines")), (LINES_MAX, LINES_MAX));
        assert_eq!((refused, page.refused()), (FLOOD - (LINES_MAX - KNOWN), refused));
        assert_eq!(sum(&page.text, "known").to_string(), (KNOWN + old).to_string());
        let grown = resident::bytes(&server).saturating_sub(before);
        let accounted = page.own("memory_accounted_bytes");
        assert!(grown < accounted + accounted / 10 + 8 * MIB, "{grown} of {accounted}");
        server.stop();
        format!(
            "{FLOOD} series sent, {refused} refused; {old} samples of old series, all counted; {} MiB",
            grown / MIB
        )
    },
};

fn known(number: u64) -> String {
    format!(r#"{{"name":"known","labels":{{"id":"{number}"}},"op":"inc","value":1}}"#)
}

/// The sum of a family's samples.
fn sum(page: &str, name: &str) -> f64 {
    samples(page, name).into_values().sum()
}

/// A family's samples, by series.
fn samples(page: &str, name: &str) -> BTreeMap<String, f64> {
    let lines = page.lines().filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let is_of_it = series.strip_prefix(name)?.starts_with('{');
        is_of_it.then(|| (series.to_owned(), value.parse().unwrap()))
    });
    lines.collect()
}

const HOPPERS: u64 = 24;
const HOPS: Duration = Duration::from_secs(25);

pub(crate) const HOPPING: Row = Row {
    name: "F13",
    what: "series with a time to live of 1 s get samples from ever new ports, so at one worker or another, then fall \
           silent until they are gone, and come back (scaled down: for 25 s)",
    holds: "what Prometheus' `increase()` makes of the pages is what was sent: no series falls while it stands; all are \
            gone at the end, and no line is left",
    planted: Fault::SharesExpire,
    run: || {
        let flags =
            ["-workers", "4", "-source-labels=false", "-metric-clean-up", "-metric-ttl", "1s"];
        let server = Server::start(&flags);
        let mut increase = Increase::default();
        let mut sent = 0_u64;
        let began = Instant::now();
        let mut round = 0_u64;
        while began.elapsed() < HOPS {
            round += 1;
            for series in 0..HOPPERS {
                // Active for 2 to 4 s, silent for as long, each at its own time.
                let phase =
                    u64::try_from(began.elapsed().as_millis()).unwrap() / (2_000 + 80 * series);
                if (phase + series).is_multiple_of(2) && (round + series).is_multiple_of(3) {
                    let label = format!(r#"{{"id":"{series}"}}"#);
                    server.send_udp(format!(
                        r#"{{"name":"hop","labels":{label},"op":"inc","value":1}}"#
                    ));
                    sent += 1;
                }
            }
            increase.scrape(&server);
            thread::sleep(Duration::from_millis(20));
        }
        let page = until("all series are gone", || {
            increase.scrape(&server);
            let page = server.scrape();
            if page.own_sum("series") == 0 { Ok(page) } else { Err(page.user()) }
        });
        let page = until("all that was sent is counted", || {
            if page.accepted() == sent {
                Ok(page.clone())
            } else {
                Err(page.accepted().to_string())
            }
        });
        assert_eq!(page.own_sum("udp_kernel_drops_total"), 0);
        assert_eq!(page.own("exposed_lines"), 0);
        let deleted = page.own_sum("deleted_metrics_total");
        assert_eq!(increase.sum.to_string(), sent.to_string(), "increase() over all pages");
        assert_eq!(increase.falls, 0, "series fell while they stood");
        server.stop();
        format!(
            "{HOPPERS} series, {deleted} deletions, {sent} samples, {} pages; increase() {}",
            increase.pages, increase.sum
        )
    },
};

/// Prometheus' `increase()`, but that a series that was not there before begins at 0.
#[derive(Default)]
struct Increase {
    last: BTreeMap<String, f64>,
    sum: f64,
    falls: u64,
    pages: u64,
}

impl Increase {
    fn scrape(&mut self, server: &Server) {
        let page = http::get(server.http, "/metrics").unwrap().text();
        Page::parse(&page);
        let now = samples(&page, "hop");
        for (series, value) in &now {
            let before = self.last.get(series).copied().unwrap_or_default();
            if *value < before {
                self.falls += 1;
                self.sum += value; // as Prometheus: it takes this for a restart
            } else {
                self.sum += value - before;
            }
        }
        self.last = now;
        self.pages += 1;
    }
}
