//! The table of open connections, and the choice of the one that is closed for a new one when there are too many.
//!
//! The client with the most connections loses one first, so that a flood from one address closes its own connections.
//! Among the connections of this client those that wait for a further request are closed first, then those that wait
//! for a head, then those whose client takes nothing of its response; of each kind the one that has waited longest. A
//! new connection never closes one of a client that has fewer connections than the newcomer's client has with it.
//! Only the thread `http` uses the table.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::network::Network;
use super::progress::{ConnectionPhase, Progress};
use super::refusal::Evicted;

/// A connection with a response under way may be closed for another one after its client has taken nothing for this
/// long.
const STALLED_AFTER: Duration = Duration::from_secs(1);

/// This many connections are called a crowd: more than the scrapers and probes of one server have.
const CROWD: usize = 64;
/// A crowd has left once no more connections than these are open.
const CROWD_LEFT: usize = CROWD / 4;

/// The table of all open connections.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: RefCell<HashMap<u64, Open>>,
    by_network: RefCell<HashMap<Network, usize>>,
    removed: Notify,
    /// Whether there have been [`CROWD`] connections at once since a crowd last left.
    crowded: Cell<bool>,
    crowd_left: Notify,
}

#[derive(Debug)]
struct Open {
    network: Network,
    progress: Rc<Progress>,
    /// Ends the task that serves the connection, and closes the connection with it.
    abort: AbortHandle,
}

impl Connections {
    /// How many connections are open.
    pub(super) fn len(&self) -> usize {
        self.open.borrow().len()
    }

    /// Adds a connection under a number that no other one has.
    pub(super) fn add(
        &self,
        number: u64,
        address: IpAddr,
        progress: Rc<Progress>,
        abort: AbortHandle,
    ) {
        let network = Network::of(address);
        *self.by_network.borrow_mut().entry(network).or_default() += 1;
        self.open.borrow_mut().insert(number, Open { network, progress, abort });
        if self.len() >= CROWD {
            self.crowded.set(true);
        }
    }

    /// Removes a connection that has ended. It is gone already if it was evicted.
    pub(super) fn remove(&self, number: u64) {
        let Some(open) = self.open.borrow_mut().remove(&number) else { return };
        let mut by_network = self.by_network.borrow_mut();
        let count = by_network.get_mut(&open.network).expect("it counts each open connection");
        *count -= 1;
        if *count == 0 {
            by_network.remove(&open.network);
        }
        drop(by_network);
        self.removed.notify_waiters();
        if self.len() <= CROWD_LEFT && self.crowded.take() {
            self.crowd_left.notify_one();
        }
    }

    /// Waits until a crowd of connections has come and gone.
    pub(super) async fn crowd_left(&self) {
        self.crowd_left.notified().await;
    }

    /// Waits until no connection is open.
    pub(super) async fn all_ended(&self) {
        while self.len() > 0 {
            self.removed.notified().await;
        }
    }

    /// Closes one connection to make room for a new one from this address, and returns what it was waiting for; `None`
    /// if none may be closed.
    pub(super) fn evict(&self, newcomer: IpAddr) -> Option<Evicted> {
        let EvictionCandidate { number, waiting_for, .. } = self.least_needed(newcomer)?;
        self.open.borrow()[&number].abort.abort();
        self.remove(number);
        Some(waiting_for)
    }

    fn least_needed(&self, newcomer: IpAddr) -> Option<EvictionCandidate> {
        let by_network = self.by_network.borrow();
        let count = |network| by_network.get(&network).copied().unwrap_or(0);
        let fewest = count(Network::of(newcomer)) + 1;
        let now = Instant::now();
        let open = self.open.borrow();
        let candidates = open.iter().filter_map(|(&number, open)| {
            let count = count(open.network);
            let candidate = EvictionCandidate::of(number, &open.progress, now)?;
            // The new connection counts among those of its network.
            let own = usize::from(open.network == Network::of(newcomer));
            (count + own >= fewest).then_some((count, candidate))
        });
        let least_needed = candidates
            .max_by_key(|(count, candidate)| (*count, candidate.readiness(), candidate.waited));
        least_needed.map(|(_, candidate)| candidate)
    }
}

/// A connection that may be evicted.
struct EvictionCandidate {
    number: u64,
    waiting_for: Evicted,
    /// How long it has waited for that.
    waited: Duration,
}

impl EvictionCandidate {
    /// The connection as a candidate; `None` if it may not be evicted, since its client takes the response.
    fn of(number: u64, progress: &Progress, now: Instant) -> Option<Self> {
        let since = now - progress.since();
        let (waiting_for, waited) = match progress.phase() {
            ConnectionPhase::Idle => (Evicted::Idle, since),
            ConnectionPhase::Head => (Evicted::Head, since),
            ConnectionPhase::Response => (Evicted::Response, progress.stalled_for(now)),
        };
        let is_busy = waiting_for == Evicted::Response && waited < STALLED_AFTER;
        (!is_busy).then_some(Self { number, waiting_for, waited })
    }

    /// Connections with a larger number are evicted before those with a smaller one, however long either has waited.
    fn readiness(&self) -> u8 {
        match self.waiting_for {
            Evicted::Idle => 2,
            Evicted::Head => 1,
            Evicted::Response => 0,
        }
    }
}
