//! The event loop of one ingest thread.
//!
//! mio is edge-triggered: a source that is not drained gets no second event, so it stays on the ready
//! list and the next poll does not sleep. Each source gets a bounded turn, so that a busy one does not
//! starve the others.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::clock;
use crate::control::{Control, Phase};
use crate::ingest::barrier::Participant;
use crate::ingest::turn::Turn;
use crate::ingest::udp::{Look, UdpSource};
use crate::ingest::unix::{FIRST_CONNECTION, UnixSources};
use crate::ingest::{Handler, Settings};
use crate::stats::Stats;
use crate::sys::epoll;

/// Token of a worker's waker.
pub const WAKER: Token = Token(FIRST_CONNECTION - 1);
/// Token of the UDP socket; unix listeners follow it.
const UDP: usize = 0;
const FIRST_LISTENER: usize = 1;
/// Batches that UDP takes before it is the others' turn: 1,024 datagrams, about a millisecond.
const BATCHES_PER_TURN: usize = 16;
/// How long a listener rests that could not accept for want of descriptors.
const STARVED_REST: Duration = Duration::from_millis(100);
/// The same while draining, and how often: other workers' connections are gone within this second.
const DRAIN_REST: Duration = Duration::from_millis(5);
const DRAIN_RESTS_MAX: usize = 200;
/// How often unfinished messages are looked at.
const PARTIALS_LOOK: Duration = Duration::from_secs(1);
const EVENTS: usize = 256;

/// What a worker is given.
#[derive(Debug)]
pub struct Worker<H: Handler> {
    /// Its number.
    pub number: usize,
    /// Its poll; its waker is in `control`.
    pub poll: Poll,
    /// Its UDP socket.
    pub udp: Option<UdpSource>,
    /// Its unix sockets.
    pub unix: UnixSources<H>,
    /// What is done with what it reads.
    pub handler: H,
    /// All workers' counters.
    pub stats: Stats,
    /// Main's word.
    pub control: Arc<Control>,
    /// Its part in the barrier of all workers that stop.
    pub barrier: Participant,
    /// The loop's settings.
    pub settings: Settings,
}

/// The loop's own state.
struct Loop<H: Handler> {
    worker: Worker<H>,
    ready: VecDeque<usize>,
    /// By token: whether it is on the ready list.
    listed: Vec<bool>,
    /// Listeners that could not accept, and until when they rest.
    starved: Vec<usize>,
    starved_until_ns: u64,
    /// When unfinished messages are looked at next.
    partials_due_ns: u64,
    /// When the worker last looked at its UDP queue, or came back from waiting.
    looked_ns: u64,
    /// The last batch was neither empty nor full: the next may be left to fill.
    wait_due: bool,
}

impl<H: Handler> Worker<H> {
    /// Reads, until told to drain; then drains and ends.
    ///
    /// # Errors
    /// Those of `epoll_ctl(2)` and `epoll_wait(2)`.
    pub fn run(self) -> io::Result<()> {
        self.register()?;
        let mut state = Loop {
            worker: self,
            ready: VecDeque::new(),
            listed: Vec::new(),
            starved: Vec::new(),
            starved_until_ns: 0,
            partials_due_ns: 0,
            looked_ns: 0,
            wait_due: false,
        };
        let mut events = Events::with_capacity(EVENTS);
        while state.worker.control.phase() == Phase::Run {
            state.wait(&mut events)?;
            state.pass()?;
        }
        state.drain()
    }

    fn register(&self) -> io::Result<()> {
        let registry = self.poll.registry();
        if let Some(udp) = &self.udp {
            let fd = udp.socket.as_raw_fd();
            registry.register(&mut SourceFd(&fd), Token(UDP), Interest::READABLE)?;
        }
        for (index, listener) in self.unix.listener_fds().enumerate() {
            epoll::add_exclusive(&self.poll, listener, FIRST_LISTENER + index)?;
        }
        Ok(())
    }
}

impl<H: Handler> Loop<H> {
    /// Waits for events, or only looks for them while sources are ready, and lists their sources.
    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let timeout = if !self.ready.is_empty() {
            Some(Duration::ZERO)
        } else if !self.starved.is_empty() {
            Some(STARVED_REST)
        } else if self.worker.unix.connections.has_partials() {
            Some(PARTIALS_LOOK)
        } else {
            None
        };
        match self.worker.poll.poll(events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        let stats = &self.worker.stats[self.worker.number];
        if timeout != Some(Duration::ZERO) {
            stats.wakeups.add(1);
            self.looked_ns = clock::now_ns();
        }
        if std::mem::take(&mut self.wait_due) && events.is_empty() {
            // Nothing else is to be done. Letting the next batch fill costs less than a wake-up for
            // each datagram; the buffer is large enough for what comes meanwhile.
            std::thread::sleep(self.worker.settings.batch_wait);
        }
        for event in events.iter() {
            let token = event.token();
            if token.0 == UDP && !self.ready.contains(&UDP) {
                self.looked_ns = clock::now_ns(); // nothing waited before
            }
            if token != WAKER {
                self.list(token.0);
            }
        }
        Ok(())
    }

    fn list(&mut self, token: usize) {
        list(&mut self.ready, &mut self.listed, token);
    }

