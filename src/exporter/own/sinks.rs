//! The families of sinks, with series for each sink that is configured.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::own_page::OwnPage;
use crate::clock;
use crate::sinks::all_counters::AllSinkCounters;
use crate::sinks::counters::{RequestOutcome, SinkCounters};
use crate::sinks::opensearch::BulkCounters;
use crate::sinks::{DropReason, RejectReason};
use crate::stats::OwnFamily;

/// Reads a number of one sink.
type SinkValue = fn(&SinkCounters) -> f64;

fn value(count: &AtomicU64) -> f64 {
    count.load(Relaxed) as f64
}

/// The families whose only label is the sink's name.
const PLAIN: [(OwnFamily, SinkValue); 14] = [
    (OwnFamily::SinkDelivered, |counters| value(&counters.delivered)),
    (OwnFamily::SinkEnqueued, |counters| counters.enqueued() as f64),
    (OwnFamily::SinkQueueBytes, |counters| value(&counters.queued_bytes)),
    (OwnFamily::SinkQueueRows, |counters| counters.queued() as f64),
    (OwnFamily::SinkOldest, |counters| match counters.oldest_unix_ns.load(Relaxed) {
        0 => 0.0,
        oldest => clock::unix_ns().saturating_sub(oldest) as f64 / 1e9,
    }),
    (OwnFamily::SinkRecovered, |counters| value(&counters.recovered)),
    (OwnFamily::SinkRequestRows, |counters| value(&counters.request_rows)),
    (OwnFamily::SinkRequestSeconds, |counters| value(&counters.request_ns) / 1e9),
    (OwnFamily::SinkSpillBytes, |counters| value(&counters.spilled_bytes)),
    (OwnFamily::SinkSpillErrors, |counters| value(&counters.spill_errors)),
    (OwnFamily::SinkSpillRows, |counters| value(&counters.spilled_rows)),
    (OwnFamily::SinkSpilled, |counters| value(&counters.spilled_total)),
    (OwnFamily::SinkTorn, |counters| value(&counters.torn_bytes)),
    (OwnFamily::SinkUp, |counters| f64::from(u8::from(counters.up.load(Relaxed)))),
];

/// Adds all families of sinks.
pub(super) fn families(own: &mut OwnPage, all: &AllSinkCounters) {
    for (family, number) in PLAIN {
        own.own(family, all.sinks.iter().map(|counters| (counters.sink, number(counters))));
    }
    let pushes = [("delivered", &all.pushes.delivered), ("failed", &all.pushes.failed)];
    own.own(OwnFamily::ProfilePushes, pushes.map(|(outcome, count)| (outcome, value(count))));
    own.own(
        OwnFamily::RemoteSendErrors,
        all.send_errors.counts().map(|(errno, count)| (errno, count as f64)),
    );
    let sinks = || all.sinks.iter();
    own.one(OwnFamily::IndexConnections, all.bulk.connections.load(Relaxed));
    own.one(OwnFamily::ScyllaMoved, all.timestamps.moved.load(Relaxed));
    own.one(OwnFamily::ScyllaOverwritten, all.timestamps.overwritten.load(Relaxed));
    let bulk = BulkCounters::STATUSES.into_iter().zip(&all.bulk.bulk);
    own.labelled(
        OwnFamily::IndexBulkInsert,
        bulk.flat_map(|(status, counts)| {
            let counts = BulkCounters::TYPES.into_iter().zip(counts);
            counts.map(move |(by, count)| ([status, by], value(count)))
        }),
    );
    own.labelled(
        OwnFamily::SinkDropped,
        sinks().flat_map(|counters| {
            DropReason::ALL.iter().map(move |reason| {
                ([counters.sink, reason.as_str()], counters.dropped(*reason) as f64)
            })
        }),
    );
    own.labelled(
        OwnFamily::SinkRejected,
        sinks().flat_map(|counters| {
            let counts = RejectReason::ALL.iter().zip(&counters.rejected);
            counts.map(move |(reason, count)| ([counters.sink, reason.as_str()], value(count)))
        }),
    );
    own.labelled(
        OwnFamily::SinkRequests,
        sinks().flat_map(|counters| {
            let counts = RequestOutcome::NAMES.into_iter().zip(&counters.requests);
            counts.map(move |(outcome, count)| ([counters.sink, outcome], value(count)))
        }),
    );
}
