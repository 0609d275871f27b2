//! `-remote`: what goes to the far end, and what happens when there is none.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};

use crate::common::server::temp_dir;
use crate::common::wait::{DEADLINE, until, until_true};
use crate::common::{Page, Server, inc, ports};
use serde_json::Value;

/// A socket in place of the far end.
struct FarEnd {
    socket: UdpSocket,
    address: String,
}

/// A socket beside which others may be bound to the same port.
fn bind_shared(port: u16) -> UdpSocket {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], port)).into()).expect("a free port");
    socket.into()
}

impl FarEnd {
    fn new() -> Self {
        Self::at(0)
    }

    fn at(port: u16) -> Self {
        let socket = bind_shared(port);
        socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let address = socket.local_addr().unwrap().to_string();
        Self { socket, address }
    }

    /// Keeps the port from others without receiving there: connected to somebody else, it takes nothing from here.
    fn keep_port(&self) -> UdpSocket {
        let keeper = bind_shared(self.socket.local_addr().unwrap().port());
        keeper.connect("127.0.0.1:9").unwrap();
        keeper
    }

    /// The next datagram that is not empty: empty ones only ask whether somebody is there.
    fn datagram(&self) -> (String, SocketAddr) {
        let mut bytes = vec![0; 65_536];
        loop {
            let (len, from) = self.socket.recv_from(&mut bytes).expect("a datagram in time");
            if len > 0 {
                return (String::from_utf8(bytes[..len].to_vec()).unwrap(), from);
            }
        }
    }

    /// Datagrams with so many rows in all.
    fn datagrams(&self, rows: usize) -> Vec<(String, SocketAddr)> {
        let (mut all, mut have) = (Vec::new(), 0);
        while have < rows {
            all.push(self.datagram());
            have += all.last().unwrap().0.lines().count();
        }
        assert_eq!(have, rows);
        all
    }

    /// So many rows, in the order of their text.
    fn rows(&self, rows: usize) -> Vec<String> {
        let datagrams = self.datagrams(rows);
        let mut all: Vec<_> =
            datagrams.iter().flat_map(|(text, _)| text.lines().map(str::to_owned)).collect();
        all.sort();
        all
    }

    /// Nothing more is there.
    fn is_silent(&self) {
        self.socket.set_nonblocking(true).unwrap();
        let mut bytes = [0; 1024];
        while let Ok(len) = self.socket.recv(&mut bytes) {
            assert_eq!(len, 0, "{}", String::from_utf8_lossy(&bytes[..len]));
        }
    }
}

fn router(far_end: &str, more: &[&str]) -> Server {
    Server::start(&[&["-remote", far_end][..], more].concat())
}

fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_owned()
}

/// A row of a message that came to `ms.sock` and to no router before, from its parts before and after the labels that
/// are added.
fn row(before: &str, labels: &str, after: &str) -> String {
    let host = host_name();
    format!(
        r#"{{{before},"labels":{{"data_source":"ms.sock","instance":"{host}","source_app":"ms"{labels}}},{after},"hops":1}}"#
    )
}

