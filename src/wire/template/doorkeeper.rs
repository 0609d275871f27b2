//! The doorkeeper: it remembers of each message that came once just enough to know it when it comes again.
//!
//! Runs on an ingest worker. Only what comes twice is let into the cache, so that a flood of messages that
//! never come again touches nothing but this.

/// Fingerprints that are kept: 1 MiB, which takes memory only as it is used. A message becomes a template if it
/// comes again before about so many others have come; a series that is rarer gains little by a template.
const FINGERPRINTS: usize = 1 << 18;
/// Fingerprints of one set. A new one in a full set replaces one of them.
const WAYS: usize = 4;

/// The fingerprints, in sets.
#[derive(Debug)]
pub(super) struct Doorkeeper {
    fingerprints: Vec<u32>,
    /// Which fingerprint of a full set is replaced next.
    next_way: usize,
}

impl Doorkeeper {
    /// One that remembers nothing yet. It takes memory only if it will be `used`.
    pub(super) fn new(used: bool) -> Self {
        Self { fingerprints: vec![0; if used { FINGERPRINTS } else { 0 }], next_way: 0 }
    }

    /// Notes a message by its hash; returns whether it was noted before.
    #[expect(clippy::cast_possible_truncation, reason = "halves of the hash")]
    pub(super) fn note(&mut self, hash: u64) -> bool {
        // High bits choose the set, low bits are the fingerprint.
        let set = (hash >> 32) as usize % (FINGERPRINTS / WAYS) * WAYS;
        let fingerprint = hash as u32;
        let ways = &mut self.fingerprints[set..set + WAYS];
        if ways.contains(&fingerprint) {
            return true;
        }
        let free = ways.iter().position(|&way| way == 0);
        self.next_way = (self.next_way + 1) % WAYS;
        ways[free.unwrap_or(self.next_way)] = fingerprint;
        false
    }
}
