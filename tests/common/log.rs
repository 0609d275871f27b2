//! The lines of a server's stderr, as they come.

use std::io::{BufRead, BufReader};
use std::process::ChildStderr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use super::wait::deadline;

/// Lines so far, and whether there will be no more.
#[derive(Debug, Default)]
pub(crate) struct Log {
    state: Mutex<(Vec<String>, bool)>,
    moved: Condvar,
}

impl Log {
    /// Collects line by line until it closes, on a thread of its own: a full pipe would stop the server.
    #[expect(clippy::disallowed_methods, reason = "the rule is about the server's threads")]
    pub(crate) fn of(stderr: ChildStderr) -> Arc<Self> {
        let log = Arc::new(Self::default());
        let collector = Arc::clone(&log);
        thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                collector.lock().0.push(String::from_utf8_lossy(&line).into_owned());
                collector.moved.notify_all();
            }
            collector.lock().1 = true;
            collector.moved.notify_all();
        });
        log
    }

    /// Waits until `look` finds something in the lines; `None` if the log closes first.
    ///
    /// # Panics
    /// When the deadline passes.
    pub(crate) fn wait<T>(&self, look: impl Fn(&[String]) -> Option<T>) -> Option<T> {
        let start = Instant::now();
        let mut state = self.lock();
        loop {
            if let Some(found) = look(&state.0) {
                return Some(found);
            }
            if state.1 {
                return None;
            }
            let left = deadline().saturating_sub(start.elapsed());
            assert!(
                !left.is_zero(),
                "waited in vain for a line of the log:\n{}",
                state.0.join("\n")
            );
            state = self.moved.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// All lines so far.
    pub(crate) fn text(&self) -> String {
        self.lock().0.join("\n")
    }

    /// Whether the server has closed it.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().1
    }

    fn lock(&self) -> MutexGuard<'_, (Vec<String>, bool)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
