//! A barrier for workers that stop: none goes on before all have come to the same point.
//!
//! Unlike `std::sync::Barrier` it lets a participant leave: a worker that fails drops its part, and the
//! others do not wait for it. Used by the ingest workers, three times at their end.

use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

#[derive(Debug)]
struct BarrierState {
    participants: usize,
    /// Participants that wait in this round.
    waiting: usize,
    round: u64,
}

#[derive(Debug)]
struct Barrier {
    state: Mutex<BarrierState>,
    round_over: Condvar,
}

/// One worker's part in the barrier; dropping it leaves the barrier.
#[derive(Debug)]
pub struct Participant(Arc<Barrier>);

/// A barrier with this many participants, one for each worker.
pub fn participants(count: usize) -> Vec<Participant> {
    let state = BarrierState { participants: count, waiting: 0, round: 0 };
    let barrier = Arc::new(Barrier { state: Mutex::new(state), round_over: Condvar::new() });
    (0..count).map(|_| Participant(Arc::clone(&barrier))).collect()
}

impl Barrier {
    fn begin_next_round(&self, state: &mut BarrierState) {
        state.waiting = 0;
        state.round += 1;
        self.round_over.notify_all();
    }
}

impl Participant {
    /// Waits until every participant that has not left waits too.
    pub fn wait(&self) {
        let mut state = self.0.state.lock();
        let round = state.round;
        state.waiting += 1;
        if state.waiting == state.participants {
            self.0.begin_next_round(&mut state);
        }
        while state.round == round {
            self.0.round_over.wait(&mut state);
        }
    }
}

impl Drop for Participant {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.participants -= 1;
        if state.participants > 0 && state.waiting == state.participants {
            self.0.begin_next_round(&mut state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn nobody_goes_on_before_all_have_come_or_left() {
        let arrived = AtomicUsize::new(0);
        let mut participants = participants(4);
        let leaver = participants.pop();
        std::thread::scope(|scope| {
            for participant in participants {
                let arrived = &arrived;
                scope.spawn(move || {
                    for round in 1..=3 {
                        arrived.fetch_add(1, Ordering::SeqCst);
                        participant.wait();
                        assert!(arrived.load(Ordering::SeqCst) >= 3 * round);
                    }
                });
            }
            drop(leaver); // it fails before it has come: the others do not wait for it
        });
        assert_eq!(arrived.into_inner(), 9);
    }
}
