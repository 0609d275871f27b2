//! The state that all tasks of the thread `http` share: tables, limits, counters, and what they serve.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;

use super::connections::Connections;
use super::limits::HttpLimits;
use super::pages::Pages;
use super::refusal::{Refusal, RefusalLog};
use super::stats::HttpStats;
use super::web_config::SharedWebConfig;
use crate::logger::throttle::Throttle;

/// The state that all tasks of the thread `http` share.
#[derive(Debug)]
pub(super) struct ServerState {
    pub(super) pages: Arc<dyn Pages>,
    pub(super) stats: Arc<HttpStats>,
    pub(super) limits: HttpLimits,
    pub(super) web_config: Arc<SharedWebConfig>,
    pub(super) connections: Connections,
    pub(super) refusal_log: RefusalLog,
    pub(super) accept_log: RefCell<Throttle>,
    pub(super) slow_reader_log: RefCell<Throttle>,
    /// Becomes `true` when the server is to stop.
    pub(super) stopping: watch::Receiver<bool>,
}

impl ServerState {
    /// Counts a refusal, and logs it unless one for the same reason was logged a moment ago.
    pub(super) fn refuse(&self, reason: Refusal, peer: SocketAddr) {
        self.stats.count_refused(reason);
        self.refusal_log.log(reason, peer);
    }

    /// Counts a response that was given up at its deadline, and logs it unless another one was logged a moment ago.
    pub(super) fn give_up_response(&self, peer: SocketAddr) {
        self.stats.count_slow_reader();
        let mut throttle = self.slow_reader_log.borrow_mut();
        if throttle.allows() {
            let left_out = throttle.left_out();
            log::warn!(
                "http: gave up a response to {peer}: it took longer than -scrape-timeout{left_out}"
            );
        }
    }
}