fn delivered(page: &Page) -> u64 {
    page.own(r#"sink_rows_delivered_total{sink="remote"}"#)
}

fn dropped(page: &Page) -> u64 {
    page.own_sum("sink_rows_dropped_total")
}

fn forwarded(page: &Page) -> BTreeMap<String, u64> {
    let all = page.own_family("forwarded_metrics_total");
    all.into_iter().filter(|(_, count)| *count > 0).collect()
}

/// The page once so many rows are delivered.
fn once_delivered(server: &Server, rows: u64) -> Page {
    until("rows are delivered", || {
        let page = server.scrape();
        if delivered(&page) == rows { Ok(page) } else { Err(delivered(&page).to_string()) }
    })
}

/// Whatever came to a router is somewhere. A page is not of one instant, so the books close once nothing is queued.
fn books_close(server: &Server) -> Page {
    until("the books close", || {
        let page = server.scrape();
        let sum = |family| page.own_sum(family);
        let enqueued = sum("sink_rows_enqueued_total");
        let settled = [delivered(&page), sum("sink_rows_rejected_total"), dropped(&page)];
        let queued = sum("sink_queue_rows");
        if queued == 0 && enqueued == settled.iter().sum::<u64>() {
            Ok(page)
        } else {
            Err(format!("{enqueued}: {settled:?} and {queued} queued"))
        }
    })
}

const FORMS: &str = r#"{"name":"f1","labels":{"b":"2","a":"1"},"op":"inc","value":1.0}
{"name":"f2","help":"h <b>&\" \\ \n \u2028 é","labels":{"instance":"mine","x":"<&>'\u0001\t"},"op":"set","value":0.1}
{"name":"f3","op":"obs","buckets":5,"bucket_custom":[1,2.5,1e21],"bucket_width":0.5,"bucket_factor":2,"bucket_min":1,"bucket_max":2,"bucket_start":3,"value":1e21,"timestamp":"2024-01-02T03:04:05.123456789+02:00","index":"idx"}
{"name":"f4","op":"set","value":1e-7}
{"name":"f5","op":"set","value":123456789}
{"name":"f6","op":"set","value":100000000000000000000}
{"name":"f7","op":"set","value":-0.0}
{"name":"f8","op":"set","value":0}
{"name":"f9","value":"bad","op":"inc"}
{bad json}
{"op":"inc","value":-1,"name":"neg"}
{"unknown":1,"name":"f10","op":"weird","value":0.000001}
{"name":"f11","op":"raw","value":1}
{"name":"f12","op":"event","labels":null,"value":1}
{"name":"f13","op":"index","index":"i","value":1}
"#;

#[test]
fn messages_arrive_as_the_original_sends_them() {
    let far_end = FarEnd::new();
    let server = router(&far_end.address, &["-remote-datagram-bytes", "0"]);
    server.send_unix(FORMS);
    let page = server.settled();
    let mut expected = vec![
        row(r#""name":"f1""#, "", r#""op":"inc","value":1"#)
            .replace("\"labels\":{", r#""labels":{"a":"1","b":"2","#),
        row(
            r#""name":"f2""#,
            r#","x":"\u003c\u0026\u003e'\u0001\t""#,
            r#""op":"set","help":"h \u003cb\u003e\u0026\" \\ \n \u2028 é","value":0.1"#,
        ),
        row(
            r#""name":"f3""#,
            "",
            concat!(
                r#""op":"obs","index":"idx","buckets":5,"bucket_custom":[1,2.5,1e+21],"bucket_width":0.5,"#,
                r#""bucket_factor":2,"bucket_min":1,"bucket_max":2,"bucket_start":3,"value":1e+21,"#,
                r#""timestamp":"2024-01-02T03:04:05.123456789+02:00""#
            ),
        ),
        row(r#""name":"f4""#, "", r#""op":"set","value":1e-7"#),
        row(r#""name":"f5""#, "", r#""op":"set","value":123456789"#),
        row(r#""name":"f6""#, "", r#""op":"set","value":100000000000000000000"#),
        row(r#""name":"f7""#, "", r#""op":"set","value":-0"#),
        row(r#""name":"f8""#, "", r#""op":"set","value":0"#),
        row(r#""name":"f11""#, "", r#""op":"raw","value":1"#),
        row(r#""name":"f12""#, "", r#""op":"event","value":1"#),
        row(r#""name":"f13""#, "", r#""op":"index","index":"i","value":1"#),
    ];
    expected.sort();
    let datagrams = far_end.datagrams(expected.len());
    assert!(datagrams.iter().all(|(text, _)| text.lines().count() == 1 && !text.ends_with('\n')));
    let mut got: Vec<_> = datagrams.into_iter().map(|(text, _)| text).collect();
    got.sort();
    assert_eq!(got, expected);
    far_end.is_silent();
    let counts = [
        ("", 1),
        ("event", 1),
        ("inc", 3),
        ("index", 1),
        ("obs", 1),
        ("other", 1),
        ("raw", 1),
        ("set", 6),
    ];
    let counts = counts.map(|(op, count)| (format!(r#"{{type="{op}"}}"#), count));
    assert_eq!(forwarded(&page), BTreeMap::from(counts));
    assert_eq!(page.own_sum("processed_metrics_total"), 0);
    assert_eq!(page.user(), "");
    let reasons = [("value", 1), ("syntax", 1), ("negative_increment", 1), ("op", 1)];
    for (reason, count) in reasons {
        assert_eq!(page.rejected(reason), count, "{reason}");
    }
    once_delivered(&server, 11);
    books_close(&server);
}

#[test]
fn through_two_servers_a_message_keeps_its_labels_and_the_name_of_the_first_host() {
    let global = Server::start(&[]);
    let far_end = format!("127.0.0.1:{}", global.udp);
    let local = router(&far_end, &["-extra-labels", "app:cron,instance:mine"]);
    local.send_udp(r#"{"name":"m","labels":{"a":"b","app":"x"},"op":"inc","value":2}"#);
    local.send_unix(r#"{"name":"m","labels":{"a":"b","instance":"mine"},"op":"inc","value":3}"#);
    let host = host_name();
    let expected = format!(
        r#"m{{a="b",app="cron",data_source="127.0.0.1:0",instance="{host}",source_app="127.0.0.1:0"}} 5"#
    );
    until_true("both messages count at the far end", || global.scrape().text.contains(&expected));
    let page = local.settled();
    assert_eq!(page.user(), "");
    assert_eq!(forwarded(&page), BTreeMap::from([(r#"{type="inc"}"#.to_owned(), 2)]));
    assert_eq!(global.scrape().own(r#"processed_metrics_total{type="inc"}"#), 2);
}

#[test]
fn the_instance_of_a_router_has_the_name_that_is_asked_for_or_none() {
    let rest = r#"data_source="127.0.0.1:0",source_app="127.0.0.1:0"}"#;
    let named = r#"data_source="127.0.0.1:0",instance="edge-1",source_app="127.0.0.1:0"}"#;
    for (name, labels) in [("edge-1", named), ("", rest)] {
        let global = Server::start(&[]);
        let far_end = format!("127.0.0.1:{}", global.udp);
        let local = router(&far_end, &["-remote-instance", name]);
        local.send_udp(r#"{"name":"m","op":"inc","value":2}"#);
        let expected = format!("m{{{labels} 2");
        until_true("it counts at the far end", || global.scrape().text.contains(&expected));
        local.stop();
        global.stop();
    }
}

#[test]
fn what_kills_the_original_does_no_harm_on_either_side() {
    let mut global = Server::start(&[]);
    let mut local = router(&format!("127.0.0.1:{}", global.udp), &[]);
    local.send_unix(r#"{"name":"n","labels":null,"op":"inc","value":1}"#);
    local.send_unix(r#"{"name":"neg","op":"inc","value":-1}"#);
    local.send_unix(r#"{"name":"h","op":"obs","value":1,"bucket_custom":[2,1]}"#);
    let page = until("the far end has judged both", || {
        let page = global.scrape();
        if page.framed() == 2 { Ok(page) } else { Err(page.framed().to_string()) }
    });
    assert_eq!((page.accepted(), page.rejected("bucket_params")), (1, 1));
    assert_eq!(local.settled().rejected("negative_increment"), 1);
    assert!(local.is_alive() && global.is_alive());
}

#[test]
fn rows_are_joined_up_to_the_bound_and_longer_ones_go_alone() {
    let far_end = FarEnd::new();
    let server = router(&far_end.address, &["-remote-sockets", "1"]);
    let long = format!(
        r#"{{"name":"long","op":"inc","labels":{{"v":"{}"}},"value":1}}"#,
        "x".repeat(20_000)
    );
    let many: String = (0..200).map(|n| inc(&format!("m{n}"))).collect();
    server.send_unix(format!("{many}{long}{many}"));
    let datagrams = far_end.datagrams(401);
    let mut joined = 0;
    for (text, _) in &datagrams {
        text.lines().for_each(|line| drop(serde_json::from_str::<Value>(line).unwrap()));
        if text.lines().count() == 1 && text.len() > 1432 {
            assert!(text.len() > 20_000);
        } else {
            assert!(text.len() <= 1432, "{}", text.len());
            joined = joined.max(text.lines().count());
        }
    }
    assert!(joined > 8, "{joined}");
    // All came by one socket, so they are in order.
    let names: Vec<String> = datagrams
        .iter()
        .flat_map(|(text, _)| text.lines())
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["name"].to_string())
        .collect();
    assert_eq!(
        (&names[0][..], &names[200][..], &names[400][..]),
        ("\"m0\"", "\"long\"", "\"m199\"")
    );
    assert_eq!(names[..200], names[201..]);
}

#[test]
fn a_row_that_no_datagram_holds_is_rejected_and_the_others_go() {
    let far_end = FarEnd::new();
    let server = router(&far_end.address, &[]);
    // It fits as it comes, and no longer with the labels that are added.
    let empty = r#"{"name":"big","labels":{"v":""},"op":"inc","value":1}"#;
    let long = empty.replace(r#""v":""#, &format!(r#""v":"{}"#, "x".repeat(65_500 - empty.len())));
    server.send_unix(&long);
    server.send_unix(inc("ma"));
    assert_eq!(far_end.rows(1), [row(r#""name":"ma""#, "", r#""op":"inc","value":1"#)]);
    once_delivered(&server, 1);
    let page = books_close(&server);
    assert_eq!(page.own(r#"sink_rows_rejected_total{reason="too_long",sink="remote"}"#), 1);
    assert_eq!(forwarded(&page), BTreeMap::from([(r#"{type="inc"}"#.to_owned(), 2)]));
}

#[test]
fn a_far_end_that_is_not_there_yet_gets_everything_once_it_is() {
    let port = ports::free();
    let server = router(&format!("127.0.0.1:{port}"), &[]);
    for name in ["ma", "mb", "ma", "mb", "ma"] {
        server.send_unix(inc(name));
    }
    let refused = || server.scrape().own(r#"remote_send_errors_total{errno="ECONNREFUSED"}"#);
    until_true("the port has refused twice", || refused() >= 2);
    let page = server.settled();
    assert_eq!(page.own(r#"sink_up{sink="remote"}"#), 0);
    assert_eq!((delivered(&page), page.own_sum("sink_queue_rows")), (0, 5));
    assert_eq!(forwarded(&page), BTreeMap::from([(r#"{type="inc"}"#.to_owned(), 5)]));
    let far_end = FarEnd::at(port);
    let rows = far_end.rows(5);
    assert_eq!(rows.iter().filter(|row| row.contains(r#""name":"mb""#)).count(), 2);
    far_end.is_silent();
    let page = once_delivered(&server, 5);
    assert_eq!(page.own(r#"sink_up{sink="remote"}"#), 1);
    server.find_line(|line| line.contains("no server receives there")).expect("a line");
}

#[test]
fn a_far_end_that_goes_away_and_comes_back_costs_no_more_than_the_first_datagrams() {
    let far_end = FarEnd::new();
    let port = far_end.socket.local_addr().unwrap().port();
    let server = router(&far_end.address, &["-remote-sockets", "1"]);
    server.send_unix(inc("before"));
    far_end.rows(1);
    let _kept = far_end.keep_port();
    drop(far_end);
    let refused = || server.scrape().own(r#"remote_send_errors_total{errno="ECONNREFUSED"}"#);
    // The first goes out and is refused; the second is met by that refusal, and waits.
    server.send_unix(inc("lost"));
    once_delivered(&server, 2);
    server.send_unix(inc("kept"));
    until_true("the port has refused", || refused() >= 2);
    let far_end = FarEnd::at(port);
    assert!(far_end.rows(1)[0].contains("kept"));
    far_end.is_silent();
    once_delivered(&server, 3);
    books_close(&server);
}

#[test]
fn a_name_that_does_not_resolve_is_tried_again_and_ends_nothing() {
    let server = router("name.invalid:9999", &["-sink-flush-timeout", "100ms"]);
    server.send_unix(inc("ma"));
    server.find_line(|line| line.contains("cannot be resolved")).expect("a warning");
    until_true("it is tried again", || {
        server.scrape().own(r#"sink_requests_total{outcome="retried",sink="remote"}"#) >= 2
    });
    let page = server.settled();
    assert_eq!(page.own(r#"sink_queue_rows{sink="remote"}"#), 1);
    assert_eq!(server.health(), Some(200));
    server.stop();
}

#[test]
fn a_far_end_that_is_no_address_or_the_server_itself_is_refused_at_the_start() {
    let dir = temp_dir();
    for (text, cause) in [
        ("127.0.0.1", "missing port"),
        ("127.0.0.1:0", "port 0"),
        ("127.0.0.1:99999", "above 65535"),
        (":port", "no number"),
    ] {
        let args = [&crate::common::server::BASE[..], &["-remote", text]].concat();
        let check = [&args[..], &["-check-config"]].concat();
        for args in [args, check] {
            let exit = Server::try_start(dir.path(), &args).unwrap_err();
            assert_eq!(exit.code, Some(2), "{exit:?}");
            assert!(exit.stderr.contains("-remote") && exit.stderr.contains(cause), "{exit:?}");
        }
    }
    let port = ports::free();
    for (udp, remote) in [
        (format!("127.0.0.1:{port}"), format!("127.0.0.1:{port}")),
        (format!(":{port}"), format!("localhost:{port}")),
        (format!(":{port}"), format!(":{port}")),
        (format!(":{port}"), format!("[::1]:{port}")),
    ] {
        let args = ["-socket", "127.0.0.1:0", "-uds", "ms.sock", "-udp", &udp, "-remote", &remote];
        let check = [&args[..], &["-check-config"]].concat();
        for args in [&args[..], &check] {
            let exit = Server::try_start(dir.path(), args).unwrap_err();
            assert_eq!(exit.code, Some(1), "{args:?} {exit:?}");
            let told = ["-remote", "-udp", &udp, "this server's own"];
            assert!(told.iter().all(|part| exit.stderr.contains(part)), "{args:?} {exit:?}");
        }
    }
}

#[test]
fn a_shutdown_is_obeyed_here_and_what_comes_in_its_delay_is_forwarded() {
    let far_end = FarEnd::new();
    let server = router(&far_end.address, &["-shutdown-delay", "1h"]);
    server.send_unix(r#"{"op":"shutdown"}"#);
    until_true("health changes", || server.health() == Some(503));
    server.send_unix(inc("ma"));
    assert_eq!(far_end.rows(1), [row(r#""name":"ma""#, "", r#""op":"inc","value":1"#)]);
    let page = server.settled();
    assert_eq!(forwarded(&page), BTreeMap::from([(r#"{type="inc"}"#.to_owned(), 1)]));
    assert_eq!(page.own(r#"messages_accepted_total{op="shutdown"}"#), 1);
    far_end.is_silent();
}

#[test]
fn what_is_queued_at_the_end_still_goes() {
    let far_end = FarEnd::new();
    let server = router(&far_end.address, &[]);
    let rows = 2_000;
    server.send_unix((0..rows).map(|n| inc(&format!("m{n}"))).collect::<String>());
    server.stop();
    assert_eq!(far_end.rows(rows).len(), rows);
}
