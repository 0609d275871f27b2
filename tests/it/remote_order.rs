//! `-remote` keeps the order of one name's messages: the first at the far end is the first that came here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::UdpSocket;

use crate::common::Server;
use crate::common::wait::{DEADLINE, until};
use serde_json::Value;

fn router(far_end: &str, more: &[&str]) -> Server {
    Server::start(&[&["-remote", far_end][..], more].concat())
}

#[test]
fn the_first_message_of_a_name_decides_at_the_far_end_as_well() {
    const NAMES: usize = 300;
    let global = Server::start(&["-workers", "4"]);
    let local = router(&format!("127.0.0.1:{}", global.udp), &[]);
    // Only the first of a name's two series has a help and buckets.
    let two = |n: usize| {
        let bounds = format!("[1,2,{}]", n + 3);
        format!(
            r#"{{"name":"h{n}","op":"obs","labels":{{"s":"a"}},"help":"help {n}","bucket_custom":{bounds},"value":1}}
{{"name":"h{n}","op":"obs","labels":{{"s":"b"}},"value":1}}
"#
        )
    };
    local.send_unix((0..NAMES).map(two).collect::<String>());
    let page = until("all count at the far end", || {
        let page = global.scrape();
        if page.accepted() == 2 * NAMES as u64 { Ok(page) } else { Err(page.framed().to_string()) }
    });
    let is_right = |n: &usize| {
        let last_bound = format!(r#"le="{}""#, n + 3);
        let buckets =
            |line: &&str| line.starts_with(&format!("h{n}_bucket{{")) && line.contains(&last_bound);
        page.text.contains(&format!("# HELP h{n} help {n}\n"))
            && page.text.lines().filter(buckets).count() == 2
    };
    let right = (0..NAMES).filter(is_right).count();
    assert_eq!(right, NAMES, "have help and buckets of their first message");
    assert_eq!(page.coerced("buckets_ignored"), 0);
}

/// A row that came, and the port that it came from.
struct Arrived {
    row: Value,
    port: u16,
}

/// So many rows, in the order in which they come.
fn arrivals(socket: &UdpSocket, rows: usize) -> Vec<Arrived> {
    let mut all = Vec::new();
    let mut bytes = vec![0; 65_536];
    while all.len() < rows {
        let (len, from) = socket.recv_from(&mut bytes).expect("a datagram in time");
        let text = std::str::from_utf8(&bytes[..len]).unwrap();
        let row = |line| Arrived { row: serde_json::from_str(line).unwrap(), port: from.port() };
        all.extend(text.lines().map(row));
    }
    all
}

#[test]
fn several_ports_share_the_load_and_each_name_keeps_to_one() {
    let far_end = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket2::SockRef::from(&far_end).set_recv_buffer_size(4 << 20).unwrap();
    far_end.set_read_timeout(Some(DEADLINE)).unwrap();
    let more = ["-remote-sockets", "4", "-remote-datagram-bytes", "400"];
    let server = router(&far_end.local_addr().unwrap().to_string(), &more);
    let (names, series, values) = (40, 2, 25);
    let mut client = server.connect("ms.sock");
    for value in 1..=values {
        let message = |n: usize| {
            let (name, series) = (n / series, n % series);
            format!(
                r#"{{"name":"g{name}","op":"set","labels":{{"s":"{series}"}},"value":{value}}}"#
            )
        };
        client.send((0..names * series).map(message).collect::<String>().as_bytes());
    }
    let mut ports = BTreeMap::<String, BTreeSet<u16>>::new();
    let mut came = BTreeMap::<String, Vec<(i64, String)>>::new();
    for Arrived { row, port } in arrivals(&far_end, names * series * values) {
        let name = row["name"].to_string();
        let which = (row["value"].as_i64().unwrap(), row["labels"]["s"].to_string());
        ports.entry(name.clone()).or_default().insert(port);
        came.entry(name).or_default().push(which);
    }
    assert_eq!(came.len(), names);
    assert!(came.values().all(|one| one.len() == series * values && one.is_sorted()), "{came:?}");
    assert!(ports.values().all(|ports| ports.len() == 1), "{ports:?}");
    let all: BTreeSet<_> = ports.into_values().flatten().collect();
    assert_eq!(all.len(), 4);
}
