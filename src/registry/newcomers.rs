//! Room for newcomers: series that are sent again and again get in while a flood of series that never come again
//! holds a limit.
//!
//! ```text
//!  full limit      ┬ second sight: a series that was refused before may go up to here
//!                  │ kept free; the exporter evicts singletons down to the mark below (see `expiry`)
//!  less a 16th     ┴ first sight: while room is kept, a series that was never seen is refused from here on
//! ```
//!
//! Each limit has a reserve of its own, and so has each name that is at its lines: what one limit is short of is no
//! reason to refuse or to evict what another has room for. More than a sixteenth is kept for a histogram that takes
//! more.
//!
//! A series that a limit refuses is noted by a fingerprint of its hash; while room is kept, so is each that is new to
//! a worker. What comes a second time is no part of such a flood: it may take the room that is kept, and when that is
//! used up it asks for more. So a flood costs as much as any refusal, however fast it is: only newcomers cause an
//! eviction.
//!
//! Called by workers when they see a series for the first time, and by the exporter once a second.

use crate::registry::limits::{Limit, SeriesLimits, Shortage};
use crate::registry::reserve::Reserve;
use crate::registry::series::Family;
use crate::sync::{AtomicBool, Mutex, Ordering};

/// Most fingerprints, 4 MiB. A flood of 100,000 series a second replaces all of them in ten seconds.
const FINGERPRINTS_MAX: usize = 1 << 20;
/// The part of all memory that fingerprints may take where that is less.
const MEMORY_PART: u64 = 8;
/// Fingerprints of one set. In a full set a new one replaces the oldest.
const WAYS: usize = 4;

/// What is known of series that were refused, and what is kept free for them.
#[derive(Debug)]
pub(super) struct Newcomers {
    limits: SeriesLimits,
    fingerprints: Mutex<Fingerprints>,
    /// What is kept free of the lines for all series.
    pub(super) lines: Reserve,
    /// What is kept free of the memory.
    pub(super) memory: Reserve,
    /// Whether the reserve of any family is in use, so that the exporter has to look at all of them.
    families: AtomicBool,
}

impl Newcomers {
    /// None yet; series that were refused before may go up to these limits.
    pub(super) fn new(limits: SeriesLimits) -> Self {
        Self {
            limits,
            fingerprints: Mutex::new(Fingerprints::new(limits.memory_max_bytes() / MEMORY_PART)),
            lines: Reserve::new(),
            memory: Reserve::new(),
            families: AtomicBool::new(false),
        }
    }

    /// Bytes that noting series takes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.fingerprints.lock().sets)
    }

    /// The limits of a series of this family, if it exists, that is not known to have been refused before; `None` if
    /// they are the full ones.
    pub(super) fn limits_of_first_sight(&self, family: Option<&Family>) -> Option<SeriesLimits> {
        let (lines, bytes) = (self.lines.kept(), self.memory.kept());
        let name_lines = family.map_or(0, |family| family.reserve.kept());
        let limits = &self.limits;
        (lines | bytes | name_lines != 0).then(|| {
            limits
                .with_lines_max(limits.lines_max() - lines)
                .with_name_lines_max(limits.name_lines_max() - name_lines)
                .with_memory_max_bytes(limits.memory_max_bytes() - bytes)
        })
    }

    /// Notes the series with this hash. Returns whether it was noted before.
    pub(super) fn note(&self, hash: u64) -> bool {
        self.fingerprints.lock().note(hash)
    }

    /// A full limit has refused a series of this family, if it exists. One that `comes_again` was noted before.
    pub(super) fn refused(&self, shortage: &Shortage, family: Option<&Family>, comes_again: bool) {
        let Shortage { limit, more, .. } = *shortage;
        let full = self.limits.of(limit);
        match (limit, family) {
            (Limit::Lines, _) => self.lines.refused(full, more, comes_again),
            (Limit::MemoryBytes, _) => self.memory.refused(full, more, comes_again),
            (Limit::NameLines, Some(family)) => {
                family.reserve.refused(full, more, comes_again);
                self.keep_families();
            }
            // Nobody else has lines of this name: its first series alone would have too many.
            (Limit::NameLines, None) => {}
        }
    }

    /// Whether the exporter has to look at the reserves of families; if one is kept then, it has to say so.
    pub(super) fn take_families(&self) -> bool {
        self.families.swap(false, Ordering::Acquire) // pairs with the Release in `keep_families`
    }

    /// The reserve of a family is kept, so that the exporter has to look again.
    pub(super) fn keep_families(&self) {
        self.families.store(true, Ordering::Release);
    }
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
}
