//! The wall clock jumps.

use std::time::Duration;

use metrics_server::testing::planted::Fault;

use crate::common::inc;
use crate::common::server::temp_dir;
use crate::far_ends::{self, FarEnds, SINKS};
use crate::flood::Flood;
use crate::row::Row;

const TIME: Duration = Duration::from_secs(12);

pub(crate) const STEPS: Row = Row {
    name: "F14",
    what: "the wall clock steps an hour back, an hour forth, and stands still, each second something else, while rows \
           and samples come, with a time to live of 10 minutes",
    holds: "no series goes; the times of rows rise, also where they were given to rows before; each row is stored once, \
            none is taken for too old",
    planted: Fault::StampsFollowClock,
    run: || {
        let (far_ends, dir) = (FarEnds::start(), temp_dir());
        let flags = ["-metric-clean-up", "-metric-ttl", "10m", "-sink-retry-max", "3h"];
        let server = far_ends.server_with(dir.path(), &flags, Some(Fault::WallClockSteps));
        server.send_unix(inc("first"));
        let rows = Flood::one_stream(&server, Duration::from_millis(1), far_ends::message);
        std::thread::sleep(TIME);
        let sent = rows.stop();
        let page = far_ends::drained(&server);
        assert_eq!(page.own_sum("sink_rows_dropped_total"), 0);
        assert_eq!((page.own_sum("deleted_metrics_total"), page.own_sum("series")), (0, 1));
        let stored = far_ends.stored().map(|stored| stored.len() as u64);
        assert_eq!(stored, far_ends::rows(sent));
        assert!(far_ends.line_times_ns().is_sorted(), "times of lines");
        let inserts = far_ends.scylla.stored();
        let mut by_value: Vec<_> =
            inserts.iter().map(|insert| (format!("{:09}", insert.value), insert.ms)).collect();
        by_value.sort_unstable();
        assert!(by_value.is_sorted_by_key(|(_, ms)| *ms), "times of inserts");
        server.stop();
        format!(
            "{} s; {sent} rows for {} sinks, each stored once, in rising times",
            TIME.as_secs(),
            SINKS.len()
        )
    },
};
