//! Nobody reads what the server writes to stderr.

use std::process::Command;
use std::time::Duration;

use metrics_server::testing::planted::Fault;

use crate::books;
use crate::common::inc;
use crate::common::server::{BASE, Server};
use crate::common::wait::until;
use crate::flood::Flood;
use crate::row::Row;

/// Lines that find the log's queue full, behind those that fill the pipe and the queue.
const SUPPRESSED: u64 = 20_000;

pub(crate) const FULL: Row = Row {
    name: "F16",
    what: "stderr is a pipe that nobody reads any more, and `-debug` logs each message",
    holds: "no datagram is dropped, all messages count, scrapes are answered, lines that find no room are counted, \
            SIGTERM ends the server with status 0",
    planted: Fault::LogWaits,
    run: || {
        let server = start();
        let datagrams = Flood::udp(&server, Duration::from_micros(500), |_| inc("datagram"));
        let streamed = Flood::unix(&server, Duration::from_micros(500), |_| inc("stream"));
        let suppressed = until("the pipe and the log's queue are full", || {
            let lines = server.scrape().own("log_suppressed_total");
            if lines > SUPPRESSED { Ok(lines) } else { Err(format!("{lines} lines suppressed")) }
        });
        let sent = (datagrams.stop(), streamed.stop());
        let page = books::closed(&server);
        assert_eq!(page.own_sum("udp_kernel_drops_total"), 0);
        assert_eq!((page.accepted(), page.refused()), (sent.0 + sent.1, 0));
        server.stop();
        format!(
            "{} datagrams and {} messages by streams; {suppressed} lines suppressed",
            sent.0, sent.1
        )
    },
};

/// A server whose first lines are passed on, up to the last of its start; then nobody reads.
fn start() -> Server {
    let args = [&BASE[..], &["-workers", "2", "-debug"]].concat();
    let mut shell = Command::new("bash");
    let unread = r#"exec "$0" "$@" 2> >(sed -u '/Expose metrics/q' >&2; exec >/dev/null 2>&1; while kill -0 $$; do sleep 1; done)"#;
    shell.args(["-c", unread, env!("CARGO_BIN_EXE_metrics-server")]).args(&args);
    Server::start_command(shell, &args)
}
