//! A value that is made once for all who ask for it, before, while and after it is made.
//!
//! Whoever asks first has to see to it that it is made. A value that could not be made is made anew for
//! the next who asks. Knows nothing of pages.

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Where an answer goes.
pub(super) type Reply<T, E> = oneshot::Sender<Result<T, E>>;

/// The value, or those who wait for it.
#[derive(Debug)]
pub(super) struct Singleflight<T, E>(Mutex<FlightState<T, E>>);

#[derive(Debug)]
enum FlightState<T, E> {
    Unmade,
    Making(Vec<Reply<T, E>>),
    Made(T),
}

impl<T: Clone, E: Copy> Singleflight<T, E> {
    /// Nothing is made yet.
    pub(super) fn new() -> Self {
        Self(Mutex::new(FlightState::Unmade))
    }

    /// Asks. `true` if the caller must see to it that the value is made.
    pub(super) fn ask(&self, reply: Reply<T, E>) -> bool {
        let mut state = self.0.lock();
        match &mut *state {
            FlightState::Unmade => {
                *state = FlightState::Making(vec![reply]);
                true
            }
            FlightState::Making(waiting) => {
                waiting.push(reply);
                false
            }
            FlightState::Made(value) => {
                answer(reply, Ok(value.clone()));
                false
            }
        }
    }

    /// Claims the making of the value before anybody has asked for it. `false` if it is made or being made.
    pub(super) fn claim(&self) -> bool {
        let mut state = self.0.lock();
        let unmade = matches!(*state, FlightState::Unmade);
        if unmade {
            *state = FlightState::Making(Vec::new());
        }
        unmade
    }

    /// Answers all who wait. A value is kept for those who ask later, an error is not.
    pub(super) fn finish(&self, result: Result<T, E>) {
        let (answers, made) = match result {
            Ok(value) => (Ok(value.clone()), FlightState::Made(value)),
            Err(error) => (Err(error), FlightState::Unmade),
        };
        let before = std::mem::replace(&mut *self.0.lock(), made);
        if let FlightState::Making(waiting) = before {
            for reply in waiting {
                answer(reply, answers.clone());
            }
        }
    }

    /// Forgets a value that is made.
    pub(super) fn forget(&self) {
        let mut state = self.0.lock();
        if let FlightState::Made(_) = *state {
            *state = FlightState::Unmade;
        }
    }
}

/// Who asked may have gone.
fn answer<T, E>(reply: Reply<T, E>, result: Result<T, E>) {
    drop(reply.send(result));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(
        flight: &Singleflight<u32, &'static str>,
    ) -> (bool, oneshot::Receiver<Result<u32, &'static str>>) {
        let (reply, receiver) = oneshot::channel();
        (flight.ask(reply), receiver)
    }

    #[test]
    fn one_makes_it_for_all() {
        let flight = Singleflight::new();
        let (first, mut one) = ask(&flight);
        let (second, mut two) = ask(&flight);
        assert_eq!((first, second), (true, false));
        assert!(one.try_recv().is_err(), "nothing is made yet");
        flight.finish(Ok(7));
        let (third, mut three) = ask(&flight);
        assert!(!third);
        for receiver in [&mut one, &mut two, &mut three] {
            assert_eq!(receiver.try_recv(), Ok(Ok(7)));
        }
        flight.forget();
        assert!(ask(&flight).0, "made anew once forgotten");
    }

    #[test]
    fn an_error_reaches_all_who_wait_and_is_not_kept() {
        let flight = Singleflight::new();
        let (_, mut one) = ask(&flight);
        let (_, mut two) = ask(&flight);
        flight.finish(Err("fault"));
        assert_eq!(one.try_recv(), Ok(Err("fault")));
        assert_eq!(two.try_recv(), Ok(Err("fault")));
        assert!(ask(&flight).0, "made anew after an error");
    }

    #[test]
    fn what_is_made_ahead_is_there_for_who_asks() {
        let flight = Singleflight::new();
        assert!(flight.claim());
        assert!(!flight.claim(), "somebody makes it already");
        let (unmade, mut waits) = ask(&flight);
        assert!(!unmade);
        flight.finish(Ok(5));
        assert_eq!(waits.try_recv(), Ok(Ok(5)));
        assert!(!flight.claim(), "it is made");
    }

    #[test]
    fn what_is_being_made_is_not_forgotten_and_the_gone_are_no_harm() {
        let flight = Singleflight::new();
        let (_, gone) = ask(&flight);
        drop(gone);
        let (_, mut waits) = ask(&flight);
        flight.forget();
        flight.finish(Ok(1));
        assert_eq!(waits.try_recv(), Ok(Ok(1)));
    }
}
