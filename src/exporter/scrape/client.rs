//! What the HTTP server asks for pages: it passes questions on to the thread `exporter`.
//!
//! Runs on the thread `http`; never waits.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam::channel::{Sender, TrySendError};
use tokio::sync::oneshot;

use super::position::Question;
use crate::http::pages::{Encoding, PageError, Pages, PieceReceiver, answered};

/// Whether traffic should be sent here: until the begin of a stop.
#[derive(Debug)]
pub struct Readiness(AtomicBool);

impl Default for Readiness {
    fn default() -> Self {
        Self(AtomicBool::new(true))
    }
}

impl Readiness {
    /// From now on `/health` and `/-/ready` say no.
    pub fn end(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Asks the threads that make pages.
#[derive(Debug)]
pub struct ScrapeClient<W> {
    questions: Arc<Sender<Question<W>>>,
    readiness: Arc<Readiness>,
}

impl<W> ScrapeClient<W> {
    pub(super) fn new(questions: Arc<Sender<Question<W>>>, readiness: Arc<Readiness>) -> Self {
        Self { questions, readiness }
    }
}

impl<W: Debug + Send + Sync> Pages for ScrapeClient<W> {
    fn begin(&self, encoding: Encoding) -> PieceReceiver {
        let (reply, receiver) = oneshot::channel();
        let asked = self.questions.try_send(Question::Page { encoding, reply });
        if let Err(TrySendError::Full(_)) = asked {
            return answered(Err(PageError::Busy));
        }
        receiver
    }

    fn live(&self) -> bool {
        true // a dead thread ends the process
    }

    fn ready(&self) -> bool {
        self.readiness.0.load(Ordering::Relaxed)
    }

    fn landing(&self) -> String {
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><title>metrics-server</title></head><body>\n\
             <h1>metrics-server {}</h1>\n<ul>\n<li><a href=\"/metrics\">Metrics</a></li>\n\
             <li><a href=\"/-/healthy\">Alive</a></li>\n<li><a href=\"/-/ready\">Ready</a></li>\n\
             </ul>\n</body></html>\n",
            env!("CARGO_PKG_VERSION")
        )
    }
}
