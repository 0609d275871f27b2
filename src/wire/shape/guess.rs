//! Which message comes next: the one that came behind this one last time, as long as that holds.
//!
//! Runs on an ingest worker; it must not know what a message is.

/// No entry.
pub(super) const NONE: u32 = u32::MAX;

/// What came behind a message last time, if programs send in the same order again, as a PHP request
/// does: then the next message is compared with its guess and neither searched nor hashed. Where order
/// is random the guesses fail, and soon hardly any is tried.
#[derive(Debug)]
pub(super) struct Guess {
    /// The message before, within one datagram or read.
    pub(super) last: u32,
    /// Raised by guesses that hold, lowered by those that fail.
    trust: u8,
    /// Counts messages, so that a guess is tried now and then without trust.
    clock: u8,
}

impl Guess {
    const TRUST_MAX: u8 = 32;
    const TRUST_ENOUGH: u8 = 16;

    /// Nothing came before, and guesses are worth a try.
    pub(super) const fn new() -> Self {
        Self { last: NONE, trust: Self::TRUST_ENOUGH, clock: 0 }
    }

    /// Whether guesses have held lately.
    #[inline]
    pub(super) fn is_trusted(&self) -> bool {
        self.trust >= Self::TRUST_ENOUGH
    }

    /// Whether a guess is worth a try.
    #[inline]
    pub(super) fn tries(&mut self) -> bool {
        self.clock = self.clock.wrapping_add(1) % 64;
        self.last != NONE && (self.is_trusted() || self.clock == 0)
    }

    #[inline]
    pub(super) fn learn(&mut self, held: bool) {
        let trust = if held { self.trust + 1 } else { self.trust.saturating_sub(2) };
        self.trust = trust.min(Self::TRUST_MAX);
    }
}
