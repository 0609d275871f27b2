//! `op: add`: gauges that are added to, from many senders and with any number of workers, and set now and then.

#![expect(clippy::float_cmp, reason = "no float has to be rounded here")]

use std::fmt::Write as _;
use std::net::UdpSocket;
use std::thread;

use crate::common::send::Client;
use crate::common::{Page, Server, inc};

/// Without the labels that tell UDP from unix sockets, so that all senders count into one series.
const ONE_SERIES: &str = "-source-labels=false";

fn message(op: &str, value: &str) -> String {
    format!("{{\"name\":\"jobs\",\"op\":\"{op}\",\"value\":{value}}}\n")
}

fn jobs(page: &Page) -> f64 {
    page.get("jobs").unwrap_or_else(|| panic!("no gauge on:\n{}", page.user()))
}

/// 1,250 adds, in an order of the sender's own. Their sum is 171.875, in which no float has to be rounded.
fn adds(sender: usize) -> Vec<String> {
    let kinds = [("1", 500), ("-1", 375), ("0.5", 187), ("-0.25", 187), ("0.125", 1)];
    let mut adds: Vec<String> =
        kinds.iter().flat_map(|(value, count)| vec![message("add", value); *count]).collect();
    adds.rotate_left(sender * 131);
    adds
}
const SUM: f64 = 500.0 - 375.0 + 187.0 * 0.25 + 0.125;

/// 80,000 adds of eight senders, half of them by UDP, on four workers; between rounds nothing waits in a socket.
#[test]
fn no_add_is_lost_with_many_workers_and_senders() {
    const ROUNDS: usize = 8;
    const SENDERS: usize = 8;
    let server = Server::start(&["-workers", "4", ONE_SERIES]);
    let mut clients: Vec<Client> = (0..SENDERS / 2).map(|_| server.connect("ms.sock")).collect();
    for round in 1..=ROUNDS {
        // New ports each time, so that each worker gets some.
        let sockets: Vec<UdpSocket> =
            (0..SENDERS / 2).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        thread::scope(|scope| {
            for (sender, client) in clients.iter_mut().enumerate() {
                scope.spawn(move || {
                    adds(sender).chunks(7).for_each(|some| client.send(some.concat().as_bytes()));
                });
            }
            for (sender, socket) in sockets.iter().enumerate() {
                let server = &server;
                scope.spawn(move || {
                    for some in adds(sender + SENDERS / 2).chunks(50) {
                        let datagram = some.concat();
                        socket.send_to(datagram.as_bytes(), ("127.0.0.1", server.udp)).unwrap();
                        server.sent.note_udp(1, datagram.len() as u64);
                    }
                });
            }
        });
        let page = server.settled();
        assert_eq!(page.refused(), 0);
        assert_eq!(jobs(&page), (round * SENDERS) as f64 * SUM, "after round {round}");
    }
    let page = server.settled();
    assert_eq!(page.own("processed_metrics_total{type=\"add\"}"), 80_000);
    server.stop();
}

/// What comes from one socket counts in its order, also where all of it comes in one read: the first time, when
/// messages are parsed, and when they are known.
#[test]
fn sets_and_adds_of_one_socket_keep_their_order() {
    for workers in ["1", "4"] {
        let server = Server::start(&["-workers", workers, ONE_SERIES]);
        let mut client = server.connect("ms.sock");
        for round in 1..=20 {
            let end = format!("{round}.5");
            let script = [
                ("add", "1"),
                ("set", "5"),
                ("add", "1"),
                ("add", "1"),
                ("set", "5"),
                ("set", "3"),
                ("add", "-4"),
                ("add", end.as_str()),
            ];
            let text: String = script.iter().map(|(op, value)| message(op, value)).collect();
            let now = 3.0 - 4.0 + f64::from(round) + 0.5;
            client.send(text.as_bytes());
            assert_eq!(jobs(&server.settled()), now, "by unix socket, {workers} workers");
            server.send_udp(&text);
            assert_eq!(jobs(&server.settled()), now, "by UDP, {workers} workers");
            client.send((message("add", "0.5") + &message("set", "-8")).as_bytes());
            assert_eq!(jobs(&server.settled()), -8.0, "{workers} workers");
        }
        server.stop();
    }
}

/// A set wins over what every worker has added before, and what every worker adds after counts from it. The kernel
/// spreads ports over workers, so these sixteen are never all one worker's.
#[test]
fn a_set_of_any_worker_begins_anew_for_all() {
    const SENDERS: usize = 16;
    let server = Server::start(&["-workers", "4", ONE_SERIES]);
    let sockets: Vec<UdpSocket> =
        (0..SENDERS).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    let send = |socket: &UdpSocket, message: &str| {
        socket.send_to(message.as_bytes(), ("127.0.0.1", server.udp)).unwrap();
        server.sent.note_udp(1, message.len() as u64);
    };
    let mut client = server.connect("ms.sock");
    for round in 0..2 * SENDERS {
        send(&sockets[round % SENDERS], &message("set", &round.to_string()));
        assert_eq!(jobs(&server.settled()), round as f64);
        for socket in &sockets {
            send(socket, &message("add", "1.25"));
        }
        client.send(message("add", "-0.5").as_bytes());
        let added = 1.25 * SENDERS as f64 - 0.5;
        assert_eq!(jobs(&server.settled()), round as f64 + added, "round {round}");
    }
    server.stop();
}

#[test]
fn an_add_is_refused_where_a_set_would_be() {
    let server = Server::start(&["-workers", "1", ONE_SERIES]);
    let obs = r#"{"name":"h","op":"obs","buckets":2,"value":1}"#;
    server.send_unix(inc("c") + obs);
    server.settled();
    let mut text = String::new();
    for name in ["c", "h"] {
        writeln!(text, r#"{{"name":"{name}","op":"add","value":1}}"#).unwrap();
    }
    for value in ["1e999", "true", "[]", "\"x\"", "NaN"] {
        writeln!(text, r#"{{"name":"g","op":"add","value":{value}}}"#).unwrap();
    }
    text += r#"{"name":"0","op":"add","value":1}{"name":"g","op":"Add","value":1}"#;
    server.send_unix(&text);
    let page = server.settled();
    let refused =
        |reason: &str| page.own(&format!("messages_rejected_total{{reason=\"{reason}\"}}"));
    assert_eq!(refused("type_conflict"), 2);
    assert_eq!(refused("value") + refused("syntax"), 5);
    assert_eq!((refused("name"), refused("op")), (1, 1));
    assert_eq!(page.get("g"), None);
    // Without a value it is 0, as for the other ops; a type is no field of the server's.
    server
        .send_unix(r#"{"name":"g","op":"add"}{"name":"g","type":"gauge","op":"add","value":"-2"}"#);
    let page = server.settled();
    assert!(page.user().contains("# TYPE g gauge\ng -2\n"), "{}", page.user());
    server.send_unix(inc("g"));
    assert_eq!(server.settled().own("messages_rejected_total{reason=\"type_conflict\"}"), 3);
    server.stop();
}
