//! Memory that series take: what the server accounts for is what the kernel counts, and it comes back.

use std::thread::sleep;
use std::time::Duration;

use crate::common::load::{Load, SHORT};
use crate::common::resident;
use crate::common::server::Server;
use crate::common::wait;

const MIB: u64 = 1 << 20;
/// What buffers of sockets and pages take beside the account, and tables that are half empty.
const SLACK_BYTES: u64 = 8 * MIB;

/// What tables take that have nothing left in them.
const EMPTY_BYTES: u64 = MIB / 4;

/// Between two looks at a page of many series, which costs the server more than all else here.
const LOOK: Duration = Duration::from_millis(500);

/// Resident memory grows by no more than a tenth and the slack above the account, at rest.
fn assert_account_is_true(load: Load) {
    let server = Server::start(&["-scrape-timeout", "10m"]);
    let before = resident::bytes(&server);
    load.send(&server, 0);
    load.send(&server, 0); // messages that come again become templates
    // All of it has to be there: no load is smaller than this.
    let page = server.settled_own_families();
    assert_eq!(page.own_sum("series"), load.series as u64);
    assert!(page.own("memory_accounted_bytes") > 12 * MIB);
    wait::until(&format!("the account of {load:?} is that of the kernel"), || {
        let accounted = server.own_families().own("memory_accounted_bytes");
        let grown = resident::bytes(&server).saturating_sub(before);
        if grown < accounted + accounted / 10 + SLACK_BYTES {
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
    let accounted_before = server.own_families().own("memory_accounted_bytes");
    let before = resident::bytes(&server);
    let counters = Load { series: 10_000, labels: 3, label: 100, ..SHORT };
    // Their helps alone are three times what may be kept.
    let families = Load { series: 400, per_name: 1, help: 20_000, ..SHORT };
    let histograms = Load { op: "obs", series: 600, per_name: 100, bounds: 100, ..SHORT };
    for round in 0..ROUNDS {
        for load in [counters, families, histograms] {
            load.send(&server, round);
        }
        wait::until("all series have expired", || {
            let page = server.own_families();
            let (deleted, left) =
                (page.own_sum("deleted_metrics_total"), page.own("memory_accounted_bytes"));
            let sent = counters.series + families.series + histograms.series;
            if deleted == (sent * (round + 1)) as u64 && left < accounted_before + EMPTY_BYTES {
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

/// Unfinished messages of clients that have gone leave no memory behind, also where no series ever expires.
#[test]
fn memory_of_closed_connections_comes_back() {
    let server = Server::start(&["-workers", "1"]);
    let before = resident::bytes(&server);
    let open = format!(r#"{{"op":"inc","value":1,"help":"{}"#, "h".repeat(100_000));
    for _ in 0..2 {
        let connect = |_| {
            let mut client = server.connect("ms.sock");
            client.send(open.as_bytes());
            client
        };
        let clients: Vec<_> = (0..300).map(connect).collect();
        assert!(server.settled().own("unix_partial_bytes") > 30_000_000);
        drop(clients);
    }
    wait::until("their memory is back", || {
        let kept = resident::bytes(&server).saturating_sub(before);
        if kept < 2 * MIB { Ok(()) } else { Err(format!("{kept} bytes are kept")) }
    });
}
