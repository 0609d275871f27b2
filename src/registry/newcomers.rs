//! Room for newcomers: series that are sent again and again get in while a flood of series that never come again
//! holds a limit.
//!
//! ```text
//!  full limit      ┬ second sight: a series that was refused before may go up to here
//!                  │ kept free; the exporter evicts singletons down to the mark below (see `expiry`)
//!  less a 16th     ┴ first sight: while room is kept, a series that was never seen is refused from here on
//! ```
//!
//! A series that a limit refuses is noted by a fingerprint of its hash; while room is kept, so is each that is new to
//! a worker. What comes a second time is no part of such a flood: it may take the room that is kept, and when that is
//! used up it asks for more. So a flood costs as much as any refusal, however fast it is: only newcomers cause an
//! eviction.
//!
//! Called by workers when a series is refused, and by the exporter once a second.

use crate::registry::limits::SeriesLimits;
use crate::sync::{AtomicBool, Mutex, Ordering};

/// The part of each limit that is kept free: room for the newcomers of some passes, and little beside the limit.
const KEPT_PART: u64 = 16;
/// Most fingerprints, 4 MiB. A flood of 100,000 series a second replaces all of them in ten seconds.
const FINGERPRINTS_MAX: usize = 1 << 20;
/// The part of all memory that fingerprints may take where that is less.
const MEMORY_PART: u64 = 8;
/// Fingerprints of one set. In a full set a new one replaces the oldest.
const WAYS: usize = 4;

/// What is known of series that were refused.
#[derive(Debug)]
pub(super) struct Newcomers {
    /// The limits of series that were not refused before, while room is kept.
    first_sight: SeriesLimits,
    fingerprints: Mutex<Fingerprints>,
    /// Whether room is kept for series that were refused before.
    keeps_room: AtomicBool,
    /// Whether a series was refused since the exporter has looked last.
    refused: AtomicBool,
    /// Whether one of them had been refused before.
    wants_room: AtomicBool,
}

impl Newcomers {
    /// None yet; series that were refused before may go up to these limits.
    pub(super) fn new(limits: SeriesLimits) -> Self {
        Self {
            first_sight: limits
                .with_lines_max(without_kept(limits.lines_max()))
                .with_name_lines_max(without_kept(limits.name_lines_max()))
                .with_memory_max_bytes(without_kept(limits.memory_max_bytes())),
            fingerprints: Mutex::new(Fingerprints::new(limits.memory_max_bytes() / MEMORY_PART)),
            keeps_room: AtomicBool::new(false),
            refused: AtomicBool::new(false),
            wants_room: AtomicBool::new(false),
        }
    }

    /// Bytes that noting series takes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.fingerprints.lock().sets)
    }

    /// The limits of a series that is not known to have been refused before, if they are less than all.
    pub(super) fn limits_of_first_sight(&self) -> Option<&SeriesLimits> {
        self.keeps_room.load(Ordering::Relaxed).then_some(&self.first_sight)
    }

    /// Notes the series with this hash. Returns whether it was noted before.
    pub(super) fn note(&self, hash: u64) -> bool {
        self.fingerprints.lock().note(hash)
    }

    /// A limit has refused a series. If that was noted before, asks the exporter for room, and keeps it free of series
    /// that were not.
    pub(super) fn refused(&self, is_second_sight: bool) {
        self.refused.store(true, Ordering::Relaxed);
        if is_second_sight {
            self.keeps_room.store(true, Ordering::Relaxed);
            self.wants_room.store(true, Ordering::Relaxed);
        }
    }

    /// The limits down to which room is asked for, if it is. Called by the exporter once a second; no room is kept
    /// any more once nothing is refused.
    pub(super) fn take_want(&self) -> Option<&SeriesLimits> {
        if !self.refused.swap(false, Ordering::Relaxed) {
            self.keeps_room.store(false, Ordering::Relaxed);
        }
        self.wants_room.swap(false, Ordering::Relaxed).then_some(&self.first_sight)
    }
}

/// What is left of a limit without what is kept free.
fn without_kept(limit: u64) -> u64 {
    limit - (limit / KEPT_PART).max(1)
}

/// The fingerprints of series, in sets, in each the newest first.
#[derive(Debug)]
struct Fingerprints {
    sets: Vec<[u32; WAYS]>,
}

impl Fingerprints {
    /// None yet, and no more than fit into so many bytes.
    fn new(bytes_max: u64) -> Self {
        let most = (FINGERPRINTS_MAX / WAYS) as u64;
        let sets = (bytes_max / size_of::<[u32; WAYS]>() as u64).clamp(1, most);
        Self { sets: vec![[0; WAYS]; usize::try_from(sets).expect("at most a mebi")] }
    }

    /// Notes a hash; returns whether it is among those that were noted.
    #[expect(clippy::cast_possible_truncation, reason = "halves of the hash")]
    fn note(&mut self, hash: u64) -> bool {
        // High bits choose the set, low bits are the fingerprint.
        let set = (hash >> 32) as usize % self.sets.len();
        let (set, fingerprint) = (&mut self.sets[set], hash as u32);
        if set.contains(&fingerprint) {
            return true;
        }
        set.rotate_right(1);
        set[0] = fingerprint;
        false
    }
}

#[cfg(test)]
#[cfg(not(any(model_loom, shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn a_set_keeps_the_newest() {
        let mut fingerprints = Fingerprints::new(0);
        assert_eq!(fingerprints.sets.len(), 1);
        for hash in 1..=5 {
            assert!(!fingerprints.note(hash));
        }
        assert!((2..=5).all(|hash| fingerprints.note(hash)));
        assert!(!fingerprints.note(1), "the oldest of five was replaced");
    }

    #[test]
    fn room_is_kept_from_the_first_want_until_nothing_is_refused() {
        let newcomers = Newcomers::new(SeriesLimits::unlimited(1).with_lines_max(160));
        newcomers.refused(newcomers.note(1));
        assert!(newcomers.limits_of_first_sight().is_none() && newcomers.take_want().is_none());
        newcomers.refused(newcomers.note(1));
        assert_eq!(newcomers.limits_of_first_sight().map(SeriesLimits::lines_max), Some(150));
        assert!(newcomers.take_want().is_some() && newcomers.limits_of_first_sight().is_some());
        assert!(newcomers.take_want().is_none() && newcomers.limits_of_first_sight().is_none());
    }
}
