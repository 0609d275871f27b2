//! The server is stopped while everybody sends.

use std::time::Duration;

use metrics_server::testing::planted::Fault;

use crate::books::NetworkBooks;
use crate::common::peer::Peer;
use crate::common::search::{self, SOON, bulks, well};
use crate::common::wait;
use crate::common::{Server, inc};
use crate::flood::Flood;
use crate::row::Row;

const STOPS: u32 = 15;

pub(crate) const UNDER_FLOOD: Row = Row {
    name: "F2",
    what: "SIGTERM while two senders of datagrams and two of streams send as fast as they can, some of it rows \
           (scaled down: 15 times, not a hundred)",
    holds: "status 0; each message that was sent before the sockets were sealed is counted, each later datagram is \
            counted as dropped, each row is at the far end once, nothing is unread in a socket that closes",
    planted: Fault::StopsWithoutDrain,
    run: || {
        let peer = Peer::start(well);
        let (mut datagrams, mut dropped, mut streamed, mut rows) = (0, 0, 0, 0);
        for _ in 0..STOPS {
            let books = NetworkBooks::open();
            let stop = Stopped::under_flood(&peer);
            let network = books.close();
            assert_eq!(network.read, stop.datagrams, "datagrams that the server says it has read");
            assert!(network.dropped >= stop.kernel_drops, "{network:?}");
            assert_eq!(stop.messages, stop.datagrams + stop.streamed, "messages");
            assert_eq!(stop.accepted, stop.messages);
            datagrams += network.sent;
            dropped += network.dropped + network.no_port;
            streamed += stop.streamed;
            rows += stop.rows;
        }
        let mut arrived: Vec<_> = bulks(&peer).concat().into_iter().map(|row| row.id).collect();
        let all = arrived.len() as u64;
        arrived.sort();
        arrived.dedup();
        assert_eq!((all, arrived.len() as u64), (rows, rows), "rows, and different ones");
        format!(
            "{STOPS} stops; {datagrams} datagrams, {dropped} of them counted as dropped; {streamed} messages by \
             streams, {rows} of them rows; 0 unread"
        )
    },
};

/// What one server says at its end, and what was sent to it.
struct Stopped {
    datagrams: u64,
    messages: u64,
    accepted: u64,
    kernel_drops: u64,
    /// Messages that were written to its unix socket with success.
    streamed: u64,
    /// How many of them are rows.
    rows: u64,
}

impl Stopped {
    fn under_flood(peer: &Peer) -> Self {
        let flags = [&SOON[..], &["-workers", "2", "-sink-flush-timeout", "30s"]].concat();
        let mut server = search::server(peer, &flags);
        let udp = [0, 1].map(|_| Flood::udp(&server, Duration::ZERO, |_| inc("datagram")));
        let counters = Flood::unix(&server, Duration::ZERO, |_| inc("stream"));
        let rows = Flood::unix(&server, Duration::from_micros(200), |_| search::message("", 1));
        wait::until_true("the flood is counted", || in_full_flood(&server));
        server.signal("TERM");
        let exit = server.wait_exit();
        let rows = rows.stop();
        let streamed = counters.stop() + rows;
        drop(udp); // those of the last microseconds are in nobody's count but the kernel's
        assert_eq!(exit.code, Some(0), "{exit:?}");
        let [datagrams, messages, accepted, _, kernel_drops, unread] = totals(&exit.stderr);
        assert_eq!(unread, 0, "a server that is told to stop reads all that it has let in");
        Self { datagrams, messages, accepted, kernel_drops, streamed, rows }
    }
}

fn in_full_flood(server: &Server) -> bool {
    let page = server.scrape();
    let rows = page.own(r#"messages_accepted_total{op="index"}"#);
    page.own("datagrams_received_total") > 5_000 && rows > 100
}

/// The numbers of the line that a server ends with: datagrams read, messages, accepted, rejected, datagrams that
/// the kernel dropped, and those that were left unread.
pub(super) fn totals(stderr: &str) -> [u64; 6] {
    let line = stderr.lines().find_map(|line| line.split_once("Received ")).expect("a line").1;
    let numbers: Vec<u64> =
        line.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect();
    numbers.try_into().unwrap_or_else(|numbers| panic!("{line}: {numbers:?}"))
}
