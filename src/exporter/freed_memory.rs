//! Memory that was freed: when it is given back to the system, and how much of it cannot be.
//!
//! By itself the allocator keeps freed memory that lies below a block in use. Even when it is told to give it back, a
//! page of 4 KiB stays as long as one block in it is in use: where one of 20 series lives on, most pages do.
//! Such pages are charged to the account, since nobody else can have them.
//!
//! Runs on the thread `exporter`, between pages.

use crate::exporter::process;
use crate::registry::Registry;
use crate::stats::Stats;
use crate::sys::limits;

/// The time between two looks.
const LOOK_NS: u64 = 500_000_000;
/// The least time between two times that memory is given back.
const GIVE_BACK_NS: u64 = 10_000_000_000;
/// So many bytes have to be freed before that: less is not worth a walk through all free blocks.
const GIVE_BACK_BYTES: u64 = 512 << 10;
/// And of what is left, this part: the larger the heap, the longer the walk.
const GIVE_BACK_PART: u64 = 8;
/// Resident memory that the account may be short of: stacks, and buffers of sockets, requests and pages.
const BESIDE_ACCOUNT_BYTES: u64 = 4 << 20;

/// What was freed, and what has become of it.
#[derive(Debug)]
pub(crate) struct FreedMemory {
    workers: Stats,
    /// Resident bytes before anything had come in.
    start_bytes: u64,
    /// Bytes that had been freed at the last look, and when the next is due.
    seen_bytes: u64,
    look_due_ns: u64,
    /// Bytes that had been freed when memory was given back last, and when that is allowed again.
    gave_back_bytes: u64,
    give_back_due_ns: u64,
    /// Freed bytes that are still resident.
    fragmented_bytes: u64,
}

impl FreedMemory {
    /// Nothing was freed yet by these workers.
    pub(crate) fn new(workers: Stats) -> Self {
        Self {
            workers,
            start_bytes: process::anonymous_bytes().unwrap_or(0),
            seen_bytes: 0,
            look_due_ns: 0,
            gave_back_bytes: 0,
            give_back_due_ns: 0,
            fragmented_bytes: 0,
        }
    }

    /// Gives memory back if enough was freed, and charges what cannot be given back; now and then.
    pub(crate) fn look(&mut self, registry: &Registry, beside_series_bytes: u64, now_ns: u64) {
        if now_ns < self.look_due_ns {
            return;
        }
        self.look_due_ns = now_ns + LOOK_NS;
        let partials = self.workers.iter().map(|worker| worker.partial_bytes_freed.get());
        let freed_bytes = registry.freed_bytes() + partials.sum::<u64>();
        let charged_bytes = registry.charged_bytes() + beside_series_bytes;
        let worth = GIVE_BACK_BYTES.max(charged_bytes / GIVE_BACK_PART);
        if freed_bytes - self.gave_back_bytes >= worth && now_ns >= self.give_back_due_ns {
            registry.shrink();
            limits::return_free_blocks();
            self.gave_back_bytes = freed_bytes;
            self.give_back_due_ns = now_ns + GIVE_BACK_NS;
        }
        // Without /proc nothing is known of pages, and nothing is charged for them.
        let anonymous_bytes = process::anonymous_bytes().unwrap_or(0);
        let resident_bytes = anonymous_bytes.saturating_sub(self.start_bytes);
        let unexplained = resident_bytes.saturating_sub(charged_bytes + BESIDE_ACCOUNT_BYTES);
        let newly_freed = freed_bytes - self.seen_bytes;
        self.seen_bytes = freed_bytes;
        // No more than was freed: other memory, such as that of a crowd of requests, is not to be charged to series.
        self.fragmented_bytes = (self.fragmented_bytes + newly_freed).min(unexplained);
        registry.set_fragmented_bytes(self.fragmented_bytes);
    }
}
