//! What a router says in the log about rows that it drops, and on its page about their age.

use crate::common::wait::until_true;
use crate::common::{Page, Server, inc, ports};

/// A router without a far end that holds 1 MiB of rows.
fn without_far_end(more: &[&str]) -> Server {
    let far_end = format!("127.0.0.1:{}", ports::free());
    let flags = ["-remote", &far_end, "-sink-queue-bytes", "1048576", "-sink-flush-timeout", "0s"];
    Server::start(&[&flags[..], more].concat())
}

fn dropped(page: &Page, reason: &str) -> u64 {
    page.own(&format!(r#"sink_rows_dropped_total{{reason="{reason}",sink="remote"}}"#))
}

/// How many rows the lines about a reason tell of.
fn told(log: &str, reason: &str) -> u64 {
    let end = format!(" rows dropped, {reason}: ");
    let rows = |line: &str| line.split_once(&end)?.0.rsplit(' ').next()?.parse::<u64>().ok();
    log.lines().filter_map(rows).sum()
}

#[test]
fn rows_without_room_are_told_of_at_once_and_all_of_them_in_the_end() {
    let server = without_far_end(&[]);
    let block = inc("ma").repeat(20_000);
    server.send_unix(&block);
    server.find_line(|line| line.contains("rows dropped, queue_full: memory was full")).unwrap();
    server.send_unix(&block);
    server.settled();
    until_true("all are in the queue or dropped", || {
        let page = server.scrape();
        page.own_sum("sink_queue_rows") + dropped(&page, "queue_full") == 40_000
    });
    let lost = dropped(&server.scrape(), "queue_full");
    let exit = server.stop();
    assert_eq!(told(&exit.stderr, "queue_full"), lost, "{}", exit.stderr);
    // Two lines of the first block and of all others: not one for each block.
    let lines = exit.stderr.lines().filter(|line| line.contains("queue_full")).count();
    assert!(lines <= 3, "{}", exit.stderr);
}

#[test]
fn rows_that_are_too_old_are_told_of() {
    let server = without_far_end(&["-sink-retry-max", "1ms"]);
    server.send_unix(inc("ma").repeat(7));
    until_true("they are too old", || dropped(&server.scrape(), "too_old") == 7);
    let exit = server.stop();
    assert_eq!(told(&exit.stderr, "too_old"), 7, "{}", exit.stderr);
}

#[test]
fn the_last_line_of_a_router_names_no_flag_that_would_not_help() {
    let server = without_far_end(&[]);
    server.send_unix(inc("ma").repeat(7));
    let queued = || server.scrape().own_sum("sink_queue_rows");
    until_true("they wait", || queued() == 7);
    let exit = server.stop();
    assert!(exit.stderr.contains("7 rows were not delivered and are dropped"), "{}", exit.stderr);
    assert!(!exit.stderr.contains("-spill-dir"), "{}", exit.stderr);
}

#[test]
fn the_age_of_the_oldest_row_is_0_at_rest() {
    let global = Server::start(&[]);
    let server = Server::start(&["-remote", &format!("127.0.0.1:{}", global.udp)]);
    server.send_unix(inc("ma"));
    until_true("the row is there", || global.scrape().accepted() == 1);
    let age =
        |page: &Page| page.get(r#"metrics_server_sink_oldest_row_age_seconds{sink="remote"}"#);
    until_true("nothing waits", || age(&server.scrape()) == Some(0.0));
}
