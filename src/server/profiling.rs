//! The thread that profiles this server and sends each profile to Pyroscope.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Context;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::clock;
use crate::config::PyroscopeConfig;
use crate::logger::throttle::Throttle;
use crate::server::host_name::host_name;
use crate::sinks::pyroscope::{PushCounters, Pyroscope};
use crate::sys::cpu;
use crate::sys::profile::{self, FREQUENCY, Profiler};

/// The time that one profile covers.
const PERIOD: Duration = Duration::from_secs(10);
/// The shortest time between two log lines about failed pushes.
const LOG_PERIOD: Duration = Duration::from_mins(10);
const SECOND_NS: u64 = 1_000_000_000;

/// What the thread is made of.
#[derive(Debug)]
pub(super) struct Profiling {
    profiler: Profiler,
    pyroscope: Pyroscope,
    pushes: Arc<PushCounters>,
    stopped: Receiver<()>,
    over: Arc<AtomicBool>,
    throttle: Throttle,
}

/// Main's hold on it.
pub(super) struct ProfilingStop {
    cancel: Box<dyn Fn() + Send + Sync>,
    over: Arc<AtomicBool>,
    #[expect(dead_code, reason = "dropped to end the wait for the next period")]
    sender: Sender<()>,
}

impl ProfilingStop {
    /// Ends the thread soon, also a push that is under way.
    pub(super) fn stop(self) {
        self.over.store(true, Relaxed);
        (self.cancel)();
        // The thread may be in the middle of a profile for longer than main waits for it.
        profile::remove_file();
    }
}

impl Profiling {
    /// Starts to take stacks; `pushes` is for the page.
    ///
    /// # Errors
    /// Names flag and cause.
    pub(super) fn open(
        config: &PyroscopeConfig,
        pushes: &Arc<PushCounters>,
    ) -> anyhow::Result<Self> {
        let host_name = host_name();
        let hostname = if config.hostname.is_empty() { &host_name } else { &config.hostname };
        let pyroscope = Pyroscope::new(config.url.expose(), hostname)?;
        let profiler = Profiler::start()
            .context("-pyroscope-url: cannot profile; is the temporary directory writable?")?;
        let (_, stopped) = bounded(0);
        Ok(Self {
            profiler,
            pyroscope,
            pushes: Arc::clone(pushes),
            stopped,
            over: Arc::default(),
            throttle: Throttle::new(LOG_PERIOD),
        })
    }

    /// What ends it.
    pub(super) fn stopper(&mut self) -> ProfilingStop {
        let (sender, stopped) = bounded(0);
        self.stopped = stopped;
        ProfilingStop { cancel: self.pyroscope.cancel(), over: Arc::clone(&self.over), sender }
    }

    /// Runs until it is stopped.
    pub(super) fn run(mut self) {
        cpu::stand_back();
        let mut from_ns = clock::unix_ns();
        while matches!(self.stopped.recv_timeout(PERIOD), Err(RecvTimeoutError::Timeout)) {
            let until_ns = clock::unix_ns();
            let pushed = self.push(from_ns, until_ns);
            from_ns = until_ns;
            if self.over.load(Relaxed) {
                return;
            }
            self.pushes.count(pushed.is_ok());
            self.tell(pushed);
        }
    }

    fn push(&mut self, from_ns: u64, until_ns: u64) -> anyhow::Result<()> {
        let stacks = self.profiler.take().context("cannot profile")?;
        let Some(profile) = stacks.encode(&|| !self.over.load(Relaxed))? else { return Ok(()) };
        let unix_seconds = from_ns / SECOND_NS..until_ns / SECOND_NS;
        self.pyroscope.push(&profile, unix_seconds, FREQUENCY)
    }

    fn tell(&mut self, pushed: anyhow::Result<()>) {
        match pushed {
            Ok(()) => {
                if self.throttle.reset() {
                    log::info!("pyroscope takes profiles again");
                }
            }
            Err(error) => {
                if self.throttle.allows() {
                    log::warn!("pyroscope: {error:#}; the profile is dropped");
                }
            }
        }
    }
}
