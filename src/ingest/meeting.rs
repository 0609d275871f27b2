//! Where workers meet when they stop: nobody goes on before all have come, or have left for good.
//!
//! As a barrier, but a worker that fails gives its seat back instead of keeping the others for ever.

use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

#[derive(Debug, Default)]
struct State {
    seats: usize,
    arrived: usize,
    round: u64,
}

#[derive(Debug, Default)]
struct Table {
    state: Mutex<State>,
    moved: Condvar,
}

/// One worker's place at the meeting; given back when it is dropped.
#[derive(Debug)]
pub struct Seat(Arc<Table>);

/// Seats for so many workers.
pub fn seats(workers: usize) -> Vec<Seat> {
    let table = Arc::new(Table::default());
    table.state.lock().seats = workers;
    (0..workers).map(|_| Seat(Arc::clone(&table))).collect()
}

impl Table {
    fn next_round(&self, state: &mut State) {
        state.arrived = 0;
        state.round += 1;
        self.moved.notify_all();
    }
}

impl Seat {
    /// Waits until all that still have a seat have called this as often.
    pub fn wait(&self) {
        let mut state = self.0.state.lock();
        let round = state.round;
        state.arrived += 1;
        if state.arrived == state.seats {
            self.0.next_round(&mut state);
        }
        while state.round == round {
            self.0.moved.wait(&mut state);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.seats -= 1;
        if state.seats > 0 && state.arrived == state.seats {
            self.0.next_round(&mut state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn nobody_goes_on_before_all_have_come_or_left() {
        let come = AtomicUsize::new(0);
        let mut seats = seats(4);
        let leaver = seats.pop();
        std::thread::scope(|scope| {
            for seat in seats {
                let come = &come;
                scope.spawn(move || {
                    for round in 1..=3 {
                        come.fetch_add(1, Ordering::SeqCst);
                        seat.wait();
                        assert!(come.load(Ordering::SeqCst) >= 3 * round);
                    }
                });
            }
            drop(leaver); // fails before it has come: the others are not kept
        });
        assert_eq!(come.into_inner(), 9);
    }
}
