//! The event loop of one ingest thread.
//!
//! ```text
//! run: ┌▶ sleep, or poll while sources are ready ─▶ pass: a slice for UDP or for unix ─┐
//!      └──────────────────────────── until told to drain ─────────────────────────────┴─▶ drain
//! ```
//!
//! mio is edge-triggered: a source that is not drained gets no second event, so it stays ready and the next poll
//! does not sleep. Slices are bounded by time, and so are the turns of the unix sources within theirs, so that
//! neither the number of sources nor what they send starves the others.

mod drain;
mod lag_timer;
mod ready_list;
mod shares;
mod sources;
mod turns;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Token};

use self::lag_timer::LagTimer;
use self::ready_list::ReadyList;
use self::shares::Shares;
use self::sources::UDP;
pub use self::sources::{Sources, WAKER};
use crate::clock;
use crate::control::{Control, Phase};
use crate::ingest::Handler;
use crate::ingest::barrier::Participant;
use crate::ingest::udp::UdpSource;
use crate::stats::{Stats, WorkerStats};

/// How long a listener rests that could not accept for want of descriptors.
const STARVED_REST_NS: u64 = 100_000_000;
/// How often a worker looks for unfinished messages that are too old.
const PARTIALS_PERIOD_NS: u64 = 1_000_000_000;
/// Events taken by one poll at most.
const EVENTS: usize = 256;

/// What one ingest thread runs.
#[derive(Debug)]
pub struct Worker<H: Handler> {
    number: usize,
    sources: Sources<H>,
    handler: H,
    stats: Stats,
    control: Arc<Control>,
    /// Its part in the barrier of all workers that stop.
    barrier: Participant,
    /// Who has the next slice.
    shares: Shares,
    /// The UDP socket has an event that has not been followed by a look that found it empty.
    udp_ready: bool,
    /// The unix sources that are ready.
    ready: ReadyList,
    /// Listeners that could not accept, and until when they rest.
    starved: Vec<usize>,
    starved_until_ns: u64,
    /// When the worker looks for unfinished messages that are too old.
    partials_due_ns: u64,
    lag_timer: LagTimer,
    /// The last batch of datagrams was neither empty nor full: the next may be left to fill.
    batch_wait_due: bool,
}

impl<H: Handler> Worker<H> {
    /// The worker with this number, which has the handler process what it reads. The waker of its sources'
    /// poll is in `control`.
    pub fn new(
        number: usize,
        sources: Sources<H>,
        handler: H,
        stats: Stats,
        control: Arc<Control>,
        barrier: Participant,
    ) -> Self {
        Self {
            number,
            sources,
            handler,
            stats,
            control,
            barrier,
            shares: Shares::default(),
            udp_ready: false,
            ready: ReadyList::default(),
            starved: Vec::new(),
            starved_until_ns: 0,
            partials_due_ns: 0,
            lag_timer: LagTimer::new(clock::now_ns()),
            batch_wait_due: false,
        }
    }

    /// Its number.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Reads, until told to drain; then drains and ends.
    ///
    /// # Errors
    /// Those of `epoll_wait(2)`, and of the calls that read sockets.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        while self.control.phase() == Phase::Run {
            let now_ns = if self.udp_ready || !self.ready.is_empty() {
                self.look_for_more(&mut events)?
            } else {
                self.sleep(&mut events)?
            };
            self.list(&events);
            self.pass(now_ns)?;
        }
        self.drain()
    }

    fn stats(&self) -> &WorkerStats {
        &self.stats[self.number]
    }

    /// Sleeps until a source has something or a rest is over. Returns the time at which it woke.
    fn sleep(&mut self, events: &mut Events) -> io::Result<u64> {
        let asleep_ns = clock::now_ns();
        let timeout = self.sleep_ns(asleep_ns).map(Duration::from_nanos);
        self.sources.poll(events, timeout)?;
        let awake_ns = clock::now_ns();
        self.lag_timer.slept(awake_ns - asleep_ns);
        self.stats().wakeups.add(1);
        Ok(awake_ns)
    }

    /// How long the worker may sleep at most; without unix connections and clients that wait it is not limited.
    fn sleep_ns(&self, now_ns: u64) -> Option<u64> {
        let unix = &self.sources.unix;
        let rest_ns = if unix.connections.freed() { 0 } else { STARVED_REST_NS };
        let rest_ns = (!self.starved.is_empty()).then_some(rest_ns);
        let partials_ns = unix.connections.has_partials().then_some(PARTIALS_PERIOD_NS);
        let due_ns = unix.next_due_ns().map(|due_ns| due_ns.saturating_sub(now_ns));
        rest_ns.into_iter().chain(partials_ns).chain(due_ns).min()
    }

    /// Looks for further sources while some are ready. Returns the time afterwards.
    fn look_for_more(&mut self, events: &mut Events) -> io::Result<u64> {
        self.sources.poll(events, Some(Duration::ZERO))?;
        if std::mem::take(&mut self.batch_wait_due) && events.is_empty() {
            // Nothing else is to be done. Letting the next batch fill costs less than a wake-up for
            // each datagram; the socket's buffer is large enough for what comes meanwhile.
            let wait = self.sources.udp.as_ref().map_or(Duration::ZERO, UdpSource::batch_wait);
            std::thread::sleep(wait);
        }
        Ok(clock::now_ns())
    }

    /// Notes the sources of these events as ready.
    fn list(&mut self, events: &Events) {
        for event in events {
            match event.token() {
                WAKER => {}
                UDP => self.udp_ready = true,
                Token(source) => self.ready.push(source),
            }
        }
    }
}
