//! The check of one password.
//!
//! Made on the thread `http`, and run on the thread `web-config`, where it takes a while. It must not know HTTP.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::memory::Memory;
use super::results::LoginDigest;
use super::users::Candidate;
use crate::http::network::Network;

/// A password that waits to be checked, and what is needed to check it and to remember the result.
pub(crate) struct PasswordCheck {
    password: Vec<u8>,
    hash: String,
    is_known: bool,
    digest: LoginDigest,
    network: Network,
    memory: Arc<Mutex<Memory>>,
    done: watch::Sender<Option<bool>>,
}

impl PasswordCheck {
    /// Makes a check and the receiver of its result, which holds `None` until the check has run.
    pub(super) fn new(
        candidate: Candidate<'_>,
        password: Vec<u8>,
        digest: LoginDigest,
        network: Network,
        memory: &Arc<Mutex<Memory>>,
    ) -> (Self, watch::Receiver<Option<bool>>) {
        let (done, result) = watch::channel(None);
        let (hash, is_known) = (candidate.hash.to_owned(), candidate.is_known);
        let memory = Arc::clone(memory);
        (Self { password, hash, is_known, digest, network, memory, done }, result)
    }

    /// Runs bcrypt, remembers the result, and tells it to all who wait. It takes tens of milliseconds, or seconds where
    /// the hash was made with a high cost.
    pub(crate) fn run(self) {
        let matches = matches!(bcrypt::verify(&self.password, &self.hash), Ok(true));
        let is_right = matches && self.is_known;
        {
            let mut memory = self.memory.lock();
            memory.results.end(self.digest, is_right);
            if is_right {
                memory.peers.take_back_failure(self.network);
            }
        }
        self.done.send_replace(Some(is_right));
    }
}
