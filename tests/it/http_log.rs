//! What the log says of clients of the HTTP port.

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpStream};

use crate::common::server::Server;
use crate::common::{http, wait};

/// A page of more than a megabyte, of which the sockets' buffers hold a part, and readers that take nothing of it.
#[test]
fn a_response_that_is_given_up_is_logged_with_its_peer_once_for_many() {
    const READERS: usize = 4;
    let server = Server::start(&["-source-labels=false", "-scrape-timeout", "2s"]);
    let mut client = server.connect("ms.sock");
    for number in 0..1_000 {
        let message = format!(
            r#"{{"name":"c","op":"inc","value":1,"labels":{{"number":"{number:01000}"}}}}"#
        );
        client.send(message.as_bytes());
    }
    drop(client);
    assert_eq!(server.settled().own("http_slow_readers_total"), 0);

    let head = http::head("GET", "/metrics", &[]);
    let connect = |_| {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.http)).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    let readers: Vec<TcpStream> = (0..READERS).map(connect).collect();
    wait::until("all are given up", || {
        let given_up = server.scrape().own("http_slow_readers_total");
        if given_up == READERS as u64 { Ok(()) } else { Err(given_up.to_string()) }
    });

    let lines: Vec<String> = server
        .stop()
        .stderr
        .lines()
        .filter(|line| line.contains("gave up a response"))
        .map(str::to_owned)
        .collect();
    let [line] = &lines[..] else { panic!("one line is enough: {lines:#?}") };
    let peers = readers.iter().map(|reader| reader.local_addr().unwrap().to_string());
    assert!(peers.into_iter().any(|peer| line.contains(&format!("to {peer}: "))), "{line}");
}
