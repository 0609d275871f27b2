//! Rows of which Loki takes those of some streams only: which streams these are is found by pushing fewer at once.
//!
//! Pure data. Loki has stored the lines of all other streams with the first push, and drops lines that come again, so
//! that the search stores nothing twice.

use std::collections::HashMap;
use std::ops::Range;

/// The most pushes of one search. The rows of streams that are not told apart by then come again with the next one.
const PUSHES_MAX: u32 = 32;

/// A search.
#[derive(Debug)]
pub(super) struct ByStream {
    /// By stream: the places of its rows in the batch.
    streams: Vec<Vec<usize>>,
    /// Streams that are to be pushed together, the first ones last.
    left: Vec<Range<usize>>,
    pushes: u32,
}

/// Streams that are pushed together.
#[derive(Debug)]
pub(super) struct SomeStreams {
    streams: Range<usize>,
    /// The places of their rows in the batch, in order.
    pub(super) places: Vec<usize>,
}

impl ByStream {
    /// Of rows of these streams, which Loki did not take all together.
    pub(super) fn new(streams_of_rows: impl Iterator<Item = u64>) -> Self {
        let mut known = HashMap::<u64, usize, ahash::RandomState>::default();
        let mut streams = Vec::<Vec<usize>>::new();
        for (place, stream) in streams_of_rows.enumerate() {
            let number = *known.entry(stream).or_insert(streams.len());
            if number == streams.len() {
                streams.push(Vec::new());
            }
            streams[number].push(place);
        }
        let mut search = Self { left: Vec::new(), pushes: 0, streams };
        search.halve(0..search.streams.len());
        search
    }

    /// What to push next.
    pub(super) fn next(&mut self) -> Option<SomeStreams> {
        if self.pushes == PUSHES_MAX {
            return None;
        }
        self.pushes += 1;
        let streams = self.left.pop()?;
        let mut places = self.streams[streams.clone()].concat();
        places.sort_unstable();
        Some(SomeStreams { streams, places })
    }

    /// Notes that Loki did not take all of these either.
    pub(super) fn not_all(&mut self, some: &SomeStreams) {
        self.halve(some.streams.clone());
    }

    /// A single stream is not pushed again.
    fn halve(&mut self, streams: Range<usize>) {
        if streams.len() > 1 {
            let middle = streams.start + streams.len() / 2;
            self.left.push(middle..streams.end);
            self.left.push(streams.start..middle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places of rows that are taken, and the number of pushes, if Loki takes all but those of these streams.
    fn taken(streams: &[u64], but: &[u64]) -> (Vec<usize>, u32) {
        let mut search = ByStream::new(streams.iter().copied());
        let mut taken = Vec::new();
        while let Some(some) = search.next() {
            if some.places.iter().any(|place| but.contains(&streams[*place])) {
                search.not_all(&some);
            } else {
                taken.extend(some.places);
            }
        }
        taken.sort_unstable();
        (taken, search.pushes)
    }

    #[test]
    fn rows_of_all_other_streams_are_found_with_few_pushes() {
        assert!(taken(&[7, 7, 7], &[7]).0.is_empty());
        assert_eq!(taken(&[7, 8, 7, 9], &[8]).0, [0, 2, 3]);
        let many: Vec<u64> = (0..1_000).map(|row| row % 100).collect();
        let (rows, pushes) = taken(&many, &[63]);
        assert_eq!(rows.len(), 990);
        assert!(pushes <= 2 * 7 + 1, "{pushes}");
        let (_, pushes) = taken(&many, &(0..50).map(|stream| 2 * stream).collect::<Vec<_>>());
        assert_eq!(pushes, PUSHES_MAX);
    }
}
