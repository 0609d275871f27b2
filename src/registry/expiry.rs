//! Retirement of idle series: *the owner gives up, the exporter folds*.
//!
//! 1. The exporter finds a series whose newest stamp is older than the ttl and asks each owner of a
//!    cell to give it up.
//! 2. Between batches an owner drops its key, so that it will never write the cell again, and answers.
//! 3. The exporter adds the final cell to the series' base under the lock that readers of the page
//!    hold as well, so a page has the cell or the base, never both and never neither: the sum that is
//!    shown never falls. Only then does the owner get the place back.
//! 4. Under the lock of births the series dies if no owner is left and the newest folded stamp is
//!    still older than the ttl. Otherwise it stands on its base.
//!
//! A sample that arrives between 2 and 4 finds no key and asks for the series under the lock of
//! births. Before 4 it finds the series and becomes an owner again, so 4 does not let it die; after 4
//! it begins a new one. So no sample vanishes, and no series dies while somebody counts for it.
//! `tests/model_shuttle.rs` checks this over random schedules.
//!
//! Runs on the exporter. Time is an argument.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::registry::directory::{Directory, FamilyView, SeriesView};
use crate::registry::mailbox::{GivenUp, Mailboxes, Request};
use crate::sync::Ordering;

/// What one pass has done.
#[derive(Debug, Default)]
pub struct Pass {
    /// Workers with new requests: they must be woken.
    pub wake: BTreeSet<usize>,
    /// Series that died, as they stood last.
    pub died: Vec<SeriesView>,
    /// Cells that are asked for and not yet answered.
    pub outstanding: usize,
}

/// Cells that are asked for at a time: some milliseconds of work for an owner between two batches, and
/// for the exporter while it holds the directory.
const OUTSTANDING_MAX: usize = 4096;

/// The exporter's side of retirement.
#[derive(Debug)]
pub struct Expiry {
    ttl_ns: u64,
    mailboxes: Arc<Mailboxes>,
    /// Cells that are asked for and not folded.
    outstanding: usize,
}

impl Expiry {
    /// Retires series that had no sample for `ttl_ns`.
    pub fn new(ttl_ns: u64, mailboxes: Arc<Mailboxes>) -> Self {
        Self { ttl_ns, mailboxes, outstanding: 0 }
    }

    /// One pass: folds what was given up, then asks for what has become idle.
    pub fn pass(&mut self, directory: &mut Directory, now_ns: u64) -> Pass {
        let mut pass = Pass::default();
        // Answers are taken before newcomers: a cell is announced before it is given up, so each
        // answer finds its cell in the directory.
        let answers = self.mailboxes.answers();
        directory.merge_new_cells();
        let mut dead = BTreeSet::new();
        for answer in answers {
            self.outstanding -= 1;
            if self.fold(directory, &answer, now_ns, &mut pass) {
                dead.insert(answer.series.family.name.clone());
            }
        }
        // The dead leave together: one by one, each would move all that stand behind it.
        for name in dead {
            if let Some(view) = directory.views.get_mut(&name) {
                pass.died.extend(view.entries.extract_if(.., |entry| entry.is_dead()));
            }
        }
        self.ask(directory, now_ns, &mut pass);
        directory.views.retain(|_, view| !view.entries.is_empty());
        pass.outstanding = self.outstanding;
        pass
    }

    fn idle(&self, stamp_ns: u64, now_ns: u64) -> bool {
        now_ns.saturating_sub(stamp_ns) > self.ttl_ns
    }

    /// Folds one final cell; whether its series died of it.
    fn fold(
        &self,
        directory: &mut Directory,
        answer: &GivenUp,
        now_ns: u64,
        pass: &mut Pass,
    ) -> bool {
        let GivenUp { series, cell, slot } = answer;
        let registry = Arc::clone(&directory.registry);
        let Some(view) = directory.views.get_mut(&series.family.name) else { return false };
        let mixed = registry.bounds().mixed_label_sets;
        let Ok(position) = view.position(&series.text, mixed) else { return false };
        let entry = &mut view.entries[position];
        entry.fold(cell);
        series.asked.store(series.asked.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
        let idle = self.idle(entry.stamp_ns(), now_ns);
        let died = registry.release(series, idle);
        if died {
            entry.bury();
        }
        view.due_ns = 0;
        let worker = cell.worker();
        self.mailboxes.ask(worker, Request::Reuse { slot: *slot, words: cell.words().len() });
        pass.wake.insert(worker);
        died
    }

    fn ask(&mut self, directory: &mut Directory, now_ns: u64, pass: &mut Pass) {
        let registry = Arc::clone(&directory.registry);
        for view in directory.views.values_mut() {
            if view.due_ns > now_ns {
                continue;
            }
            self.ask_owners(view, now_ns, pass);
            let oldest = view.entries.iter().map(SeriesView::stamp_ns).min();
            let full = self.outstanding >= OUTSTANDING_MAX; // the rest is asked for next time
            view.due_ns = if full { 0 } else { oldest.unwrap_or(0).saturating_add(self.ttl_ns) };
            // Those on their base alone have nobody to ask.
            pass.died.extend(view.entries.extract_if(.., |entry| {
                entry.cells().is_empty()
                    && self.idle(entry.stamp_ns(), now_ns)
                    && registry.end(&entry.series)
            }));
        }
    }

    fn ask_owners(&mut self, view: &FamilyView, now_ns: u64, pass: &mut Pass) {
        for entry in &view.entries {
            if self.outstanding >= OUTSTANDING_MAX {
                return;
            }
            let series = &entry.series;
            if series.asked.load(Ordering::Relaxed) > 0 || !self.idle(entry.stamp_ns(), now_ns) {
                continue;
            }
            for cell in entry.cells() {
                series.asked.store(series.asked.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
                self.mailboxes.ask(cell.worker(), Request::GiveUp(Arc::clone(series)));
                pass.wake.insert(cell.worker());
                self.outstanding += 1;
            }
        }
    }
}
