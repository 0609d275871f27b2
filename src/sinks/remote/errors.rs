//! Errors of sending datagrams, counted by errno.
//!
//! Written by the sender, read by the exporter.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rustix::io::Errno;

/// The errors that sending to a connected UDP socket usually has. All others count as `other`.
const NAMES: [(Errno, &str); 9] = [
    (Errno::ADDRNOTAVAIL, "EADDRNOTAVAIL"),
    (Errno::AGAIN, "EAGAIN"),
    (Errno::CONNREFUSED, "ECONNREFUSED"),
    (Errno::HOSTUNREACH, "EHOSTUNREACH"),
    (Errno::MSGSIZE, "EMSGSIZE"),
    (Errno::NETDOWN, "ENETDOWN"),
    (Errno::NETUNREACH, "ENETUNREACH"),
    (Errno::NOBUFS, "ENOBUFS"),
    (Errno::PERM, "EPERM"),
];
const OTHER: &str = "other";

/// Counters by errno.
#[derive(Debug, Default)]
pub(crate) struct SendErrors {
    /// In the order of [`NAMES`]; the last one counts all other errors.
    counts: [AtomicU64; NAMES.len() + 1],
}

impl SendErrors {
    /// Counts an error.
    pub(crate) fn count(&self, error: &io::Error) {
        let errno = Errno::from_io_error(error);
        let known = NAMES.iter().position(|(known, _)| errno == Some(*known));
        self.counts[known.unwrap_or(NAMES.len())].fetch_add(1, Relaxed);
    }

    /// All counts with their names, in the order of the names.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let names = NAMES.iter().map(|(_, name)| *name).chain([OTHER]);
        names.zip(self.counts.iter().map(|count| count.load(Relaxed)))
    }
}

/// Whether the error says that the datagram is too long for the network.
pub(crate) fn is_too_long(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::MSGSIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_count_under_their_names_which_are_sorted() {
        let errors = SendErrors::default();
        errors.count(&Errno::CONNREFUSED.into());
        errors.count(&Errno::IO.into());
        let counted: Vec<_> = errors.counts().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [("ECONNREFUSED", 1), ("other", 1)]);
        assert!(errors.counts().map(|(name, _)| name).is_sorted());
    }
}