    /// One turn for each ready source.
    fn pass(&mut self) -> io::Result<()> {
        let now_ns = clock::now_ns();
        let worker = &mut self.worker;
        worker.handler.between(now_ns);
        let (ready, listed) = (&mut self.ready, &mut self.listed);
        worker.unix.take_over(worker.poll.registry(), &mut |token| list(ready, listed, token));
        if worker.unix.connections.has_partials() && now_ns >= self.partials_due_ns {
            self.partials_due_ns = now_ns + nanoseconds(PARTIALS_LOOK);
            worker.unix.connections.time_out(&mut worker.handler, now_ns);
        }
        // A listener that could not accept tries again after its rest, or as soon as a connection closes.
        let freed = worker.unix.connections.take_freed();
        if !self.starved.is_empty() && (freed || now_ns >= self.starved_until_ns) {
            for token in std::mem::take(&mut self.starved) {
                self.list(token);
            }
        }
        for _ in 0..self.ready.len() {
            let Some(token) = self.ready.pop_front() else { break };
            self.listed[token] = false;
            match self.turn(token, now_ns)? {
                Turn::Drained => {}
                Turn::More => self.list(token),
                Turn::Starved => {
                    self.starved.push(token);
                    self.starved_until_ns = now_ns + nanoseconds(STARVED_REST);
                }
            }
        }
        Ok(())
    }

    fn turn(&mut self, token: usize, now_ns: u64) -> io::Result<Turn> {
        if token == UDP {
            return self.udp();
        }
        let worker = &mut self.worker;
        let registry = worker.poll.registry();
        if token >= FIRST_CONNECTION {
            let index = token - FIRST_CONNECTION;
            return Ok(worker.unix.connections.read(index, &mut worker.handler, registry, now_ns));
        }
        let (ready, listed) = (&mut self.ready, &mut self.listed);
        let mut keep = |token| list(ready, listed, token);
        Ok(worker.unix.accept(token - FIRST_LISTENER, registry, &mut keep))
    }

    /// Takes batches until the queue is empty or the turn is over.
    fn udp(&mut self) -> io::Result<Turn> {
        let worker = &mut self.worker;
        let Some(udp) = &mut worker.udp else { return Ok(Turn::Drained) };
        for _ in 0..BATCHES_PER_TURN {
            let look = udp.look()?;
            if look == Look::Empty {
                return Ok(Turn::Drained);
            }
            let now_ns = clock::now_ns();
            let unread_ns = now_ns.saturating_sub(self.looked_ns);
            worker.stats[worker.number].unread_ns_max.raise(unread_ns);
            self.looked_ns = now_ns;
            worker.handler.datagrams(udp.listener, &mut udp.batch, now_ns);
            if look == Look::Some {
                let wait = worker.settings.batch_wait;
                if wait.is_zero() || !udp.may_wait || !self.ready.is_empty() {
                    return Ok(Turn::Drained);
                }
                self.wait_due = true;
                return Ok(Turn::More);
            }
        }
        Ok(Turn::More)
    }

    /// The end: nothing new is let in anywhere, everything queued is read, then all sockets close.
    fn drain(mut self) -> io::Result<()> {
        let open = self.worker.unix.seal();
        if let Some(udp) = &self.worker.udp {
            udp.seal()?;
        }
        self.worker.barrier.wait(); // nobody lets anything in any more
        let listeners = FIRST_LISTENER..FIRST_LISTENER + self.worker.unix.listeners();
        for token in open.into_iter().chain(listeners).chain([UDP]) {
            self.list(token);
        }
        self.drain_ready()?;
        self.worker.barrier.wait(); // nobody hands a connection over any more
        let (ready, listed) = (&mut self.ready, &mut self.listed);
        let registry = self.worker.poll.registry();
        self.worker.unix.take_over(registry, &mut |token| list(ready, listed, token));
        self.drain_ready()?;
        self.worker.barrier.wait(); // everybody is drained: sockets may close
        self.worker.handler.between(clock::now_ns());
        self.worker.handler.finish();
        Ok(())
    }

    /// Reads everything that is listed to its end. A listener that cannot accept for want of descriptors
    /// waits for connections to close, here or at another worker: all are at their end.
    fn drain_ready(&mut self) -> io::Result<()> {
        let mut rests = 0;
        loop {
            while let Some(token) = self.ready.pop_front() {
                self.listed[token] = false;
                if token >= FIRST_CONNECTION {
                    self.worker.unix.connections.seal_one(token - FIRST_CONNECTION); // accepted while draining
                }
                if token == UDP {
                    self.drain_udp()?;
                    continue;
                }
                match self.turn(token, clock::now_ns())? {
                    Turn::Drained => {}
                    Turn::More => self.list(token),
                    Turn::Starved => self.starved.push(token),
                }
            }
            if self.starved.is_empty() {
                return Ok(());
            }
            if rests == DRAIN_RESTS_MAX {
                log::warn!(
                    "unix connections that wait to be accepted are lost: no descriptors came free; \
                     raise the limit with ulimit -n or LimitNOFILE"
                );
                return Ok(());
            }
            rests += 1;
            if !self.worker.unix.connections.take_freed() {
                std::thread::sleep(DRAIN_REST);
            }
            for token in std::mem::take(&mut self.starved) {
                self.list(token);
            }
        }
    }

    fn drain_udp(&mut self) -> io::Result<()> {
        let worker = &mut self.worker;
        let Some(udp) = &mut worker.udp else { return Ok(()) };
        while udp.look()? != Look::Empty {
            worker.handler.datagrams(udp.listener, &mut udp.batch, clock::now_ns());
        }
        Ok(())
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn list(ready: &mut VecDeque<usize>, listed: &mut Vec<bool>, token: usize) {
    if listed.len() <= token {
        listed.resize(token + 1, false);
    }
    if !std::mem::replace(&mut listed[token], true) {
        ready.push_back(token);
    }
}
