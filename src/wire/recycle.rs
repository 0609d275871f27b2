//! Vectors that a parser uses again for the next message, whose bytes live for another time.
//!
//! Pure; used by the parsers on the ingest workers.

/// The same memory, empty, as a vector for another lifetime. The standard library collects into the memory of
/// the vector that it iterates over if the elements have the same layout; a test of each parser checks that it does.
pub(super) fn recycle<A, B>(mut vector: Vec<A>, make: impl Fn(A) -> B) -> Vec<B> {
    vector.clear();
    vector.into_iter().map(make).collect()
}
