//! What went wrong with the addresses that could not be connected to.
//!
//! The driver tries nodes again and again and keeps the causes to itself, so whoever opens a connection notes them
//! here, and whoever waits for a session reads them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;

/// How many addresses are told; enough for one line of the log.
const SHOWN_MAX: usize = 3;

/// By address: why the last try to connect to it failed.
#[derive(Clone, Debug)]
pub(super) struct ConnectFailures(Arc<watch::Sender<HashMap<SocketAddr, String>>>);

impl ConnectFailures {
    /// None yet.
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::channel(HashMap::new()).0))
    }

    /// Notes how a try to connect went; an error is its cause in words.
    pub(super) fn note(&self, addr: SocketAddr, tried: Result<(), String>) {
        self.0.send_modify(|failed| match tried {
            Ok(()) => drop(failed.remove(&addr)),
            Err(why) => drop(failed.insert(addr, why)),
        });
    }

    /// Waits until so many addresses have failed; returns the causes in words.
    pub(super) async fn all(&self, addresses: usize) -> String {
        let mut failed = self.0.subscribe();
        let failed = failed.wait_for(|failed| failed.len() >= addresses).await;
        join(&failed.expect("the sender lives as long as self"))
    }

    /// The causes that are known so far, in words.
    pub(super) fn text(&self) -> String {
        join(&self.0.borrow())
    }
}

fn join(failed: &HashMap<SocketAddr, String>) -> String {
    let mut lines: Vec<_> = failed.iter().map(|(addr, why)| format!("{addr}: {why}")).collect();
    lines.sort();
    lines.truncate(SHOWN_MAX);
    lines.join("; ")
}
