//! The thread `web-config`, which reads the file again and checks passwords. Both may take a while.
//!
//! It waits for work, and for the end of those who give it work.

use std::sync::{Arc, Weak};

use crossbeam::channel::{Receiver, select_biased};

use super::shared::SharedWebConfig;
use crate::http::login::PasswordCheck;

/// What the thread works on.
#[derive(Debug)]
pub(crate) struct WebConfigWorker {
    /// The thread ends when nobody else uses the configuration, so its own reference is weak.
    shared: Weak<SharedWebConfig>,
    reads: Receiver<()>,
    checks: Receiver<PasswordCheck>,
}

impl WebConfigWorker {
    /// A worker for this configuration, with the questions and checks that it takes.
    pub(super) fn new(
        shared: &Arc<SharedWebConfig>,
        reads: Receiver<()>,
        checks: Receiver<PasswordCheck>,
    ) -> Self {
        Self { shared: Arc::downgrade(shared), reads, checks }
    }

    /// Works until nobody uses the configuration any more.
    pub(crate) fn run(&self) {
        loop {
            // Reading comes first, so that a request that waits for a changed file waits for one check of a password
            // at most.
            select_biased! {
                recv(self.reads) -> read => {
                    let (Ok(()), Some(shared)) = (read, self.shared.upgrade()) else { return };
                    shared.read_again();
                }
                recv(self.checks) -> check => {
                    let Ok(check) = check else { return };
                    check.run();
                }
            }
        }
    }
}
