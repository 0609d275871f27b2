//! Which place a newcomer gets where `-uds-connections-max` are open already.

use mio::Registry;

use super::connection::{NewConnection, NewcomerPlace};
use super::idle_lists::ACTIVE_NS;
use super::{PAST_BOUND_MAX, UnixSources};
use crate::ingest::Handler;

impl<H: Handler> UnixSources<H> {
    /// Which place a newcomer gets when there is no room.
    pub(super) fn place_at_bound(&self, now_ns: u64, may_hand_over: bool) -> NewcomerPlace {
        let here_ns = self.connections.evictable_from_ns().filter(|&from_ns| from_ns <= now_ns);
        // One that has been idle here for a second is good enough: so each worker has its part of the work.
        if here_ns.is_some_and(|from_ns| from_ns + ACTIVE_NS <= now_ns) {
            return NewcomerPlace::EvictedHere;
        }
        let elsewhere = may_hand_over.then(|| self.balancer.longest_idle(self.worker, now_ns));
        match (here_ns, elsewhere.flatten()) {
            // Another worker is given the work only where that saves a much younger one here.
            (Some(from_ns), Some(idle)) if from_ns < idle.from_ns + ACTIVE_NS => {
                NewcomerPlace::EvictedHere
            }
            (_, Some(idle)) => NewcomerPlace::Elsewhere(idle.worker),
            // It has sent nothing yet. Bytes that it has written by now are read, and if it has written none it
            // learns of its end by the first write; a newcomer that is refused loses its messages.
            (Some(_), None) => NewcomerPlace::EvictedHere,
            (None, None) => NewcomerPlace::Refused,
        }
    }

    /// Whether clients have to wait in the listener's queue, since too many connections are past the bound.
    pub(super) fn must_pause(&self, place: NewcomerPlace) -> bool {
        match place {
            NewcomerPlace::Free => false,
            NewcomerPlace::Elsewhere(worker) => self.balancer.is_queue_full(worker),
            NewcomerPlace::EvictedHere | NewcomerPlace::Refused => {
                self.connections.past_bound() >= PAST_BOUND_MAX
            }
        }
    }

    /// Gives a newcomer its place.
    pub(super) fn settle(
        &mut self,
        connection: NewConnection,
        place: NewcomerPlace,
        registry: &Registry,
        now_ns: u64,
        ready: &mut impl FnMut(usize),
    ) {
        let refused = match place {
            NewcomerPlace::Free => {
                if let Some(connection) = self.balancer.place(self.worker, connection) {
                    self.connections.admit(connection, registry, now_ns, ready);
                }
                None
            }
            NewcomerPlace::EvictedHere => {
                let evicted = self.connections.evict(0, now_ns, ready);
                assert!(evicted, "the place is that of an idle connection");
                self.connections.admit(connection, registry, now_ns, ready);
                None
            }
            NewcomerPlace::Elsewhere(other) => {
                self.balancer.hand_over(self.worker, other, connection).err()
            }
            NewcomerPlace::Refused => Some(connection),
        };
        if let Some(connection) = refused {
            self.balancer.note_refused(self.worker);
            self.connections.refuse(connection, registry, now_ns, ready);
        }
    }
}
