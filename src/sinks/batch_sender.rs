//! The sender: takes rows in their order, hands them to the sink batch by batch, repeats what the far end did
//! not take, and counts what became of each row.
//!
//! Runs on its own thread, one per sink. All rows of a batch are settled (delivered, rejected, dropped or set aside)
//! before the next batch is taken, so rows arrive in order. Only within a batch a row that must be sent again comes
//! behind rows that were taken at once.
//!
//! ```text
//!  batch ─ no verdict twice, while the far end answers otherwise ─▶ pieces ─ … ─▶ a row alone ─ set aside ─▶
//!        ─ tried again between the next batches, five times at least ─▶ delivered, or rejected as poison
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::sinks::Sink;
use crate::sinks::batcher::{Batcher, Collected, Origin};
use crate::sinks::block::Block;
use crate::sinks::queue::SinkQueue;

mod aside;
mod aside_rows;
mod attempts;
mod books;
mod copies;
mod part;
mod patience;
mod search;
mod setting_aside;
mod settling;
mod taken_lately;
mod trial;

use aside::Aside;
use attempts::Attempts;
use books::Books;
use copies::Copies;
use taken_lately::TakenLately;

/// One sink's sender.
#[derive(Debug)]
pub struct BatchSender {
    attempts: Attempts,
    queue: Arc<SinkQueue>,
    books: Books,
    aside: Aside,
    copies: Copies,
    /// Whether rows were taken since rows that wait for the far end were set aside.
    others_taken: bool,
    /// Of which kin rows were taken lately.
    taken_lately: TakenLately,
    /// Whether the last whole batch got no verdict: then the far end may be away, and trials tell nothing.
    batches_fail: bool,
}

impl BatchSender {
    /// Sends rows of this queue to this sink; rows older than `retry_max` are given up.
    pub fn new(sink: Box<dyn Sink>, queue: Arc<SinkQueue>, retry_max: Option<Duration>) -> Self {
        Self {
            attempts: Attempts::new(sink, Arc::clone(&queue)),
            books: Books::new(Arc::clone(&queue), retry_max),
            aside: Aside::new(queue.max_bytes()),
            copies: Copies::new(Arc::clone(&queue)),
            queue,
            others_taken: false,
            taken_lately: TakenLately::default(),
            batches_fail: false,
        }
    }

    /// Runs until all rows are settled and no more come, or until the deadline that main has set.
    pub fn run(mut self) {
        let limits = self.attempts.sink().limits();
        let mut batcher = Batcher::new(Arc::clone(&self.queue), limits);
        let mut left = Vec::new();
        loop {
            // One trial between two batches, so that rows that wait are held up by no more than that.
            self.try_aside(Instant::now());
            match batcher.collect(self.aside.next_due()) {
                Collected::Batch(batch) => {
                    let origin = batch.origin;
                    left = self.settle(batch);
                    if left.is_empty() {
                        batcher.settled();
                        continue;
                    }
                    // Rows that came from disk are still there.
                    left.retain(|_| origin == Origin::Memory);
                }
                Collected::Nothing => continue,
                Collected::End => self.try_all_aside(),
            }
            break;
        }
        let mut older = self.aside.take_all();
        older.append(&mut left);
        self.queue.keep(batcher.into_left(older));
        self.copies.remove();
    }
}

/// The kin of the first row.
fn first_kin(sink: &dyn Sink, rows: &Block) -> u64 {
    sink.kin(&rows.iter().next().expect("rows that were sent are there"))
}
