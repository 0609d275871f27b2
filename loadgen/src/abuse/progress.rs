//! What is told on stderr while the attacks run.

use std::io::{self, Write as _};

/// Says on stderr how far it is.
pub(crate) fn progress(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
