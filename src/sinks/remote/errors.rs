//! What went wrong when datagrams were sent, counted by errno.
//!
//! Written by the deliverer, read by the exporter.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Linux' numbers on the machines that it has common ones for; others count as `other`.
const NAMES: [(i32, &str); 9] = [
    (99, "EADDRNOTAVAIL"),
    (11, "EAGAIN"),
    (111, "ECONNREFUSED"),
    (113, "EHOSTUNREACH"),
    (EMSGSIZE, "EMSGSIZE"),
    (100, "ENETDOWN"),
    (101, "ENETUNREACH"),
    (105, "ENOBUFS"),
    (1, "EPERM"),
];
const EMSGSIZE: i32 = 90;
const OTHER: &str = "other";

/// Counters by errno.
#[derive(Debug, Default)]
pub(crate) struct SendErrors {
    counts: [AtomicU64; NAMES.len() + 1],
}

impl SendErrors {
    /// Counts one.
    pub(crate) fn count(&self, error: &io::Error) {
        let number = NAMES.iter().position(|(errno, _)| error.raw_os_error() == Some(*errno));
        self.counts[number.unwrap_or(NAMES.len())].fetch_add(1, Relaxed);
    }

    /// All counts by name, in the order of names.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let names = NAMES.iter().map(|(_, name)| *name).chain([OTHER]);
        names.zip(self.counts.iter().map(|count| count.load(Relaxed)))
    }
}

/// Whether the datagram was too long for the network.
pub(crate) fn is_too_long(error: &io::Error) -> bool {
    error.raw_os_error() == Some(EMSGSIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_count_under_their_names_which_are_sorted() {
        let errors = SendErrors::default();
        errors.count(&io::Error::from_raw_os_error(111));
        errors.count(&io::Error::from_raw_os_error(5));
        let moved: Vec<_> = errors.counts().filter(|(_, count)| *count > 0).collect();
        assert_eq!(moved, [("ECONNREFUSED", 1), ("other", 1)]);
        assert!(errors.counts().map(|(name, _)| name).is_sorted());
    }
}
