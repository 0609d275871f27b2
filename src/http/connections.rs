//! The open connections, and which of them makes room for a new one when there are too many.
//!
//! Who has the most connections gives way first, so that a flood of one address evicts itself. Among those
//! of an address: the longest idle one, then the one whose head is awaited for the longest time, then the
//! response whose client has taken nothing for the longest time. A peer evicts nobody who has fewer
//! connections than itself. Lives on the thread `http`.

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
        let (number, waiting_for) = self.least_needed(newcomer)?;
        if let Some(open) = self.open.borrow().get(&number) {
            open.abort.abort();
        }
        self.remove(number);
        Some(waiting_for)
    }

    fn least_needed(&self, newcomer: IpAddr) -> Option<(u64, Evicted)> {
        let by_network = self.by_network.borrow();
        let count = |network| by_network.get(&network).copied().unwrap_or(0);
        let fewest = count(Network::of(newcomer)) + 1;
        let now = Instant::now();
        let open = self.open.borrow();
        let candidates = open.iter().filter_map(|(&number, open)| {
            let count = count(open.network);
            let (waiting_for, rank, time) = evictable(&open.progress, now)?;
            // The newcomer counts among those of its network.
            let own = usize::from(open.network == Network::of(newcomer));
            (count + own >= fewest).then_some(((count, rank, time), number, waiting_for))
        });
        candidates
            .max_by_key(|(key, ..)| *key)
            .map(|(_, number, waiting_for)| (number, waiting_for))
    }
}

/// What a connection waits for, how readily it is given up for that, and for how long it has waited; `None`
/// if it is not to be evicted.
fn evictable(progress: &Progress, now: Instant) -> Option<(Evicted, u8, Duration)> {
    let since = now - progress.since();
    match progress.phase() {
        ConnectionPhase::Idle => Some((Evicted::Idle, 2, since)),
        ConnectionPhase::Head => Some((Evicted::Head, 1, since)),
        ConnectionPhase::Response => {
            let stalled = progress.stalled_for(now);
            (stalled >= STALLED_AFTER).then_some((Evicted::Response, 0, stalled))
        }
    }
}
