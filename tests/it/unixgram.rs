//! Unix datagram sockets: what comes in by them is counted like any other message, and none is lost at the end.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;

use crate::common::wait::until;
use crate::common::{Page, Server, inc};

/// Sends to the server's socket of this name; a full queue makes it wait.
fn sender(server: &Server, name: &str) -> UnixDatagram {
    let socket = UnixDatagram::unbound().expect("a socket");
    socket.connect(server.path(name)).expect("the server's socket");
    socket
}

/// The page once so many datagrams were read and judged.
fn read(server: &Server, datagrams: u64) -> Page {
    until("all datagrams are read", || {
        let page = server.scrape();
        let read = page.own("unix_datagrams_received_total");
        if read == datagrams { Ok(page) } else { Err(format!("{read} of {datagrams}")) }
    })
}

#[test]
fn datagrams_count_like_other_messages() {
    let server = Server::start(&["-unixgram", "dg.sock, other.sock", "-workers", "2"]);
    for (name, times) in [("dg.sock", 3), ("other.sock", 2)] {
        let socket = sender(&server, name);
        for _ in 0..times {
            socket.send(inc("sent").as_bytes()).expect("room");
            socket.send(b"lines:1|c|#a:1\nlines:1|c|#a:1").expect("room");
        }
        socket.send(b"rubbish").expect("room");
        socket.send(b"odd:1|s").expect("room");
        socket.send(b"").expect("room");
    }
    let page = read(&server, 16);
    for (name, app, times) in [("dg.sock", "dg", 3.0), ("other.sock", "other", 2.0)] {
        let labels = format!(r#"data_source="{name}",source_app="{app}""#);
        assert_eq!(page.get(&format!("sent{{{labels}}}")), Some(times), "{}", page.user());
        let lines = format!(r#"lines{{a="1",{labels}}}"#);
        assert_eq!(page.get(&lines), Some(2.0 * times), "{}", page.user());
    }
    assert_eq!((page.accepted(), page.refused(), page.framed()), (15, 2, 17));
    assert_eq!(page.own("garbage_bytes_total"), 2 * "rubbish".len() as u64);
    let line = "lines:1|c|#a:1\nlines:1|c|#a:1".len();
    let bytes = 5 * (inc("sent").len() + line) + 2 * ("rubbish".len() + "odd:1|s".len());
    assert_eq!(page.own(r#"received_bytes_total{transport="unixgram"}"#), bytes as u64);
    assert_eq!(page.own("datagrams_received_total"), 0);
    server.stop();
}

/// What the kernel has taken before the end is counted; who sends later is told.
#[test]
fn what_waits_at_the_end_is_read() {
    let mut server = Server::start(&["-unixgram", "dg.sock"]);
    let socket = sender(&server, "dg.sock");
    socket.set_nonblocking(true).expect("a flag");
    server.suspend();
    let mut sent = 0;
    while socket.send(inc("queued").as_bytes()).is_ok() {
        sent += 1;
    }
    assert!(sent > 0, "the queue takes none");
    server.signal("TERM");
    server.signal("CONT");
    server.wait_exit();
    let totals = format!("{sent} messages: {sent} accepted, 0 rejected");
    assert!(server.stderr().contains(&totals), "{sent} were sent:\n{}", server.stderr());
    assert!(socket.send(inc("late").as_bytes()).is_err());
    assert!(!server.path("dg.sock").exists(), "the file stays");
}

#[test]
fn a_path_is_replaced_if_nobody_is_there() {
    let dir = crate::common::server::temp_dir();
    let stale = dir.path().join("dg.sock");
    drop(UnixDatagram::bind(&stale).expect("a socket"));
    let args = [
        "-udp",
        "",
        "-uds",
        "",
        "-socket",
        "127.0.0.1:0",
        "-uds-mode",
        "0660",
        "-unixgram",
        "dg.sock",
    ];
    let server = Server::must_start(dir.path(), &args);
    assert_eq!(std::fs::metadata(&stale).expect("a file").permissions().mode() & 0o777, 0o660);
    let refused = Server::try_start(dir.path(), &args).expect_err("the path is taken");
    assert!(refused.stderr.contains("a live server answers there"), "{}", refused.stderr);
    let args = ["-udp", "", "-uds", "dg.sock", "-socket", "127.0.0.1:0"];
    let refused = Server::try_start(dir.path(), &args).expect_err("the path is taken");
    assert!(refused.stderr.contains("a socket of another kind"), "{}", refused.stderr);
    server.stop();
}

/// `op: shutdown` is obeyed from such a socket as from one of streams.
#[test]
fn shutdown_is_obeyed() {
    let mut server = Server::start(&["-unixgram", "dg.sock"]);
    sender(&server, "dg.sock").send(br#"{"op":"shutdown"}"#).expect("room");
    server.wait_exit();
}
