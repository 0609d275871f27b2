//! Far ends that are away: one after the other, without an answer, or with answers that are torn.

use std::time::Duration;

use metrics_server::testing::planted::Fault;

use crate::common::cql_peer::CqlReply;
use crate::common::peer::Reply;
use crate::common::server::temp_dir;
use crate::common::wait::until;
use crate::common::{Page, Server, inc};
use crate::far_ends::{self, FarEnds, SINKS, Verdict};
use crate::flood::Flood;
use crate::row::Row;

const OUTAGE: Duration = Duration::from_secs(12);
/// Longer than the 30 s after which a request is given up.
const SILENCE: Duration = Duration::from_secs(34);
const MEMORY: [&str; 4] = ["-sink-queue-bytes", "1048576", "-spill-dir", "spill"];
/// Between two messages of the rows' sender.
const PAUSE: Duration = Duration::from_micros(200);

pub(crate) const ONE_BY_ONE: Row = Row {
    name: "F3",
    what: "OpenSearch, Loki and ScyllaDB are away one after the other, while rows for all three come \
           (scaled down: for 12 s each, not for a quarter of an hour)",
    holds: "rows that wait go to memory and disk, none is lost; each far end gets its rows once and in their order; \
            the others get theirs meanwhile; no datagram is dropped",
    planted: Fault::OutageLosesRows,
    run: || {
        let (far_ends, dir) = (FarEnds::start(), temp_dir());
        let server = far_ends.server(dir.path(), &MEMORY);
        let datagrams = Flood::udp(&server, Duration::from_millis(1), |_| inc("datagram"));
        let rows = Flood::one_stream(&server, PAUSE, far_ends::message);
        for away in 0..SINKS.len() {
            let before = delivered(&server);
            match away {
                0 => far_ends.search_is_away(),
                1 => far_ends.loki(|_| Verdict::Refuse(Reply::Reset)),
                _ => far_ends.scylla.on_insert(|_| CqlReply::Close),
            }
            std::thread::sleep(OUTAGE); // it is away for so long, whatever happens
            let after = delivered(&server);
            for sink in (0..SINKS.len()).filter(|sink| *sink != away) {
                assert!(after[sink] > before[sink], "{} waits for {}", SINKS[sink], SINKS[away]);
            }
            far_ends.recover();
            until("it is back", || {
                let now = delivered(&server)[away];
                if now > after[away] { Ok(()) } else { Err(format!("{now} rows delivered")) }
            });
        }
        let (sent, datagrams) = (rows.stop(), datagrams.stop());
        let page = far_ends::drained(&server);
        assert_eq!(page.own_sum("udp_kernel_drops_total"), 0);
        assert_eq!(page.accepted(), sent + datagrams);
        for (sink, (stored, rows)) in
            SINKS.iter().zip(far_ends.stored().into_iter().zip(far_ends::rows(sent)))
        {
            // Of a batch that ScyllaDB takes in part the rest comes behind, and nothing else.
            assert_eq!(stored.len() as u64, rows, "{sink}");
            assert!(*sink == "scylladb" || stored.is_sorted(), "{sink}: out of order");
        }
        let spilled = page.own_sum("sink_rows_spilled_total");
        server.stop();
        format!(
            "each away for {} s; {sent} rows, 0 lost, {spilled} by way of the disk; {datagrams} datagrams, 0 dropped",
            OUTAGE.as_secs()
        )
    },
};

/// Rows that each sink has delivered.
fn delivered(server: &Server) -> [u64; 3] {
    let page = server.scrape();
    SINKS.map(|sink| far_ends::of(&page, "rows_delivered_total", sink))
}

