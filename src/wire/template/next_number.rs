//! Where in a read the next number may be that belongs to a template, found once for all messages before it.
//!
//! Runs on an ingest worker; it must not know which messages are known.

use memchr::memmem::Finder;

/// Bytes of the longest template; a number further behind is not found. Longer messages are
/// rare, and searching one for its number must not cost more than parsing it.
pub(super) const TEMPLATE_BYTES_MAX: usize = 1024;
/// The bytes right before the number.
pub(super) const NEEDLE: &[u8; 8] = b"\"value\":";
/// No message that counts is shorter: `{"name":"a","op":"inc"}` has three more.
const MESSAGE_BYTES_MIN: usize = 20;

/// Of the distance to the needle so much has to be passed before another object is told of it: of a thousand bytes
/// half.
const DISTANCE_SHARE: usize = 2;

/// Where the next number of a read may be. It is kept from message to message, so that no byte of a read is
/// searched more than once, however many messages begin before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct NextNumber {
    /// From here on the read was searched.
    from: usize,
    /// From `from` up to here no needle begins.
    until: usize,
    /// Whether a needle begins at `until`.
    found: bool,
    /// The last message for which the needle at `until` was found.
    asked_at: usize,
}

impl NextNumber {
    /// Nothing was searched: every message is before `from`.
    pub(super) const NONE: Self =
        Self { from: usize::MAX, until: usize::MAX, found: false, asked_at: 0 };

    /// Forgets what was found, before other bytes are searched.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.from = Self::NONE.from;
    }

    /// How far behind `at`, where a message begins, the number is that belongs to the first needle there; `None` if
    /// no needle is near enough for a template.
    ///
    /// Where objects are shorter than any message that counts, not each of them is told of a needle: the bytes up to
    /// the number are hashed next, and should be hashed for few objects.
    #[inline]
    pub(super) fn offset(&mut self, finder: &Finder<'_>, bytes: &[u8], at: usize) -> Option<usize> {
        if at < self.from || at > self.until {
            *self = Self { from: at, until: at, found: false, asked_at: at };
        }
        let end = bytes.len().min(at + TEMPLATE_BYTES_MAX);
        if self.found {
            let passed = at.saturating_sub(self.asked_at);
            if passed > 0 && passed < MESSAGE_BYTES_MIN.max((self.until - at) / DISTANCE_SHARE) {
                return None;
            }
        } else if self.until + NEEDLE.len() <= end {
            // Twice as far as needed, so that short messages do not have a few bytes searched for each of them.
            let searched = bytes.len().min(end + TEMPLATE_BYTES_MAX);
            let further = finder.find(&bytes[self.until..searched]);
            self.found = further.is_some();
            self.until =
                further.map_or(searched + 1 - NEEDLE.len(), |further| self.until + further);
        }
        self.asked_at = at;
        let number = self.until + NEEDLE.len();
        (self.found && number <= end).then(|| number - at)
    }
}

/// The message at `at`, and what follows it, up to the length of the longest template.
#[inline]
pub(super) fn message(bytes: &[u8], at: usize) -> &[u8] {
    &bytes[at..bytes.len().min(at + TEMPLATE_BYTES_MAX)]
}
