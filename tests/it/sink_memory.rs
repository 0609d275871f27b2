//! Memory that rows take which wait for a far end: little more than their bytes, whatever their size and number.

use crate::common::peer::{Peer, Reply};
use crate::common::search::{self, Books};
use crate::common::{Server, resident, wait};

const MB: u64 = 1_000_000;
/// The default of the flag.
const QUEUE_BYTES: u64 = 64 * 1024 * 1024;

/// Fills the queue with rows of about this size, so many in each write; returns the server.
fn full(peer: &Peer, row_bytes: usize, rows_per_write: usize) -> Server {
    let queue_bytes = QUEUE_BYTES.to_string();
    let server = search::server(peer, &["-sink-queue-bytes", &queue_bytes]);
    let label = "x".repeat(row_bytes);
    let message = format!(r#"{{"name":"e","op":"index","labels":{{"l":"{label}"}},"value":1}}"#);
    let write = message.repeat(rows_per_write);
    let mut client = server.connect("ms.sock");
    wait::until("the queue is full", || {
        for _ in 0..(512 * 1024 / write.len()).max(1) {
            client.send(write.as_bytes());
        }
        let page = server.scrape();
        let books = Books::of(&page);
        if books.dropped > 0 { Ok(()) } else { Err(format!("{books:?}")) }
    });
    drop(client);
    server.settled();
    server
}

#[test]
fn rows_that_wait_take_little_more_than_their_bytes() {
    let peer = Peer::start(|_| Reply::status(503, ""));
    for (row_bytes, rows_per_write) in [(20, 1), (1_000, 7)] {
        let server = full(&peer, row_bytes, rows_per_write);
        let held = server.scrape().own(r#"sink_queue_bytes{sink="opensearch"}"#);
        assert!(held > QUEUE_BYTES * 9 / 10 && held <= QUEUE_BYTES, "{held}");
        let resident = resident::bytes(&server);
        assert!(
            resident <= QUEUE_BYTES * 11 / 10 + 2 * MB,
            "{resident} bytes for {held} of rows of {row_bytes} bytes, {rows_per_write} in a write"
        );
    }
}
