//! The bounds: past each the new is refused with its reason, and what stands keeps counting.

use crate::common::{Page, Server, inc};

/// A counter message with one label.
fn labelled(name: &str, value: &str) -> String {
    format!(r#"{{"name":"{name}","op":"inc","value":1,"labels":{{"l":"{value}"}}}}"#)
}

/// Sends and waits.
fn send(server: &Server, message: &str) -> Page {
    server.send_udp(message);
    server.settled()
}

/// The value of the counter with this name and label.
fn value(page: &Page, name: &str, label: &str) -> Option<f64> {
    page.get(&format!(r#"{name}{{l="{label}"}}"#))
}

const PLAIN: &str = "-source-labels=false";

#[test]
fn lines() {
    let server = Server::start(&[PLAIN, "-lines-max", "3"]);
    for label in ["1", "2", "3", "4", "5"] {
        send(&server, &labelled("c", label));
    }
    let page = send(&server, &labelled("c", "1"));
    assert_eq!(page.rejected("lines_limit"), 2);
    assert_eq!(value(&page, "c", "1"), Some(2.0));
    assert_eq!(value(&page, "c", "4"), None);
    server.stop();
}

#[test]
fn lines_of_a_histogram() {
    // Two bounds, +Inf, _sum and _count.
    let server = Server::start(&[PLAIN, "-lines-max", "5"]);
    send(&server, r#"{"name":"h","op":"obs","buckets":3,"value":1}"#);
    let page = send(&server, r#"{"name":"h","op":"obs","buckets":2,"value":1}"#);
    assert_eq!((page.rejected("lines_limit"), page.accepted()), (1, 1));
    assert_eq!(page.get("h_count"), Some(1.0));
    server.stop();
}

#[test]
fn lines_of_one_name() {
    let server = Server::start(&[PLAIN, "-name-lines-max", "2"]);
    for label in ["1", "2", "3"] {
        send(&server, &labelled("c", label));
        send(&server, &labelled("d", label));
    }
    let page = send(&server, &labelled("c", "2"));
    assert_eq!(page.rejected("name_lines_limit"), 2);
    assert_eq!(value(&page, "c", "2"), Some(2.0));
    assert_eq!(value(&page, "d", "3"), None);
    server.stop();
}

#[test]
fn memory() {
    let server = Server::start(&["-memory-max", "1048576", "-log-interval", "1h"]);
    let long = "x".repeat(1000);
    for number in 0..200 {
        let batch: Vec<String> =
            (0..20).map(|n| labelled("c", &format!("{number}-{n}-{long}"))).collect();
        server.send_udp(batch.join("\n"));
    }
    let page = server.settled();
    let refused = page.rejected("memory_limit");
    // 4,000 series of more than 1,000 bytes do not fit into a mebibyte; a good part of one is used.
    assert!((3000..3990).contains(&refused), "{refused} refused");
    assert_eq!(page.refused(), refused);
    assert!(page.own("memory_accounted_bytes") <= 1_048_576);
    let again = send(&server, &labelled("c", &format!("0-0-{long}")));
    assert_eq!(again.rejected("memory_limit"), refused, "what stands keeps counting");
    server.stop();
}

#[test]
fn labels() {
    let server = Server::start(&["-labels-max", "1"]);
    let page = send(&server, r#"{"name":"c","op":"inc","value":1,"labels":{"a":"1","b":"2"}}"#);
    assert_eq!(page.rejected("too_many_labels"), 1);
    server.stop();
}

#[test]
fn buckets() {
    let server = Server::start(&["-buckets-max", "4"]);
    let of = |name: &str, count: u32| {
        format!(r#"{{"name":"{name}","op":"obs","buckets":{count},"value":1}}"#)
    };
    let page = send(&server, &format!("{}{}", of("a", 4), of("b", 5)));
    assert_eq!((page.accepted(), page.rejected("bucket_params")), (1, 1));
    server.stop();
}

/// A message of exactly so many bytes.
fn message_of(name: &str, bytes: usize) -> String {
    let empty = labelled(name, "").len();
    labelled(name, &"x".repeat(bytes - empty))
}

#[test]
fn longest_datagram() {
    let server = Server::start(&[]);
    server.send_udp(message_of("big", 65_507));
    let page = send(&server, &inc("after"));
    assert_eq!((page.accepted(), page.refused()), (2, 0));
    assert_eq!(page.own("datagrams_truncated_total"), 0);
    let longer = crate::common::send::udp(&server.sent, server.udp, &vec![b'x'; 65_508]);
    assert!(longer.is_err(), "IPv4 has no longer datagrams");
    server.stop();
}

/// IPv6 carries 20 bytes more than IPv4.
#[test]
fn longest_datagram_of_ipv6() {
    let loopback = "[::1]:0";
    let client = match std::net::UdpSocket::bind(loopback) {
        Ok(client) => client,
        // A machine without IPv6 has no such datagrams.
        Err(error) => return assert!(error.to_string().contains("address"), "{error}"),
    };
    let server = Server::start_exact(&["-socket", "127.0.0.1:0", "-udp", loopback, "-uds", ""]);
    let message = message_of("big", 65_527);
    client.send_to(message.as_bytes(), ("::1", server.udp)).unwrap();
    server.sent.note_udp(1, 65_527);
    let page = server.settled();
    assert_eq!((page.accepted(), page.own("datagrams_truncated_total")), (1, 0));
    server.stop();
}

#[test]
fn longest_message_of_a_stream() {
    let server = Server::start(&[]);
    let bound = 131_072;
    for bytes in [65_054, 66_055, bound] {
        server.send_unix(message_of("big", bytes) + "\n" + &inc("after"));
    }
    let page = server.settled();
    assert_eq!((page.accepted(), page.refused()), (6, 0));
    // Without a line end behind it: the object's own end is found.
    server.send_unix(message_of("bigger", bound + 1) + &inc("after"));
    let page = server.settled();
    assert_eq!((page.accepted(), page.rejected("too_long"), page.refused()), (7, 1, 1));
    // A line that never ends but for a new message.
    server.send_unix(format!("{{\"name\":\"{}\n{}", "y".repeat(3 * bound), inc("after")));
    let page = server.settled();
    assert_eq!((page.accepted(), page.rejected("too_long"), page.refused()), (8, 2, 2));
    server.stop();
}

#[test]
fn message_bound_by_flag() {
    let server = Server::start(&["-message-max-bytes", "65536"]);
    server.send_unix(message_of("fits", 65_536));
    server.send_unix(message_of("too_long", 65_537) + &inc("after"));
    let page = server.settled();
    assert_eq!((page.accepted(), page.rejected("too_long")), (2, 1));
    server.stop();
}
