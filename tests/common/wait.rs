//! Waiting for something to become true, with a deadline.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long anything may take. The slowest takes half a minute by itself, and a busy machine makes any of it several
/// times slower; nobody waits for this unless a test fails.
pub(crate) const DEADLINE: Duration = Duration::from_mins(3);

/// Asks until there is an answer; fails the test when the deadline passes first.
///
/// # Panics
/// With `what` and the last reason for "not yet".
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(why) => assert!(start.elapsed() < DEADLINE, "waited in vain until {what}: {why}"),
        }
        sleep(Duration::from_millis(4));
    }
}

/// [`until`] for a plain condition.
pub(crate) fn until_true(what: &str, mut ask: impl FnMut() -> bool) {
    until(what, || if ask() { Ok(()) } else { Err("not yet".to_owned()) });
}
