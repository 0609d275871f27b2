//! A second server is started where one runs.

use std::path::PathBuf;
use std::time::Duration;

use metrics_server::testing::planted::Fault;

use crate::books;
use crate::common::inc;
use crate::common::server::{Server, temp_dir};
use crate::flood::Flood;
use crate::row::Row;

const ROUNDS: usize = 100;

pub(crate) const INSTANCE: Row = Row {
    name: "F17",
    what: "while everybody sends, further servers are started on the first one's UDP port, HTTP port or unix socket",
    holds: "each of them ends with status 1, and the first one gets every datagram and every byte",
    planted: Fault::JoinsPort,
    run: || {
        let first = Server::start(&["-workers", "2"]);
        let datagrams = Flood::udp(&first, Duration::from_micros(200), |_| inc("datagram"));
        let streamed = Flood::unix(&first, Duration::from_micros(200), |_| inc("stream"));
        let (udp, http) = (address(first.udp), address(first.http));
        let unix: PathBuf = first.path("ms.sock");
        for _ in 0..ROUNDS {
            for (udp, http, unix) in [
                (&*udp, "127.0.0.1:0", "own.sock"),
                ("127.0.0.1:0", &*http, "own.sock"),
                ("127.0.0.1:0", "127.0.0.1:0", unix.to_str().unwrap()),
            ] {
                let dir = temp_dir();
                let args = ["-udp", udp, "-socket", http, "-uds", unix];
                let exit = Server::try_start(dir.path(), &args).expect_err("a second server runs");
                assert_eq!(exit.code, Some(1), "{exit:?}");
            }
        }
        let sent = (datagrams.stop(), streamed.stop());
        let page = books::closed(&first);
        assert_eq!(page.own_sum("udp_kernel_drops_total"), 0);
        assert_eq!((page.accepted(), page.refused()), (sent.0 + sent.1, 0));
        first.stop();
        format!(
            "{} further servers; {} datagrams and {} messages by streams",
            3 * ROUNDS,
            sent.0,
            sent.1
        )
    },
};

fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}
