//! Setting rows aside: those that got no verdict alone, and those that the far end wants later while it takes others.

use std::time::{Duration, Instant};

use super::aside_rows::AsideRows;
use super::part::Part;
use super::search::{Search, Taken};
use super::{BatchSender, first_kin};
use crate::sinks::batcher::Origin;
use crate::sinks::block::Block;

/// How often, one after another, all rows of a part must have been answered with "later" before they are set aside,
/// and for how long unless other rows were taken meanwhile.
const LATER: u32 = 3;
const LATER_TIME: Duration = Duration::from_secs(10);
/// For how long rows that were taken tell that those of another kin can be the only ones that are not.
const OTHERS_TIME: Duration = Duration::from_mins(10);

impl BatchSender {
    /// Sets the rows aside that got no verdict alone.
    pub(super) fn set_aside(&mut self, search: Search, origin: Origin) {
        let sink = self.attempts.sink();
        for alone in search.into_alone(|row| first_kin(sink, row)) {
            self.push_aside(alone.row, alone.taken, origin);
            self.attempts.tell_aside(
                "a row gets no verdict even alone; those behind it go on, and it is tried again",
            );
        }
    }

    /// Whether rows that the far end wants later may wait aside, so that those behind them go on: if it took others
    /// meanwhile, or if it has answered for some time without taking any.
    pub(super) fn may_wait_aside(&mut self, part: &Part, began: Instant) -> bool {
        part.later >= LATER
            && (self.others_taken
                || self.takes_others(part)
                || (began.elapsed() >= LATER_TIME && self.attempts.is_well()))
            && self.make_room_aside(part.rows.bytes().len())
    }

    /// Sets rows aside that the far end wants later.
    pub(super) fn wait_aside(&mut self, rows: Block, origin: Origin) {
        let count = rows.row_count();
        self.others_taken = false;
        self.push_aside(rows, Taken::None, origin);
        self.attempts.tell_aside(&format!(
            "{count} rows are not taken while others are; those behind them go on, and these are tried again"
        ));
    }

    /// Whether so many bytes more may be set aside. Rows of a kin of which the far end takes none while it takes others
    /// are given up for them; where it takes nothing, or something of each kin, all rows wait.
    pub(super) fn make_room_aside(&mut self, bytes: usize) -> bool {
        if !self.aside.has_room(bytes) {
            let (taken, now) = (&self.taken_lately, Instant::now());
            let others = |kin| taken.others_than(&[kin], now, OTHERS_TIME);
            let gone = self.aside.make_room(bytes, others);
            for rows in &gone {
                self.books.drop_aside(rows);
            }
        }
        self.aside.has_room(bytes)
    }

    fn push_aside(&mut self, rows: Block, taken: Taken, origin: Origin) {
        self.books.move_to_memory(&rows, origin);
        let kin = first_kin(self.attempts.sink(), &rows);
        let copied = self.copies.add(&rows);
        self.aside.push(AsideRows::new(rows, kin, taken, Instant::now()));
        if !copied {
            self.copies.write(&self.aside);
        }
    }
}
