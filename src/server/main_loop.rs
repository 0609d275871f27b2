//! What main does while the server runs: it waits for a reason to stop and prints what workers leave for
//! the log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use mio::{Events, Poll, Token, Waker};

use crate::server::printer::Printer;
use crate::server::running::Running;
use crate::server::signals::Signals;

const WAKER: Token = Token(0);
const SIGNALS: Token = Token(1);
/// Events taken at once: of the waker and of two pipes.
const EVENTS: usize = 16;
/// Panics of all workers in a minute past which something is so wrong that a restart is better.
const PANICS_PER_MINUTE_MAX: u64 = 10;

/// What main waits on.
#[derive(Debug)]
pub(super) struct MainLoop {
    poll: Poll,
    signals: Signals,
    waker: Arc<Waker>,
}

impl MainLoop {
    /// Catches signals from now on.
    ///
    /// # Errors
    /// Those of `epoll_create(2)` and `sigaction(2)`.
    pub(super) fn new() -> anyhow::Result<Self> {
        let poll = Poll::new().context("cannot make an epoll")?;
        let signals = Signals::catch(poll.registry(), SIGNALS).context("cannot catch signals")?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        Ok(Self { poll, signals, waker })
    }

    /// What wakes main.
    pub(super) fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// Prints what workers leave for the log, waits for the reason to stop, and then for `delay`.
    ///
    /// # Errors
    /// A thread ended that must not, or more panics were caught than can be an accident.
    pub(super) fn run(
        &mut self,
        running: &Running,
        mut printer: Printer,
        delay: Duration,
    ) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        let mut panics = PanicRate::new();
        let mut deadline: Option<Instant> = None;
        loop {
            self.wait(&mut events, [printer.next_due(), deadline])?;
            if self.signals.look() {
                running.reread_web_config();
            }
            printer.print(running.log(), running.stats());
            running.threads_run()?;
            if panics.too_many(running.panics()) {
                bail!("more than {PANICS_PER_MINUTE_MAX} faults in a minute; the log has them");
            }
            if deadline.is_none() && (self.signals.stops > 0 || running.shutdown_asked()) {
                running.set_unready();
                log::info!("Shut down in {delay:?}");
                deadline = Some(Instant::now() + delay);
            }
            let passed = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if passed || self.signals.stops > 1 {
                return Ok(());
            }
        }
    }

    /// Waits for an event, but no longer than until the first of these.
    fn wait(&mut self, events: &mut Events, until: [Option<Instant>; 2]) -> anyhow::Result<()> {
        let next = until.into_iter().flatten().min();
        let timeout = next.map(|due| due.saturating_duration_since(Instant::now()));
        match self.poll.poll(events, timeout) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Ok(()),
            other => other.context("cannot wait for events"),
        }
    }
}

/// How many panics were caught within the current minute.
struct PanicRate {
    since: Instant,
    before: u64,
}

impl PanicRate {
    fn new() -> Self {
        Self { since: Instant::now(), before: 0 }
    }

    fn too_many(&mut self, total: u64) -> bool {
        if self.since.elapsed() > Duration::from_mins(1) {
            (self.since, self.before) = (Instant::now(), total);
        }
        total - self.before > PANICS_PER_MINUTE_MAX
    }
}
