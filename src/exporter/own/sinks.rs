//! The families of sinks, one series per sink that is configured.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::OwnPage;
use crate::clock;
use crate::sinks::books::{AllBooks, Books, IndexBooks, Sent};
use crate::sinks::{Drop, Reason};
use crate::stats::OwnFamily;

/// A number of one sink.
type Number = fn(&Books) -> f64;

fn value(count: &AtomicU64) -> f64 {
    count.load(Relaxed) as f64
}

/// Families with the sink's name as their only label.
const PLAIN: [(OwnFamily, Number); 14] = [
    (OwnFamily::SinkDelivered, |books| value(&books.delivered)),
    (OwnFamily::SinkEnqueued, |books| books.enqueued() as f64),
    (OwnFamily::SinkQueueBytes, |books| value(&books.queued_bytes)),
    (OwnFamily::SinkQueueRows, |books| books.queued() as f64),
    (OwnFamily::SinkOldest, |books| match books.oldest_unix_ns.load(Relaxed) {
        0 => 0.0,
        oldest => clock::unix_ns().saturating_sub(oldest) as f64 / 1e9,
    }),
    (OwnFamily::SinkRecovered, |books| value(&books.recovered)),
    (OwnFamily::SinkRequestRows, |books| value(&books.request_rows)),
    (OwnFamily::SinkRequestSeconds, |books| value(&books.request_ns) / 1e9),
    (OwnFamily::SinkSpillBytes, |books| value(&books.spilled_bytes)),
    (OwnFamily::SinkSpillErrors, |books| value(&books.spill_errors)),
    (OwnFamily::SinkSpillRows, |books| value(&books.spilled_rows)),
    (OwnFamily::SinkSpilled, |books| value(&books.spilled_total)),
    (OwnFamily::SinkTorn, |books| value(&books.torn_bytes)),
    (OwnFamily::SinkUp, |books| f64::from(u8::from(books.up.load(Relaxed)))),
];

/// Adds them all.
pub(super) fn families(own: &mut OwnPage, all: &AllBooks) {
    for (family, number) in PLAIN {
        own.own(family, all.sinks.iter().map(|books| (books.sink, number(books))));
    }
    let pushes = [("delivered", &all.pushes.delivered), ("failed", &all.pushes.failed)];
    own.own(OwnFamily::ProfilePushes, pushes.map(|(outcome, count)| (outcome, value(count))));
    own.own(
        OwnFamily::RemoteSendErrors,
        all.send_errors.counts().map(|(errno, count)| (errno, count as f64)),
    );
    let sinks = || all.sinks.iter();
    own.one(OwnFamily::IndexConnections, all.index.connections.load(Relaxed));
    own.one(OwnFamily::ScyllaMoved, all.moves.moved.load(Relaxed));
    own.one(OwnFamily::ScyllaOverwritten, all.moves.overwritten.load(Relaxed));
    let bulk = IndexBooks::STATUSES.into_iter().zip(&all.index.bulk);
    own.labelled(
        OwnFamily::IndexBulkInsert,
        bulk.flat_map(|(status, counts)| {
            let counts = IndexBooks::TYPES.into_iter().zip(counts);
            counts.map(move |(by, count)| ([status, by], value(count)))
        }),
    );
    own.labelled(
        OwnFamily::SinkDropped,
        sinks().flat_map(|books| {
            Drop::ALL
                .iter()
                .map(move |reason| ([books.sink, reason.as_str()], books.dropped(*reason) as f64))
        }),
    );
    own.labelled(
        OwnFamily::SinkRejected,
        sinks().flat_map(|books| {
            let counts = Reason::ALL.iter().zip(&books.rejected);
            counts.map(move |(reason, count)| ([books.sink, reason.as_str()], value(count)))
        }),
    );
    own.labelled(
        OwnFamily::SinkRequests,
        sinks().flat_map(|books| {
            let counts = Sent::NAMES.into_iter().zip(&books.requests);
            counts.map(move |(outcome, count)| ([books.sink, outcome], value(count)))
        }),
    );
}
