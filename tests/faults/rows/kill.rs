//! The server is killed while everybody sends.

use std::collections::BTreeSet;
use std::time::Duration;

use metrics_server::testing::planted::Fault;

use crate::books;
use crate::common::inc;
use crate::common::peer::{Peer, Reply};
use crate::common::search::{self, Books, SOON, bulks, well};
use crate::common::server::{Server, temp_dir};
use crate::common::wait::until;
use crate::flood::Flood;
use crate::held::HeldSockets;
use crate::row::Row;

const KILLS: u64 = 15;

pub(crate) const UNDER_FLOOD: Row = Row {
    name: "F1",
    what: "SIGKILL while datagrams and rows come as fast as they can, with OpenSearch away and rows on disk; the \
           sockets are held by a parent; a new server takes over the directory (scaled down: 15 times, not a hundred)",
    holds: "what is queued in the sockets is left to whoever holds them; each row that stood on disk is found by the \
            next server, and all are delivered once OpenSearch is back; no row is stored twice",
    planted: Fault::SegmentsForgotten,
    run: || {
        let dir = temp_dir();
        let peer = Peer::start(|_| Reply::status(503, ""));
        let url = format!("http://127.0.0.1:{}", peer.port);
        let flags = [&SOON[..], &["-sink-queue-bytes", "1048576", "-workers", "2"]].concat();
        let start = || search::spilling(dir.path(), &url, &flags);
        let (mut left_in_sockets, mut datagrams) = (0, 0);
        let mut server = start();
        for _ in 0..KILLS {
            let held = HeldSockets::of(&server);
            let udp = Flood::udp(&server, Duration::ZERO, |_| inc("datagram"));
            let rows = Flood::unix(&server, Duration::ZERO, |_| row());
            let on_disk = on_disk(&server);
            server.signal("KILL");
            server.wait_exit();
            rows.stop();
            datagrams += udp.stop();
            left_in_sockets += held.read_rest();
            server = start();
            let found = Books::of(&server.scrape()).recovered;
            assert!(found >= on_disk, "{found} rows found of {on_disk} on disk");
        }
        let found = Books::of(&server.scrape()).recovered;
        peer.script(well);
        until("all rows are delivered", || {
            let books = Books::of(&server.scrape());
            if books.delivered == found { Ok(()) } else { Err(format!("{books:?}")) }
        });
        books::closed(&server);
        let stored: BTreeSet<String> =
            bulks(&peer).concat().into_iter().map(|document| document.id).collect();
        assert!(stored.len() as u64 >= found, "{} rows at the far end of {found}", stored.len());
        server.stop();
        format!(
            "{KILLS} kills; {datagrams} datagrams, {left_in_sockets} of them left in sockets and read by who held \
             them; {found} rows on disk, all delivered"
        )
    },
};

/// Waits until the server has written rows to disk in this life, and tells how many stand there.
fn on_disk(server: &Server) -> u64 {
    until("rows go to disk", || {
        let page = server.scrape();
        let books = Books::of(&page);
        let written = page.own(r#"sink_rows_spilled_total{sink="opensearch"}"#);
        if written > 500 { Ok(books.spilled) } else { Err(format!("{books:?}")) }
    })
}

/// A row of some length, so that memory is full soon.
fn row() -> String {
    let text = "x".repeat(700);
    format!(r#"{{"name":"event","op":"index","labels":{{"text":"{text}"}},"value":1}}"#)
}
