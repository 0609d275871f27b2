//! One row of the table.

use metrics_server::testing::planted::Fault;

/// What the server is put through, and what has to hold.
pub(crate) struct Row {
    /// Its name, as on the command line.
    pub(crate) name: &'static str,
    /// What happens.
    pub(crate) what: &'static str,
    /// What has to hold, beside the books.
    pub(crate) holds: &'static str,
    /// What a server does wrong that this row must not let pass.
    pub(crate) planted: Fault,
    /// Runs it, and tells its size and what was seen. It panics if something does not hold.
    pub(crate) run: fn() -> String,
}
