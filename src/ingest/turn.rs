//! What a source has left after its turn. The loop lists it again, or lets it wait.

/// What a turn has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Nothing waits: the next edge tells.
    Drained,
    /// More may wait: it stays on the ready list.
    More,
    /// The listener could not accept for want of descriptors or memory: no edge will tell.
    Starved,
}
