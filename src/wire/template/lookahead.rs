//! Messages that are probed before it is their turn, several at once, so that their templates are in the
//! processor's cache by then.
//!
//! Runs on an ingest worker. Where the message after the next one begins is known only once the next one is
//! counted, so this is a guess. A message that was not probed ahead is probed by itself.

use super::locator::Probe;
use super::lookup::NO_TEMPLATE;

/// First messages of a batch that are probed together. A batch has at most so many datagrams.
pub(super) const BATCH_MAX: usize = 64;
/// Messages of one datagram or read that are probed together: what is fetched for them must stay in the
/// nearest cache until it is used.
const DEPTH_MAX: usize = 32;
/// Bytes between two messages: an outer brace, a line end.
const GAP_MAX: usize = 4;

/// A message that was probed ahead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Upcoming {
    /// Where it begins in the received bytes.
    at: u32,
    /// What was seen of it.
    pub(super) probe: Probe,
    /// The index of the template that it may be.
    pub(super) index: u32,
}

/// Messages that were probed ahead, in the order of their bytes.
#[derive(Debug)]
pub(super) struct Lookahead {
    upcoming: Vec<Upcoming>,
    next: usize,
    depth: usize,
    /// The first message of each datagram of a batch, if it could be probed.
    firsts: Vec<Option<Upcoming>>,
}

impl Lookahead {
    pub(super) fn new() -> Self {
        Self {
            upcoming: Vec::with_capacity(DEPTH_MAX),
            next: 0,
            depth: DEPTH_MAX,
            firsts: Vec::with_capacity(BATCH_MAX),
        }
    }

    /// How many messages to probe together next time. It is halved if some of the last ones were not looked up:
    /// bytes that only look like messages should not be probed for long. It is doubled if all were.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// Forgets all messages.
    #[inline]
    pub(super) fn clear(&mut self) {
        if self.next < self.upcoming.len() {
            self.depth = (self.depth / 2).max(1);
        } else if !self.upcoming.is_empty() {
            self.depth = (self.depth * 2).min(DEPTH_MAX);
        }
        self.upcoming.clear();
        self.next = 0;
    }

    /// Adds the message at `at`; returns how many there are now.
    #[inline]
    pub(super) fn push(&mut self, at: usize, probe: Probe) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "reads are far below 4 GiB")]
        let at = at as u32;
        self.upcoming.push(Upcoming { at, probe, index: NO_TEMPLATE });
        self.upcoming.len()
    }

    /// All messages of the datagram or read.
    #[inline]
    pub(super) fn upcoming_mut(&mut self) -> impl Iterator<Item = &mut Upcoming> {
        self.upcoming.iter_mut()
    }

    /// Takes the first messages of a batch's datagrams.
    pub(super) fn set_firsts(&mut self, probes: impl Iterator<Item = Option<Probe>>) {
        self.firsts.clear();
        let first = |probe| Upcoming { at: 0, probe, index: NO_TEMPLATE };
        self.firsts.extend(probes.map(|probe| probe.map(first)));
    }

    /// The first messages of the batch.
    pub(super) fn firsts_mut(&mut self) -> impl Iterator<Item = &mut Upcoming> {
        self.firsts.iter_mut().flatten()
    }

    /// Begins the datagram with this number in the batch.
    pub(super) fn begin_datagram(&mut self, number: usize) {
        self.clear();
        self.upcoming.extend(self.firsts.get(number).copied().flatten());
    }

    /// The message that begins at `at`, if it was probed.
    #[inline]
    pub(super) fn take(&mut self, at: usize) -> Option<Upcoming> {
        while let Some(&message) = self.upcoming.get(self.next)
            && message.at as usize <= at
        {
            self.next += 1;
            if message.at as usize == at {
                return Some(message);
            }
        }
        None
    }
}

/// Where the next message begins, if it begins a few bytes behind `from`.
#[inline]
pub(super) fn next_start(bytes: &[u8], from: usize) -> Option<usize> {
    for at in from..from + GAP_MAX {
        match bytes.get(at) {
            Some(b'{') => return Some(at),
            Some(b'\n' | b'}' | b' ' | b'\r' | b'\t') => {}
            _ => return None,
        }
    }
    None
}
