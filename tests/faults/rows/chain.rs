//! A router and its far end, which is restarted again and again.

use std::time::Duration;

use metrics_server::testing::planted::Fault;

use crate::books::{self, NetworkBooks};
use crate::common::page::Page;
use crate::common::server::{Server, temp_dir};
use crate::common::wait::until;
use crate::common::{inc, ports};
use crate::flood::Flood;
use crate::row::Row;
use crate::rows::stop::totals;

const RESTARTS: u64 = 8;
/// How long nobody serves the far end's port.
const GAP: Duration = Duration::from_millis(700);

pub(crate) const RESTARTED: Row = Row {
    name: "F18",
    what: "a router passes messages on by `-remote`; the far end stops and starts again, with a gap between",
    holds: "what the router counts as delivered counts at the far end, or the kernel has counted its datagram as \
            lost on the way; all else waits in the router; several of the far end's workers share the load",
    planted: Fault::RefusedIsDelivered,
    run: || {
        let books = NetworkBooks::open();
        let udp = format!("127.0.0.1:{}", ports::free());
        let mut far_end = start(&udp);
        // Each row is a datagram: so those that the kernel counts are rows.
        let router = Server::start(&["-udp", "", "-remote", &udp, "-remote-datagram-bytes", "0"]);
        let flood = Flood::unix(&router, Duration::from_micros(400), |number| {
            inc(&format!("series_{}", number % 50))
        });
        let mut arrived = 0;
        for restart in 1..=RESTARTS {
            until("rows arrive", || {
                let more = far_end.scrape().accepted();
                if more > 300 {
                    Ok(())
                } else {
                    Err(format!("{more} at the far end of life {restart}"))
                }
            });
            far_end.signal("TERM");
            let [_, _, accepted, ..] = totals(&far_end.wait_exit().stderr);
            arrived += accepted;
            std::thread::sleep(GAP); // while it is away, not while something is waited for
            far_end = start(&udp);
        }
        let sent = flood.stop();
        until("the router's queue is empty", || {
            let waiting = router.scrape().own_sum("sink_queue_rows");
            if waiting == 0 { Ok(()) } else { Err(format!("{waiting} rows wait")) }
        });
        let page = books::closed(&router);
        let delivered = page.own(r#"sink_rows_delivered_total{sink="remote"}"#);
        assert_eq!((page.accepted(), delivered), (sent, sent));
        let at_last = until("all is read", || {
            let (page, network) = (far_end.scrape(), books.so_far());
            let arrived = arrived + page.accepted();
            let lost = network.dropped + network.no_port;
            // Also datagrams without rows, by which the router asks whether somebody is there, may have been lost.
            let is_known = arrived <= delivered && delivered <= arrived + lost;
            if is_known { Ok(page) } else { Err(format!("{arrived} of {delivered}; {network:?}")) }
        });
        arrived += at_last.accepted();
        assert!((0..2).all(|worker| took_turns(&at_last, worker)), "one worker has all the load");
        far_end.stop();
        router.stop();
        format!(
            "{RESTARTS} restarts; {sent} messages, {arrived} at the far end, {} lost on the way and counted by the \
             kernel",
            delivered - arrived
        )
    },
};

/// The far end at this address, whose ports of HTTP and unix are its own.
fn start(udp: &str) -> Server {
    let dir = temp_dir();
    let args = ["-udp", udp, "-socket", "127.0.0.1:0", "-uds", "", "-workers", "2"];
    Server::must_start(dir.path(), &args)
}

/// Whether this worker has read datagrams.
fn took_turns(page: &Page, worker: usize) -> bool {
    page.own(&format!(r#"worker_loop_lag_seconds_count{{worker="{worker}"}}"#)) > 0
}
