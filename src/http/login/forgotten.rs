//! How often a table of the login was full, so that its oldest entry was forgotten.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A bounded table of the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoginTable {
    /// Clients with failed logins. A client that is forgotten need not wait any more.
    Failures,
    /// Logins that were found right. One that is forgotten is checked again when it comes again.
    Right,
    /// Logins that were found wrong. One that is forgotten is checked again when it comes again.
    Wrong,
}

/// The values of the label `table`, in the order of [`LoginTable`].
const TABLES: [&str; 3] = ["failures", "right", "wrong"];

/// Counts forgotten entries by table.
#[derive(Debug, Default)]
pub(crate) struct ForgottenLogins([AtomicU64; TABLES.len()]);

impl ForgottenLogins {
    /// Counts one forgotten entry.
    pub(super) fn count(&self, table: LoginTable) {
        self.0[table as usize].fetch_add(1, Relaxed);
    }

    /// Each table, and how many of its entries were forgotten.
    pub(crate) fn by_table(&self) -> impl Iterator<Item = (&'static str, u64)> {
        TABLES.into_iter().zip(self.0.iter().map(|count| count.load(Relaxed)))
    }
}
