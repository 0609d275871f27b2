//! One page at a time, shared by all who ask while it is made.
//!
//! A scrape that comes while a page is being made waits for the next one, since what its client has
//! sent before may be missing from this one; all that wait share it. So besides those that are being
//! sent at most two pages exist at a time, whatever the number of scrapers.

use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::exporter::http::body::Body;

/// One page at a time, shared.
#[derive(Debug, Default)]
pub(super) struct Flight {
    state: Mutex<FlightState>,
    landed: Condvar,
}

#[derive(Debug, Default)]
struct FlightState {
    /// Pages begun so far.
    begun: u64,
    /// The newest page that is ready, and its number; kept only while somebody waits for it.
    page: Option<(u64, Arc<Body>)>,
    flying: bool,
    waiting: usize,
}

impl Flight {
    /// A page that was begun after this call: made here, or by another that came a little earlier.
    pub(super) fn share(&self, make: impl FnOnce() -> Body) -> Arc<Body> {
        let mut state = self.state.lock();
        let wanted = state.begun + 1;
        state.waiting += 1;
        let body = loop {
            match &state.page {
                Some((number, body)) if *number >= wanted => break Arc::clone(body),
                _ if !state.flying => {
                    state.flying = true;
                    state.begun += 1;
                    let number = state.begun;
                    drop(state);
                    let mut landing = Landing { flight: self, page: None };
                    let body = Arc::new(make());
                    landing.page = Some((number, Arc::clone(&body)));
                    drop(landing);
                    state = self.state.lock();
                    break body;
                }
                _ => self.landed.wait(&mut state),
            }
        };
        state.waiting -= 1;
        if state.waiting == 0 {
            state.page = None;
        }
        body
    }
}

/// Gives the page to all and the place back, also when making the page panics: the next scrape tries anew.
struct Landing<'a> {
    flight: &'a Flight,
    page: Option<(u64, Arc<Body>)>,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        let mut state = self.flight.state.lock();
        state.flying = false;
        if self.page.is_some() {
            state.page = self.page.take();
        }
        if std::thread::panicking() {
            state.waiting -= 1; // its maker waits no more
        }
        drop(state);
        self.flight.landed.notify_all();
    }
}
