//! All connections of an attack, opened evenly and driven by one poll on the calling thread, so that ten thousand of
//! them cost less of the machine than the server that they are aimed at.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use crate::connection::{Connection, ConnectionState};
use crate::script::Script;

/// How often connections are opened, and slow ones have their turn.
const STEP: Duration = Duration::from_millis(10);
/// Steps in a second: each slow connection has its turn in one of them.
const STEPS_A_SECOND: usize = 100;
/// Bytes of one read.
const READ_BYTES: usize = 64 << 10;

/// How many connections are opened, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FloodPlan {
    /// Connections in all.
    pub(crate) connections: usize,
    /// The time over which they are opened.
    pub(crate) opening_time: Duration,
    /// The time after which those that are left are closed.
    pub(crate) duration: Duration,
}

/// What became of the connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct FloodResult {
    /// Connections that were begun.
    pub(crate) opened: usize,
    /// Connections that ended before the attack did.
    pub(crate) closed: usize,
    /// Bytes that the server sent.
    pub(crate) received: usize,
    /// How often each status, or other beginning of an answer, was seen; empty: none.
    pub(crate) statuses: BTreeMap<String, usize>,
    /// Why connections could not be begun.
    pub(crate) errors: BTreeMap<String, usize>,
}

/// Runs the attack: connections carry out the scripts in turn.
///
/// # Errors
/// Those of `epoll(7)`; what goes wrong with connections is in the result.
pub(crate) fn run(to: SocketAddr, scripts: &[Script], plan: FloodPlan) -> io::Result<FloodResult> {
    let scripts: Vec<_> = scripts.iter().cloned().map(Rc::new).collect();
    let mut flood = Flood {
        poll: Poll::new()?,
        slots: Vec::with_capacity(plan.connections),
        busy: Vec::new(),
        buffer: vec![0; READ_BYTES],
        result: FloodResult::default(),
    };
    let mut events = Events::with_capacity(1024);
    let began = Instant::now();
    let mut steps = 0;
    while began.elapsed() < plan.duration {
        flood.open_up_to(due(plan, began.elapsed()), to, &scripts);
        while STEP * steps < began.elapsed() {
            flood.step(steps as usize % STEPS_A_SECOND);
            steps += 1;
        }
        let wait = if flood.busy.is_empty() { STEP } else { Duration::ZERO };
        flood.poll.poll(&mut events, Some(wait)).or_else(interrupted)?;
        let mut turns = std::mem::take(&mut flood.busy);
        turns.extend(events.iter().map(|event| event.token().0));
        turns.sort_unstable();
        turns.dedup(); // one turn each, also of those that are busy and have an event
        for slot in turns {
            flood.ready(slot);
        }
    }
    Ok(flood.end())
}

/// The connections that are to be there after so much time.
fn due(plan: FloodPlan, elapsed: Duration) -> usize {
    if elapsed >= plan.opening_time {
        return plan.connections;
    }
    let share = plan.connections as u128 * elapsed.as_nanos() / plan.opening_time.as_nanos();
    usize::try_from(share).expect("a share of plan.connections")
}

fn interrupted(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) }
}

struct Flood {
    poll: Poll,
    /// Each by its token; none: closed, or never begun.
    slots: Vec<Option<Connection>>,
    /// Those that go on without an event.
    busy: Vec<usize>,
    buffer: Vec<u8>,
    result: FloodResult,
}

impl Flood {
    fn open_up_to(&mut self, count: usize, to: SocketAddr, scripts: &[Rc<Script>]) {
        while self.slots.len() < count {
            let slot = self.slots.len();
            let script = Rc::clone(&scripts[slot % scripts.len()]);
            let opened = Connection::open(to, script).and_then(|mut connection| {
                let interest = Interest::READABLE | Interest::WRITABLE;
                self.poll.registry().register(connection.stream(), Token(slot), interest)?;
                Ok(connection)
            });
            self.slots.push(match opened {
                Ok(connection) => {
                    self.result.opened += 1;
                    Some(connection)
                }
                Err(error) => {
                    *self.result.errors.entry(error.to_string()).or_default() += 1;
                    None
                }
            });
        }
    }

    fn ready(&mut self, slot: usize) {
        let Some(connection) = &mut self.slots[slot] else { return };
        match connection.ready(&mut self.buffer) {
            ConnectionState::Open => {}
            ConnectionState::Busy => self.busy.push(slot),
            ConnectionState::Closed => self.close(slot),
        }
    }

    /// Gives every hundredth connection its turn of this second.
    fn step(&mut self, first: usize) {
        for slot in (first..self.slots.len()).step_by(STEPS_A_SECOND) {
            let Some(connection) = &mut self.slots[slot] else { continue };
            if connection.tick() == ConnectionState::Closed {
                self.close(slot);
            }
        }
    }

    fn close(&mut self, slot: usize) {
        if let Some(connection) = self.slots[slot].take() {
            self.result.closed += 1;
            self.result.add(&connection);
        }
    }

    /// Closes what is left.
    fn end(mut self) -> FloodResult {
        for connection in self.slots.drain(..).flatten() {
            self.result.add(&connection);
        }
        self.result
    }
}

impl FloodResult {
    fn add(&mut self, connection: &Connection) {
        self.received += connection.received();
        *self.statuses.entry(connection.status()).or_default() += 1;
    }
}
