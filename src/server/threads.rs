//! The threads besides main: how they are started, and how main hears of their ends.
//!
//! The only file that starts threads. Main calls it; it must not know what a thread does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use anyhow::{Context, bail};
use crossbeam::channel::{self, Receiver, Sender};

use crate::control::Control;

/// A thread's name and how it ended.
type Ended = (String, anyhow::Result<()>);

/// The threads whose end main hears of.
pub(super) struct Threads {
    control: Arc<Control>,
    ends: Receiver<Ended>,
    sender: Sender<Ended>,
    /// Threads that were started.
    started: usize,
}

impl Threads {
    /// None yet. Each wakes main by this control when it ends.
    pub(super) fn new(control: Arc<Control>) -> Self {
        let (sender, ends) = channel::unbounded(); // one message per thread
        Self { control, ends, sender, started: 0 }
    }

    /// Starts a thread with a name of at most 15 bytes. A panic in it is an error of its.
    ///
    /// # Errors
    /// Those of `clone(2)`.
    #[expect(clippy::disallowed_methods, reason = "one of two places where threads are started")]
    pub(super) fn start(
        &mut self,
        name: &str,
        run: impl FnOnce() -> anyhow::Result<()> + Send + 'static,
    ) -> anyhow::Result<JoinHandle<()>> {
        let (sender, control) = (self.sender.clone(), Arc::clone(&self.control));
        let own_name = name.to_owned();
        let body = move || {
            let result = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no text");
                Err(anyhow::anyhow!("panic: {text}"))
            });
            // Main may be gone already, at the end.
            drop(sender.send((own_name, result)));
            control.wake_main();
        };
        let builder = thread::Builder::new().name(name.to_owned());
        let handle = builder.spawn(body).with_context(|| format!("cannot start thread {name}"))?;
        self.started += 1;
        Ok(handle)
    }

    /// Whether all still run.
    ///
    /// # Errors
    /// One has ended; says which, and why.
    pub(super) fn all_run(&self) -> anyhow::Result<()> {
        let Ok((name, result)) = self.ends.try_recv() else { return Ok(()) };
        result.with_context(|| format!("thread {name} failed"))?;
        bail!("thread {name} ended by itself")
    }

    /// Waits until all have ended, or until the deadline.
    ///
    /// # Errors
    /// What the first that failed says.
    pub(super) fn wait_all(&self, deadline: Instant) -> anyhow::Result<()> {
        let mut failed = None;
        for _ in 0..self.started {
            let Ok((name, result)) = self.ends.recv_deadline(deadline) else { break };
            if let Err(error) = result {
                failed.get_or_insert(error.context(format!("thread {name} failed")));
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

/// Starts the thread that writes log lines. It ends with the process: nobody waits for it, since stderr
/// may be blocked.
///
/// # Errors
/// Those of `clone(2)`.
#[expect(clippy::disallowed_methods, reason = "one of two places where threads are started")]
pub(super) fn start_logger() -> anyhow::Result<()> {
    let builder = thread::Builder::new().name("logger".to_owned());
    builder.spawn(crate::logger::run).context("cannot start thread logger")?;
    Ok(())
}
