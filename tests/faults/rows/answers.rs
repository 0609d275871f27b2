//! Far ends that answer, but not that all is well.

use std::time::Instant;

use metrics_server::testing::planted::Fault;

use crate::common::cql_peer::CqlReply;
use crate::common::peer::Reply;
use crate::common::server::temp_dir;
use crate::far_ends::{self, FarEnds, SINKS, Verdict};
use crate::row::Row;

/// Messages of the row, for all three sinks together.
const MESSAGES: u64 = 9_000;
/// Each of so many rows is one that no far end ever takes.
const POISON: u64 = 211;
const INVALID: i32 = 0x2200;
const OVERLOADED: i32 = 0x1001;

pub(crate) const MIXED: Row = Row {
    name: "F6",
    what: "requests meet 429, 503 and 413, documents 429 and 503 of their own, lines 400, inserts an overloaded \
           node; one row in 211 is refused for good",
    holds: "rows that are refused for good are found and rejected, each of the others is stored once",
    planted: Fault::RepeatedIsDelivered,
    run: || {
        let (far_ends, dir) = (FarEnds::start(), temp_dir());
        let server = far_ends.server(dir.path(), &["-spill-dir", "spill"]);
        let mut bulk = 0;
        far_ends.search(move |documents| {
            bulk += 1;
            match bulk % 9 {
                1 => Verdict::Refuse(Reply::status(429, "")),
                3 => Verdict::Refuse(Reply::status(503, "busy")),
                5 if documents > 50 => Verdict::Refuse(Reply::status(413, "")),
                6 | 7 => Verdict::Each(|value| match value {
                    _ if value.is_multiple_of(POISON) => 400,
                    _ if value.is_multiple_of(5) => 429,
                    _ if value.is_multiple_of(7) => 503,
                    _ => 201,
                }),
                _ => Verdict::Each(|value| if value.is_multiple_of(POISON) { 400 } else { 201 }),
            }
        });
        let mut push = 0;
        far_ends.loki(move |lines| {
            push += 1;
            match push % 7 {
                1 => Verdict::Refuse(Reply::status(429, "")),
                3 => Verdict::Refuse(Reply::status(500, "")),
                5 if lines > 50 => Verdict::Refuse(Reply::status(413, "")),
                _ => Verdict::Each(|value| if value.is_multiple_of(POISON) { 400 } else { 204 }),
            }
        });
        let mut inserts = 0_u64;
        far_ends.scylla.on_insert(move |insert| {
            inserts += 1;
            if insert.value % (POISON as f64) == 0.0 {
                CqlReply::Error(INVALID, "no such value")
            } else if inserts.is_multiple_of(20) {
                CqlReply::Error(OVERLOADED, "busy")
            } else {
                CqlReply::Done
            }
        });
        let mut client = server.connect("ms.sock");
        (0..MESSAGES).for_each(|number| client.send(far_ends::message(number).as_bytes()));
        drop(client);
        let page = far_ends::drained(&server);
        let rows = MESSAGES / 3;
        let poison = rows.div_ceil(POISON);
        for (sink, stored) in SINKS.iter().zip(far_ends.stored()) {
            assert_eq!(stored.len() as u64, rows - poison, "{sink}");
            assert!(stored.iter().all(|value| !value.is_multiple_of(POISON)), "{sink}");
            assert_eq!(far_ends::of(&page, "rows_delivered_total", sink), rows - poison, "{sink}");
        }
        assert_eq!(page.own_sum("sink_rows_rejected_total"), 3 * poison);
        let requests = SINKS.map(|sink| {
            ["done", "retried", "split"]
                .map(|outcome| {
                    page.own(&format!(
                        r#"sink_requests_total{{outcome="{outcome}",sink="{sink}"}}"#
                    ))
                })
                .iter()
                .sum::<u64>()
        });
        server.stop();
        format!(
            "{MESSAGES} rows in {} requests, {} refused for good, the others stored once each",
            requests.iter().sum::<u64>(),
            3 * poison
        )
    },
};

pub(crate) const SAME_KEY: Row = Row {
    name: "F8",
    what: "ScyllaDB gets rows of one name and one label set, many of them in the same millisecond",
    holds: "as many rows stand in the table as were sent: none takes the place of another",
    planted: Fault::SeqStandsStill,
    run: || {
        let (far_ends, dir) = (FarEnds::start(), temp_dir());
        let server = far_ends.server(dir.path(), &["-spill-dir", "spill"]);
        let began = Instant::now();
        let raw = |value: u64| format!(r#"{{"name":"row","op":"raw","value":{value}}}"#);
        let mut client = server.connect("ms.sock");
        for block in 0..300 {
            client.send((block * 100..(block + 1) * 100).map(raw).collect::<String>().as_bytes());
        }
        let seconds = began.elapsed().as_secs_f64();
        drop(client);
        let page = far_ends::drained(&server);
        let inserts = far_ends.scylla.stored();
        let mut times: Vec<i64> = inserts.iter().map(|insert| insert.ms).collect();
        times.sort_unstable();
        times.dedup();
        let [_, _, stored] = far_ends.stored();
        assert_eq!((inserts.len(), stored.len()), (30_000, 30_000));
        assert_eq!(far_ends::of(&page, "rows_delivered_total", "scylladb"), 30_000);
        assert!(times.len() < 15_000, "rows have milliseconds of their own");
        server.stop();
        format!(
            "30000 rows in {seconds:.1} s, in {} different milliseconds; 30000 in the table",
            times.len()
        )
    },
};
