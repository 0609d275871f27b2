//! Waiting for something to become true, with a deadline.

use std::sync::LazyLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long anything may take. The slowest takes half a minute by itself, and a busy machine makes any of it several
/// times slower; nobody waits for this unless a test fails.
pub(crate) const DEADLINE: Duration = Duration::from_mins(3);

/// [`DEADLINE`], or less where the environment says so: a test that must fail need not wait for long.
pub(crate) fn deadline() -> Duration {
    static CHOSEN: LazyLock<Duration> = LazyLock::new(|| {
        let seconds = std::env::var("METRICS_SERVER_TEST_DEADLINE_SECONDS").ok();
        let parse = |text: String| text.parse().expect("whole seconds");
        seconds.map_or(DEADLINE, |text| Duration::from_secs(parse(text)))
    });
    *CHOSEN
}

/// Asks until there is an answer; fails the test when the deadline passes first.
///
/// # Panics
/// With `what` and the last reason for "not yet".
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(why) => assert!(start.elapsed() < deadline(), "waited in vain until {what}: {why}"),
        }
        sleep(Duration::from_millis(4));
    }
}

/// [`until`] for a plain condition.
pub(crate) fn until_true(what: &str, mut ask: impl FnMut() -> bool) {
    until(what, || if ask() { Ok(()) } else { Err("not yet".to_owned()) });
}
