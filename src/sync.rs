//! The primitives under the registry's concurrent protocols, so that a model checker can stand in
//! for them: `--cfg model_loom` (weak memory, small models) or `--cfg shuttle` (random schedules, real code).

#[cfg(not(any(model_loom, shuttle)))]
pub(crate) use parking_lot::Mutex;
#[cfg(not(any(model_loom, shuttle)))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};

#[cfg(model_loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
#[cfg(shuttle)]
pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};

#[cfg(any(model_loom, shuttle))]
pub(crate) use modelled::Mutex;

/// The checkers' mutexes poison like std's; ours does not, so they get `parking_lot`'s signature.
#[cfg(any(model_loom, shuttle))]
mod modelled {
    #[cfg(model_loom)]
    use loom::sync as checker;
    #[cfg(shuttle)]
    use shuttle::sync as checker;

    pub(crate) use checker::MutexGuard;

    /// A mutex without poison.
    #[derive(Debug)]
    pub(crate) struct Mutex<T>(checker::Mutex<T>);

    impl<T> Mutex<T> {
        /// A mutex around `value`.
        pub(crate) fn new(value: T) -> Self {
            Self(checker::Mutex::new(value))
        }

        /// Waits for the lock.
        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(|poison| poison.into_inner())
        }
    }

    impl<T: Default> Default for Mutex<T> {
        fn default() -> Self {
            Self::new(T::default())
        }
    }
}
