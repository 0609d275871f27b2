//! Routers in a ring: each message goes round a few times, and the books of both sides tell where it ended.

use crate::common::server::temp_dir;
use crate::common::wait::{until, until_true};
use crate::common::{Page, Server, inc, ports};

const MESSAGES: u64 = 100;

fn delivered(page: &Page) -> u64 {
    page.own(r#"sink_rows_delivered_total{sink="remote"}"#)
}

fn ended(page: &Page) -> u64 {
    page.own(r#"sink_rows_rejected_total{reason="hops_limit",sink="remote"}"#)
}

/// Messages of several ops, so many of them; each says that so many routers have passed it on.
fn messages(hops: &str) -> String {
    let message = |n| {
        let op = ["inc", "set", "obs", "event", "index", "raw"][usize::try_from(n % 6).unwrap()];
        format!("{{\"name\":\"{op}_{n}\",\"op\":\"{op}\",\"value\":1{hops}}}\n")
    };
    (0..MESSAGES).map(message).collect()
}

#[test]
fn in_a_ring_of_two_each_message_ends_after_four_hops() {
    let (dirs, ports) = ([temp_dir(), temp_dir()], [ports::free(), ports::free()]);
    let [one, other] = [(0, 1), (1, 0)].map(|(here, there): (usize, usize)| {
        let [udp, remote] = [here, there].map(|side| format!("127.0.0.1:{}", ports[side]));
        let args = ["-socket", "127.0.0.1:0", "-udp", &udp, "-uds", "ms.sock", "-remote", &remote];
        Server::must_start(dirs[here].path(), &args)
    });
    one.send_unix(messages(""));
    let pages = || [one.scrape(), other.scrape()];
    until("all have ended", || {
        let [here, there] = pages();
        match (ended(&here), ended(&there)) {
            (MESSAGES, 0) => Ok(()),
            counts => Err(format!("{counts:?}")),
        }
    });
    // They came here with 0, 2 and 4 hops behind them, and there with 1 and 3.
    let [here, there] = pages();
    assert_eq!((here.accepted(), there.accepted()), (3 * MESSAGES, 2 * MESSAGES));
    assert_eq!((here.framed(), there.framed()), (3 * MESSAGES, 2 * MESSAGES));
    assert_eq!((delivered(&here), delivered(&there)), (2 * MESSAGES, 2 * MESSAGES));
    one.find_line(|line| line.contains("4 routers have passed on")).expect("a line");
}

#[test]
fn a_count_that_a_sender_writes_is_taken_and_what_is_none_is_ignored() {
    let global = Server::start(&[]);
    let local = Server::start(&["-remote", &format!("127.0.0.1:{}", global.udp)]);
    for hops in
        [r#","hops":3"#, r#","hops":-1"#, r#","hops":"9""#, r#","hops":null"#, r#","hops":1.5"#]
    {
        local.send_unix(messages(hops));
    }
    local.send_unix(messages(r#","hops":4"#));
    local.send_unix(messages(r#","hops":18446744073709551615"#));
    until_true("two of seven end here", || ended(&local.scrape()) == 2 * MESSAGES);
    until_true("five of seven come there", || global.scrape().framed() == 5 * MESSAGES);
    // A server that counts itself takes messages whatever the number.
    global.send_unix(messages(r#","hops":4"#));
    until_true("all are judged", || global.scrape().framed() == 6 * MESSAGES);
    let page = global.scrape();
    assert_eq!(page.refused(), page.rejected("no_sink"));
}

#[test]
fn a_message_that_has_come_before_is_still_known_at_the_far_end() {
    let global = Server::start(&["-workers", "1"]);
    let local = Server::start(&["-remote", &format!("127.0.0.1:{}", global.udp)]);
    let message = |n| inc("ma").replace(r#""value":1"#, &format!(r#""value":{n}"#));
    local.send_unix((0..MESSAGES).map(message).collect::<String>());
    until_true("all count", || global.scrape().accepted() == MESSAGES);
    let parsed = global.scrape().own("messages_parsed_total");
    assert!(parsed <= 2, "{parsed} of {MESSAGES} were parsed");
}
