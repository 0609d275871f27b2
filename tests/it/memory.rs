//! Memory that series take: what the server accounts for is what the kernel counts, and it comes back.

use std::fmt::Write as _;
use std::thread::sleep;
use std::time::Duration;

use crate::common::http;
use crate::common::resident;
use crate::common::server::Server;
use crate::common::wait;

const MIB: u64 = 1 << 20;
/// What buffers of sockets and pages take beside the account, and tables that are half empty.
const SLACK_BYTES: u64 = 8 * MIB;

/// Between two looks at a page of many series, which costs the server more than all else here.
const LOOK: Duration = Duration::from_millis(500);

/// Series of one kind.
#[derive(Clone, Copy, Debug)]
struct Load {
    op: &'static str,
    series: usize,
    /// How many series have one name.
    per_name: usize,
    /// Bytes of each name, help and label value.
    name: usize,
    help: usize,
    label: usize,
    labels: usize,
    /// Bounds of histograms.
    bounds: usize,
}

const SHORT: Load = Load {
    op: "inc",
    series: 50_000,
    per_name: usize::MAX,
    name: 20,
    help: 10,
    label: 20,
    labels: 2,
    bounds: 0,
};

impl Load {
    /// Appends the message of one series. Rounds have different series, of different sizes.
    fn message(&self, round: usize, number: usize, text: &mut String) {
        let name = format!("{}{round}_{}_{}_", self.op, self.help, number / self.per_name);
        let _ = write!(
            text,
            "{{\"name\":\"{name:n<0$}\",\"help\":\"{1}\",\"op\":\"{2}\",\"value\":1",
            self.name,
            "h".repeat(self.help),
            self.op
        );
        text.push_str(",\"labels\":{");
        for label in 0..self.labels {
            let comma = if label > 0 { "," } else { "" };
            let (value, width) = (format!("{round}-{number}-"), self.label + 7 * round);
            let _ = write!(text, "{comma}\"label_{label}\":\"{value:v<width$}\"");
        }
        text.push('}');
        if self.bounds > 0 {
            let bounds: Vec<_> = (1..=self.bounds + 5 * round).map(|le| le.to_string()).collect();
            let _ = write!(text, ",\"bucket_custom\":[{}]", bounds.join(","));
        }
        text.push_str("}\n");
    }

    fn send(&self, server: &Server, round: usize) {
        let mut text = String::new();
        for number in 0..self.series {
            self.message(round, number, &mut text);
            if text.len() > 64 << 10 || number + 1 == self.series {
                server.send_unix(&text);
                text.clear();
            }
        }
    }
}

/// A number of the page, which is not parsed as a whole: it has many lines.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
fn own(server: &Server, series: &str) -> u64 {
    let page = http::get(server.http, "/metrics").unwrap().text();
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series} is on the page")).parse::<f64>().unwrap() as u64
}

fn accounted_bytes(server: &Server) -> u64 {
    own(server, "metrics_server_memory_accounted_bytes")
}

/// Resident memory grows by no more than a tenth and the slack above the account, at rest.
fn assert_account_is_true(load: Load) {
    let server = Server::start(&["-scrape-timeout", "10m"]);
    let before = resident::bytes(&server);
    load.send(&server, 0);
    load.send(&server, 0); // messages that come again become templates
    wait::until(&format!("the account of {load:?} is that of the kernel"), || {
        let accounted = accounted_bytes(&server);
        let grown = resident::bytes(&server).saturating_sub(before);
        // All of it has to be there: no load is smaller than this.
        let is_whole = own(&server, "metrics_server_series{type=\"counter\"}")
            + own(&server, "metrics_server_series{type=\"histogram\"}")
            == load.series as u64;
        let is_true = grown < accounted + accounted / 10 + SLACK_BYTES;
        if is_whole && accounted > 12 * MIB && is_true {
            return Ok(());
        }
        sleep(LOOK);
        Err(format!("resident memory has grown by {grown}, {accounted} are accounted for"))
    });
}

#[test]
fn short_series_are_accounted_for() {
    assert_account_is_true(SHORT);
}

#[test]
fn families_are_accounted_for() {
    assert_account_is_true(Load { series: 25_000, per_name: 1, labels: 0, ..SHORT });
}

#[test]
fn long_names_are_accounted_for() {
    assert_account_is_true(Load { series: 500, per_name: 1, name: 50_000, ..SHORT });
    let load = Load { op: "obs", series: 250, per_name: 1, name: 30_000, bounds: 5, ..SHORT };
    assert_account_is_true(load);
}

#[test]
fn long_helps_and_labels_are_accounted_for() {
    assert_account_is_true(Load { series: 500, per_name: 1, help: 50_000, ..SHORT });
    assert_account_is_true(Load { series: 1_000, labels: 60, label: 300, ..SHORT });
}

/// Samples come to all workers, and to each of them at different times: the bound holds for all cells that there
/// can be, and series that got in count everywhere.
#[test]
fn the_bound_holds_with_several_workers() {
    const MAX: u64 = 24 * MIB;
    let max = MAX.to_string();
    let server = Server::start(&["-workers", "4", "-memory-max", &max, "-scrape-timeout", "10m"]);
    let before = resident::bytes(&server);
    for _ in 0..4 {
        SHORT.send(&server, 0);
        Load { op: "obs", series: 300, per_name: 1, name: 30_000, bounds: 5, ..SHORT }
            .send(&server, 1);
    }
    let page = server.settled();
    let accounted = page.own("memory_accounted_bytes");
    assert!(page.rejected("memory_limit") > 0 && accounted <= MAX, "{accounted} of {MAX}");
    let grown = resident::bytes(&server).saturating_sub(before);
    assert!(grown < MAX + MAX / 10 + SLACK_BYTES, "{grown} of {MAX}");
    // The first series got in, so none of its samples is refused, whichever worker they came to.
    let first = page.text.lines().find(|line| line.contains("label_0=\"0-0-"));
    assert!(first.is_some_and(|line| line.ends_with(" 4")), "{first:?}");
}

/// Series of other sizes each time: their memory is used again, and given back.
#[test]
fn memory_of_expired_series_comes_back() {
    const ROUNDS: usize = 3;
    let server =
        Server::start(&["-metric-clean-up", "-metric-ttl", "1s", "-scrape-timeout", "10m"]);
    let (before, empty) = (resident::bytes(&server), accounted_bytes(&server));
    let counters = Load { series: 10_000, labels: 3, label: 100, ..SHORT };
    // Their helps alone are three times what may be kept.
    let families = Load { series: 400, per_name: 1, help: 20_000, ..SHORT };
    let histograms = Load { op: "obs", series: 600, per_name: 100, bounds: 100, ..SHORT };
    for round in 0..ROUNDS {
        for load in [counters, families, histograms] {
            load.send(&server, round);
        }
        wait::until("all series have expired", || {
            let deleted = |op| {
                own(&server, &format!("metrics_server_deleted_metrics_total{{type=\"{op}\"}}"))
            };
            let (deleted, left) = (deleted("inc") + deleted("obs"), accounted_bytes(&server));
            let sent = counters.series + families.series + histograms.series;
            if deleted == (sent * (round + 1)) as u64 && left == empty {
                return Ok(());
            }
            sleep(LOOK);
            Err(format!("{deleted} have, and {left} bytes are accounted for"))
        });
    }
    wait::until("their memory is back", || {
        let kept = resident::bytes(&server).saturating_sub(before);
        if kept < 8 * MIB { Ok(()) } else { Err(format!("{kept} bytes are kept")) }
    });
}
