//! What a lookup returns.
//!
//! Plain values; used by an ingest worker alone.

use super::locator::TemplateKey;

/// The index of no template.
pub(super) const NO_TEMPLATE: u32 = u32::MAX;

/// A template's place in its cache, valid until the template is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateId(pub(super) u32);

/// What a lookup has found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lookup<T> {
    /// The message is known.
    Hit(Hit<T>),
    /// It is not, and has to be parsed.
    Miss(Miss),
}

/// A known message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit<T> {
    /// Its template, for `Cursor::remove`.
    pub id: TemplateId,
    /// What it means apart from its number.
    pub meaning: T,
    /// Its number, finite.
    pub value: f64,
    /// How many bytes it is long: an object from its `{` to its `}`, a line without its line end.
    pub len: usize,
}

/// What may become of a message that is not known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Miss {
    /// It may become a template; `Cursor::seen_before` and `Cursor::admit` take its key.
    Admissible(TemplateKey),
    /// It has to be parsed each time that it comes.
    Parse,
}
