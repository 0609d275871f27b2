//! What the tasks of the thread `http` share.

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

/// What the tasks of the thread share.
#[derive(Debug)]
pub(super) struct ServerState {
    pub(super) pages: Arc<dyn Pages>,
    pub(super) stats: Arc<HttpStats>,
    pub(super) limits: HttpLimits,
    pub(super) web_config: Arc<SharedWebConfig>,
    pub(super) connections: Connections,
    pub(super) refusal_log: RefusalLog,
    pub(super) accept_log: RefCell<Throttle>,
    pub(super) stopping: watch::Receiver<bool>,
}

impl ServerState {
    /// Counts a refusal, and logs it unless one of its kind was logged a moment ago.
    pub(super) fn refuse(&self, reason: Refusal, peer: SocketAddr) {
        self.stats.count_refused(reason);
        self.refusal_log.log(reason, peer);
    }
}
