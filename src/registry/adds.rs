//! What one worker has added to one gauge. It has a cell of its own for that, beside the one in which it sets the
//! gauge (see `cell`).
//!
//! ```text
//! stamp | epoch | sum (f64) | error (f64)
//! ```
//!
//! A `set` begins an *epoch*, and its stamp is the epoch's name; 0 is that before the first one. Adds of an epoch
//! count from the value that was set, and those of earlier ones count no more. So nobody has to take back what was
//! added when a gauge is set, and a set of a plain gauge does nothing for gauges that are added to: whoever adds looks
//! at the stamps of all workers' sets first (`set_cells`), and starts from 0 if there is a newer one than its own
//! adds have counted from. A cell has one writer as all cells have, so no add is lost, with any number of workers.
//!
//! `error` is what rounding has cut off from the sum (see `ExactSum`): a gauge that has 0.1 added and subtracted
//! equally often is 0 again. `stamp` is the time of the last add, for expiry.

use crate::registry::exact_sum::ExactSum;
use crate::sync::{AtomicU64, Ordering};

const STAMP: usize = 0;
const EPOCH: usize = 1;
const SUM: usize = 2;
const ERROR: usize = 3;

/// Words of a cell.
pub(crate) const ADDS_WORDS: usize = 4;

/// In place of an epoch while the sum changes from one to the next. No clock comes so far.
const CHANGING: u64 = u64::MAX;

/// Adds to a gauge. `newest_set_ns` is the stamp of the newest set that the worker sees.
///
/// A reader must not take the sum of one epoch for that of another. So the epoch is replaced before the sum is, and
/// set after it. All stores but that of the stamp release: whoever sees a new sum sees as well that its epoch has
/// changed, and whoever sees that sees the set that has begun the new one.
/// `tests/model_loom.rs` checks this, and fails when one of these stores is left out or in another place.
pub fn add(cell: &[AtomicU64], value: f64, newest_set_ns: u64, now_ns: u64) {
    let is_new_epoch = cell[EPOCH].load(Ordering::Relaxed) != newest_set_ns;
    let mut sum = if is_new_epoch {
        cell[EPOCH].store(CHANGING, Ordering::Release);
        ExactSum::default()
    } else {
        stored_sum(cell)
    };
    sum.add(value);
    let (rounded, error) = sum.bounded().parts();
    cell[SUM].store(rounded.to_bits(), Ordering::Release);
    cell[ERROR].store(error.to_bits(), Ordering::Release);
    if is_new_epoch {
        cell[EPOCH].store(newest_set_ns, Ordering::Release);
    }
    cell[STAMP].store(now_ns, Ordering::Relaxed);
}

/// What a worker has added since a set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AddsReading {
    /// The stamp of that set; 0 if there was none.
    pub epoch_ns: u64,
    /// The sum.
    pub sum: ExactSum,
}

/// Reads a cell; `None` if its worker begins a new epoch just now. Nothing of that one has counted yet when the
/// reader began, and what was there counts no more: the reader sees the set that it was begun for, if it reads the
/// cells of sets after this one.
pub fn read(cell: &[AtomicU64]) -> Option<AddsReading> {
    let epoch_ns = cell[EPOCH].load(Ordering::Acquire);
    let sum = stored_sum(cell);
    let unchanged = cell[EPOCH].load(Ordering::Acquire) == epoch_ns && epoch_ns != CHANGING;
    unchanged.then_some(AddsReading { epoch_ns, sum })
}

/// An add that is half stored shows a sum that is wrong by its rounding error, and right a moment later.
fn stored_sum(cell: &[AtomicU64]) -> ExactSum {
    let word = |at: usize| f64::from_bits(cell[at].load(Ordering::Acquire));
    ExactSum::from_parts(word(SUM), word(ERROR))
}
