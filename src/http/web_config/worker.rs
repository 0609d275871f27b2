//! The thread `web-config`: it reads the file again and checks passwords, which both may take a while.
//!
//! It waits for work and for the end, and for nothing else.

use std::sync::{Arc, Weak};

use crossbeam::channel::{Receiver, select_biased};

use super::shared::SharedWebConfig;
use crate::http::login::PasswordCheck;

/// What the thread works on.
#[derive(Debug)]
pub(crate) struct WebConfigWorker {
    /// Weak, since the end of all others who have it is the end of the thread.
    shared: Weak<SharedWebConfig>,
    reads: Receiver<()>,
    checks: Receiver<PasswordCheck>,
}

impl WebConfigWorker {
    /// Works for this configuration.
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
            // In this order: a request that waits for a changed file waits for one password at most.
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
