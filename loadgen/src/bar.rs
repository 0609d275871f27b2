//! The progress bar on stderr. Runs in the main thread while others send.

use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often the bar moves.
const TICK: Duration = Duration::from_millis(100);

/// A bar of messages, or a spinner when only the time is bounded.
#[derive(Debug)]
pub(crate) struct Bar {
    bar: ProgressBar,
    per_datagram: u64,
}

impl Bar {
    /// A bar up to `limit` datagrams, `u64::MAX` being none; hidden if quiet, or if no terminal is there to show it.
    pub(crate) fn new(quiet: bool, limit: u64, per_datagram: u64) -> Self {
        let bounded = limit < u64::MAX;
        let bar = ProgressBar::with_draw_target(
            bounded.then(|| limit.saturating_mul(per_datagram)),
            if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() },
        );
        let template = if bounded {
            "{wide_bar} {human_pos}/{human_len} messages, {per_sec}, {eta} left"
        } else {
            "{spinner} {human_pos} messages, {per_sec}, {elapsed}"
        };
        // The templates are constant and well-formed; otherwise the default does.
        let style = ProgressStyle::with_template(template);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, per_datagram }
    }

    /// Shows how many datagrams are sent until there is nothing more to tell. A hidden bar does not even ask: it
    /// would take time from a core that may be busy sending.
    pub(crate) fn follow(&self, sent: impl Fn() -> Option<u64>) {
        if self.bar.is_hidden() {
            return;
        }
        while let Some(datagrams) = sent() {
            self.bar.set_position(datagrams * self.per_datagram);
            thread::sleep(TICK);
        }
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::Bar;

    #[test]
    fn a_hidden_bar_asks_nothing() {
        let bar = Bar::new(true, 5, 1);
        bar.follow(|| unreachable!("asked"));
    }
}
