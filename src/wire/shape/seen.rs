//! Messages that were seen once: enough of each to know it when it comes for the second time.
//!
//! Runs on an ingest worker; a flood of messages that never come again touches nothing but this.

/// Fingerprints of messages seen once, in sets of four: 1 MiB, touched as it is used. A message must
/// come again before so many others have; a series that is rarer gains little by a shape.
const SEEN: usize = 1 << 18;
const SEEN_WAYS: usize = 4;

/// The fingerprints.
#[derive(Debug)]
pub(super) struct Seen {
    marks: Vec<u32>,
    /// The way that is overwritten next where a set is full.
    way: usize,
}

impl Seen {
    /// None were seen; without memory if none ever will be.
    pub(super) fn new(used: bool) -> Self {
        Self { marks: vec![0; if used { SEEN } else { 0 }], way: 0 }
    }

    /// Notes a message by its hash; whether it was noted before.
    #[expect(clippy::cast_possible_truncation, reason = "halves of the hash")]
    pub(super) fn note(&mut self, hash: u64) -> bool {
        // High bits choose the set, low bits are the fingerprint.
        let set = (hash >> 32) as usize % (SEEN / SEEN_WAYS) * SEEN_WAYS;
        let fingerprint = hash as u32;
        let ways = &mut self.marks[set..set + SEEN_WAYS];
        if ways.contains(&fingerprint) {
            return true;
        }
        let free = ways.iter().position(|&mark| mark == 0);
        self.way = (self.way + 1) % SEEN_WAYS;
        ways[free.unwrap_or(self.way)] = fingerprint;
        false
    }
}
