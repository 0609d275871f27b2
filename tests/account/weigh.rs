//! One shape weighed: a server is started, loaded, and read until it is at rest.

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{Server, http, resident};
use crate::reading::{Reading, Row, SLACK_BYTES};
use crate::served;
use crate::shapes::Shape;

/// Between two looks at resident memory while a server is loaded.
const SAMPLE: Duration = Duration::from_millis(10);
/// Between two looks at the account.
const LOOK: Duration = Duration::from_millis(500);
/// A server is at rest by then: free blocks go back to the system every 10 s.
const REST: Duration = Duration::from_secs(25);

/// Loads a server and weighs it at rest.
pub(crate) fn weigh(shape: &Shape) -> Row {
    let server = served::start(&shape.flags);
    let before = Reading::of(&server);
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let sampler = scope.spawn(|| highest(&server, &ended));
        // Whether this fails or not, the sampler has to end.
        let at_rest = panic::catch_unwind(AssertUnwindSafe(|| {
            let clients = (shape.feed)(&server);
            server.settled_own_families();
            // The whole page once: what it takes may be kept.
            http::get(server.http, "/metrics").expect("/metrics answers");
            let at_rest = rest(&server, before);
            drop(clients);
            at_rest
        }));
        ended.store(true, Ordering::Relaxed);
        let highest = before.resident_since(sampler.join().expect("it does not panic"));
        let (at_rest, amiss) = at_rest.unwrap_or_else(|cause| panic::resume_unwind(cause));
        let is_past = shape.memory_max.is_some_and(|max| highest > max + max / 10 + SLACK_BYTES);
        let past = is_past.then_some("past -memory-max, a tenth and the slack");
        Row::new(&shape.name, at_rest, highest, amiss.or(past))
    })
}

/// The most resident bytes until the end.
fn highest(server: &Server, ended: &AtomicBool) -> u64 {
    let mut highest = 0;
    while !ended.load(Ordering::Relaxed) {
        highest = highest.max(resident::bytes(server));
        thread::sleep(SAMPLE);
    }
    highest
}

/// Reads the server until its account is true, or it has had time to come to rest.
fn rest(server: &Server, before: Reading) -> (Reading, Option<&'static str>) {
    let began = Instant::now();
    loop {
        let now = Reading::of(server).since(before);
        let amiss = now.amiss();
        if amiss.is_none() || began.elapsed() > REST {
            return (now, amiss);
        }
        thread::sleep(LOOK);
    }
}
