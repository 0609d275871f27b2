//! The open connections, and which of them makes room for a new one when there are too many.
//!
//! The client with the most connections loses one first, so that a flood from one address evicts itself. Of a
//! client's connections the one that is idle for the longest time goes first, then the one whose head is awaited
//! for the longest time, then the one whose client has taken nothing of the response for the longest time. No
//! client evicts another that has fewer connections than itself. Lives on the thread `http`.

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

/// A response whose client takes something at least this often is not evicted.
const STALLED_AFTER: Duration = Duration::from_secs(1);

/// So many connections are a crowd: more than the scrapers and probes of a server.
const CROWD: usize = 64;
/// With so few left a crowd has gone.
const CROWD_LEFT: usize = CROWD / 4;

/// All open connections.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: RefCell<HashMap<u64, Open>>,
    by_network: RefCell<HashMap<Network, usize>>,
    removed: Notify,
    /// Whether there have been [`CROWD`] of them since a crowd left last.
    crowded: Cell<bool>,
    crowd_left: Notify,
}

#[derive(Debug)]
struct Open {
    network: Network,
    progress: Rc<Progress>,
    /// Ends the task that serves it, and so the connection.
    abort: AbortHandle,
}

impl Connections {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.open.borrow().len()
    }

    /// Adds one under a number that no other has.
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

    /// Removes one that has ended; nothing if it was evicted.
    pub(super) fn remove(&self, number: u64) {
        let Some(open) = self.open.borrow_mut().remove(&number) else { return };
        let mut by_network = self.by_network.borrow_mut();
        if let Some(count) = by_network.get_mut(&open.network) {
            *count -= 1;
            if *count == 0 {
                by_network.remove(&open.network);
            }
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

    /// Waits until there is none.
    pub(super) async fn all_ended(&self) {
        while self.len() > 0 {
            self.removed.notified().await;
        }
    }

    /// Closes one connection for the sake of a new one from this address; `None` if there is none to close.
    pub(super) fn evict(&self, newcomer: IpAddr) -> Option<Evicted> {
        let EvictionCandidate { number, waiting_for, .. } = self.least_needed(newcomer)?;
        if let Some(open) = self.open.borrow().get(&number) {
            open.abort.abort();
        }
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
            // The newcomer counts among those of its network.
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
    /// For how long it has waited for that.
    waited: Duration,
}

impl EvictionCandidate {
    /// `None` if the connection is not to be evicted.
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

    /// How readily it is given up: the larger the sooner, whatever it has waited.
    fn readiness(&self) -> u8 {
        match self.waiting_for {
            Evicted::Idle => 2,
            Evicted::Head => 1,
            Evicted::Response => 0,
        }
    }
}
