//! The server's own code panics while it processes a message.

use std::time::Duration;

use metrics_server::testing::planted::Fault;

use crate::books;
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

pub(crate) const IN_A_WORKER: Row = Row {
    name: "F10",
    what: "a worker panics at each 10,000th datagram; 10 times, and then once more within the minute",
    holds: "each panic costs the one message and is counted, all others count, scrapes are answered; with the 11th \
            the server ends with status 1",
    planted: Fault::PanicUncounted,
    run: || {
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
        held.read_rest(); // a server that gives itself up leaves these, and no kernel counts them
        assert_eq!(exit.code, Some(1), "{}", exit.stderr);
        format!(
            "{sent} datagrams, {panics} panics, {panics} messages lost and counted; then status 1"
        )
    },
};
