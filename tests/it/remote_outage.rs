//! `-remote` under load while nothing receives at the far end: what waits goes soon after somebody does.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::server::temp_dir;
use crate::common::wait::{until, until_true};
use crate::common::{Server, inc, ports};

/// Messages in a block, and how often one is sent: 20,000 messages a second.
const BLOCK: u32 = 200;
const PERIOD: Duration = Duration::from_millis(10);
/// By then waits have the length that they keep, and the outage has lasted for several seconds.
const REFUSALS: u64 = 15;
/// A wait, which is at most 1 s, and what a busy machine adds to it.
const BACK_WITHIN: Duration = Duration::from_millis(2500);

#[test]
fn after_an_outage_the_far_end_gets_messages_within_a_second_and_all_of_them() {
    let port = ports::free();
    let far_end = format!("127.0.0.1:{port}");
    let local = Server::start(&["-remote", &far_end]);
    let (sent, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let dir = temp_dir();
    let global = thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = local.connect("ms.sock");
            let block = inc("waits").repeat(usize::try_from(BLOCK).unwrap());
            while !is_over.load(Relaxed) {
                client.send(block.as_bytes());
                sent.fetch_add(BLOCK.into(), Relaxed);
                thread::sleep(PERIOD);
            }
        });
        let refused = || local.scrape().own(r#"remote_send_errors_total{errno="ECONNREFUSED"}"#);
        until_true("the port has refused for some time", || refused() >= REFUSALS);
        let global = Server::must_start(
            dir.path(),
            &["-socket", "127.0.0.1:0", "-udp", &far_end, "-uds", "global.sock"],
        );
        let began = Instant::now();
        until_true("messages come again", || global.scrape().accepted() > 0);
        let took = began.elapsed();
        is_over.store(true, Relaxed);
        assert!(took < BACK_WITHIN, "{took:?}");
        global
    });
    let (sent, page) = until("all that was sent has gone", || {
        let (sent, page) = (sent.load(Relaxed), local.scrape());
        let gone = page.own(r#"sink_rows_delivered_total{sink="remote"}"#);
        if gone == sent { Ok((sent, page)) } else { Err(format!("{gone} of {sent}")) }
    });
    assert_eq!(page.own_sum("sink_rows_dropped_total"), 0);
    until("all of it counts at the far end", || {
        let page = global.scrape();
        let lost = page.own_sum("udp_kernel_drops_total");
        let accepted = page.accepted();
        if accepted == sent {
            Ok(())
        } else {
            Err(format!("{accepted} of {sent}, {lost} datagrams lost"))
        }
    });
}
