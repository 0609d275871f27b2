//! Predicts which message comes next: the one that came behind this one last time, as long as that holds.
//!
//! Runs on an ingest worker; it must not know what a message is.

use super::lookup::NO_TEMPLATE;

/// The last template that was used, and how much predictions are trusted.
///
/// A PHP request sends its messages in the same order each time; then the next message is compared with the
/// predicted template, and neither searched for its number nor hashed. Where the order is random, predictions
/// fail, and soon hardly any is tried.
#[derive(Debug)]
pub(super) struct Predictor {
    /// The template of the message before, within one datagram or read.
    last: u32,
    /// Raised by predictions that hold, lowered by those that fail.
    trust: u8,
    /// Counts messages, so that without trust a prediction is still tried now and then.
    clock: u8,
}

impl Predictor {
    const TRUST_MAX: u8 = 32;
    const TRUST_ENOUGH: u8 = 16;
    /// Without trust one message in so many is predicted.
    const RETRY_EVERY: u8 = 64;

    /// No message came before, and predictions are trusted for a start.
    pub(super) const fn new() -> Self {
        Self { last: NO_TEMPLATE, trust: Self::TRUST_ENOUGH, clock: 0 }
    }

    /// Whether predictions have held lately.
    #[inline]
    pub(super) fn is_trusted(&self) -> bool {
        self.trust >= Self::TRUST_ENOUGH
    }

    /// Whether to try a prediction for the message at hand.
    #[inline]
    pub(super) fn should_try(&mut self) -> bool {
        self.clock = self.clock.wrapping_add(1) % Self::RETRY_EVERY;
        self.last != NO_TEMPLATE && (self.is_trusted() || self.clock == 0)
    }

    /// Learns whether a prediction held.
    #[inline]
    pub(super) fn learn(&mut self, held: bool) {
        let trust = if held { self.trust + 1 } else { self.trust.saturating_sub(2) };
        self.trust = trust.min(Self::TRUST_MAX);
    }

    /// The template of the message before.
    #[inline]
    pub(super) fn last(&self) -> u32 {
        self.last
    }

    #[inline]
    pub(super) fn set_last(&mut self, index: u32) {
        self.last = index;
    }

    /// Returns the template of the message before, and forgets it: the next message follows none.
    #[inline]
    pub(super) fn forget_last(&mut self) -> u32 {
        std::mem::replace(&mut self.last, NO_TEMPLATE)
    }
}
