//! The server's own code panics while it processes a message.

use std::time::Duration;

use metrics_server::testing::planted::Fault;

use crate::books::{self, NetworkBooks};
use crate::common::inc;
use crate::common::wait::until;
use crate::flood::Flood;
use crate::held::HeldSockets;
use crate::planted;
use crate::row::Row;

/// As `Fault::PanicsNowAndThen` says.
const EACH: u64 = 10_000;
/// With one more within a minute the server ends itself.
const PANICS: u64 = 10;

/// The number before this text in the last line of the log.
fn before(log: &str, text: &str) -> u64 {
    let line = log.lines().rfind(|line| line.contains("Received ")).unwrap();
    line.split_once(text).unwrap().0.rsplit(' ').next().unwrap().parse().unwrap()
}

pub(crate) const IN_A_WORKER: Row = Row {
    name: "F10",
    what: "a worker panics at each 10,000th datagram; 10 times, and then once more within the minute",
    holds: "each panic costs the one message and is counted, all others count, scrapes are answered; with the 11th \
            the server ends with status 1",
    planted: Fault::PanicUncounted,
    run: || {
        let network = NetworkBooks::open();
        let mut server = planted::server_with(Fault::PanicsNowAndThen, &["-workers", "2"]);
        let flood = Flood::udp(&server, Duration::from_micros(20), |_| inc("datagram"));
        let last = PANICS * EACH;
        until("the panics have come", || {
            let read = server.scrape().own("datagrams_received_total");
            if read >= last { Ok(()) } else { Err(format!("{read} of {last} datagrams")) }
        });
        let sent = flood.stop();
        let page = books::closed(&server);
        let (read, panics) = (page.own("datagrams_received_total"), page.rejected("panic"));
        assert_eq!((panics, page.refused()), (read / EACH, panics));
        assert_eq!(page.accepted(), read - panics);
        assert!(server.is_alive());
        let held = HeldSockets::of(&server);
        let flood = Flood::udp(&server, Duration::from_micros(20), |_| inc("datagram"));
        let exit = server.wait_exit();
        flood.stop();
        assert_eq!(exit.code, Some(1), "{}", exit.stderr);
        assert_eq!(held.read_rest(), 0, "a server that gives itself up leaves nothing uncounted");
        let (read, left) =
            (before(&exit.stderr, " datagrams, "), before(&exit.stderr, " were left"));
        assert_eq!(network.so_far().read, read + left, "{}", exit.stderr);
        format!(
            "{sent} datagrams, {panics} panics, {panics} messages lost and counted; then status 1"
        )
    },
};
