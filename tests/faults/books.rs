//! The books that close after each row: the kernel's of the network, and a server's of what was sent to it.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::common::wait;
use crate::common::{Page, Server};

/// What the kernel counts of UDP in this network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UdpCounts {
    /// Sent by anybody.
    pub(crate) sent: u64,
    /// Read by a program.
    pub(crate) read: u64,
    /// Dropped at a socket: no room, or sealed.
    pub(crate) dropped: u64,
    /// Came to a port without a socket.
    pub(crate) no_port: u64,
}

impl UdpCounts {
    /// Since the network was made.
    fn now() -> Self {
        let text = fs::read_to_string("/proc/net/snmp").unwrap();
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("Udp: "));
        let (names, numbers) = (lines.next().unwrap(), lines.next().unwrap());
        let of = |wanted| {
            let mut pairs = names.split(' ').zip(numbers.split(' '));
            pairs.find(|(name, _)| *name == wanted).unwrap().1.parse().unwrap()
        };
        Self {
            sent: of("OutDatagrams"),
            read: of("InDatagrams"),
            dropped: of("InErrors"),
            no_port: of("NoPorts"),
        }
    }
}

/// The network's books of one row.
pub(crate) struct NetworkBooks(UdpCounts);

impl NetworkBooks {
    /// From now on.
    pub(crate) fn open() -> Self {
        Self(UdpCounts::now())
    }

    /// What came since.
    pub(crate) fn so_far(&self) -> UdpCounts {
        let (before, now) = (self.0, UdpCounts::now());
        UdpCounts {
            sent: now.sent - before.sent,
            read: now.read - before.read,
            dropped: now.dropped - before.dropped,
            no_port: now.no_port - before.no_port,
        }
    }

    /// Each datagram that anybody has sent was read, or dropped and counted. What a socket holds when it closes is
    /// counted nowhere, so it would be missing here.
    pub(crate) fn close(&self) -> UdpCounts {
        wait::until("each datagram was read, or dropped and counted", || {
            let UdpCounts { sent, read, dropped, no_port } = self.so_far();
            let found = read + dropped + no_port;
            let counts = UdpCounts { sent, read, dropped, no_port };
            if found == sent { Ok(counts) } else { Err(format!("{found} found: {counts:?}")) }
        })
    }
}

/// The page of a server at rest, once its books close: datagrams sent were read or dropped by the kernel, bytes
/// written to unix sockets with success were read, messages were accepted or rejected, and rows of sinks are
/// delivered, rejected, dropped or waiting.
pub(crate) fn closed(server: &Server) -> Page {
    let mut last = None;
    wait::until("the books close", || {
        let page = server.scrape();
        gap(server, &page).map_or(Ok(()), Err)?;
        // Bytes are counted when they are read, and messages a moment later: two pages alike say that it has passed.
        let now = (page.framed(), page.own("garbage_bytes_total"), rows_settled(&page));
        if last.replace(now) == Some(now) { Ok(page) } else { Err("still moving".to_owned()) }
    })
}

/// What the books still lack.
fn gap(server: &Server, page: &Page) -> Option<String> {
    let sent = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let datagrams = page.own("datagrams_received_total") + page.own_sum("udp_kernel_drops_total");
    let unix_bytes = page.own(r#"received_bytes_total{transport="unix"}"#);
    let rows = page.own_sum("sink_rows_enqueued_total") + page.own_sum("sink_rows_recovered_total");
    let waiting = page.own_sum("sink_queue_rows") + page.own_sum("sink_spill_rows");
    let accounts = [
        ("datagrams", datagrams, sent(&server.sent.datagrams)),
        ("unix bytes", unix_bytes, sent(&server.sent.unix_bytes)),
        ("messages", page.accepted() + page.refused(), page.framed()),
        ("rows", rows_settled(page) + waiting, rows),
    ];
    let (what, found, wanted) = accounts.into_iter().find(|(_, found, wanted)| found != wanted)?;
    Some(format!("{what}: {found} of {wanted}"))
}

/// Rows that are delivered, rejected or dropped.
fn rows_settled(page: &Page) -> u64 {
    let ended = ["delivered", "rejected", "dropped"];
    ended.iter().map(|end| page.own_sum(&format!("sink_rows_{end}_total"))).sum()
}