pub(crate) const WITHOUT_ANSWER: Row = Row {
    name: "F4",
    what: "all three far ends take a request and never answer it; ScyllaDB answers other inserts meanwhile",
    holds: "the request is given up (after 30 s, ScyllaDB's after 5) and sent again, no row is taken for delivered \
            that is not stored; ScyllaDB sees no number of a request again that waits; no datagram is dropped",
    planted: Fault::SilenceIsDelivered,
    run: || {
        let (far_ends, dir) = (FarEnds::start(), temp_dir());
        let server = far_ends.server(dir.path(), &MEMORY);
        far_ends.search(|_| Verdict::Refuse(Reply::Stall));
        far_ends.loki(|_| Verdict::Refuse(Reply::Stall));
        far_ends.scylla.on_insert(|insert| {
            if insert.value % 7.0 == 0.0 { CqlReply::Never } else { CqlReply::Done }
        });
        let datagrams = Flood::udp(&server, Duration::from_millis(1), |_| inc("datagram"));
        let rows = Flood::one_stream(&server, Duration::from_millis(3), far_ends::message);
        std::thread::sleep(SILENCE);
        far_ends.recover();
        let (sent, datagrams) = (rows.stop(), datagrams.stop());
        let page = far_ends::drained(&server);
        assert_eq!(page.own_sum("udp_kernel_drops_total"), 0);
        let stored = far_ends.stored().map(|stored| stored.len() as u64);
        let delivered = SINKS.map(|sink| far_ends::of(&page, "rows_delivered_total", sink));
        assert_eq!((delivered, stored), (far_ends::rows(sent), far_ends::rows(sent)));
        assert_eq!(far_ends.scylla.faults(), [""; 0]);
        for sink in ["opensearch", "loki"] {
            assert!(retried(&page, sink) > 0, "{sink} was asked once");
        }
        server.stop();
        format!(
            "no answer for {} s; {sent} rows, each stored; {datagrams} datagrams, 0 dropped",
            SILENCE.as_secs()
        )
    },
};

/// How many requests to a sink were to be repeated.
fn retried(page: &Page, sink: &str) -> u64 {
    page.own(&format!(r#"sink_requests_total{{outcome="retried",sink="{sink}"}}"#))
}

pub(crate) const TORN: Row = Row {
    name: "F5",
    what: "of requests to all three, many are reset before they are stored, and others after; some answers of 200 \
           end in the middle",
    holds: "a row counts as delivered if the far end has it, and only then; each is stored once",
    planted: Fault::BrokenIsDelivered,
    run: || {
        let (far_ends, dir) = (FarEnds::start(), temp_dir());
        let server = far_ends.server(dir.path(), &MEMORY);
        let torn = |kind: u64| match kind % 5 {
            0 => Verdict::Refuse(Reply::Reset),
            1 => Verdict::StoreBut(Reply::Reset),
            2 => Verdict::Refuse(Reply::CutInBody(r#"{"items":[]}"#.to_owned())),
            _ => Verdict::Store,
        };
        let (mut bulk, mut push, mut insert) = (0, 0, 0);
        far_ends.search(move |_| {
            bulk += 1;
            torn(bulk)
        });
        far_ends.loki(move |_| {
            push += 1;
            torn(push)
        });
        far_ends.scylla.on_insert(move |_| {
            insert += 1;
            if insert % 300 == 0 { CqlReply::Close } else { CqlReply::Done }
        });
        let rows = Flood::one_stream(&server, Duration::from_millis(1), far_ends::message);
        until("enough requests were torn", || {
            let page = server.scrape();
            let torn = ["opensearch", "loki"].map(|sink| retried(&page, sink));
            if torn[0] >= 12 && torn[1] >= 3 { Ok(()) } else { Err(format!("{torn:?}")) }
        });
        let sent = rows.stop();
        far_ends.recover();
        let page = far_ends::drained(&server);
        let stored = far_ends.stored().map(|stored| stored.len() as u64);
        let delivered = SINKS.map(|sink| far_ends::of(&page, "rows_delivered_total", sink));
        assert_eq!((delivered, stored), (far_ends::rows(sent), far_ends::rows(sent)));
        server.stop();
        let torn: u64 = SINKS.iter().map(|sink| retried(&page, sink)).sum();
        format!("{sent} rows, each stored once; {torn} requests were repeated")
    },
};
