//! What a part of the soak prints: its table, and what was wrong.

use std::io::Write as _;

/// A part's table, and what was wrong.
#[derive(Debug)]
pub(crate) struct SoakReport {
    table: String,
    faults: Vec<String>,
}

impl SoakReport {
    /// A report that begins with these lines.
    pub(crate) fn new(head: &str) -> Self {
        Self { table: head.to_owned(), faults: Vec::new() }
    }

    /// Adds a line to the table, and shows it at once.
    pub(crate) fn line(&mut self, line: &str) {
        progress(line);
        self.table.push_str(line);
        self.table.push('\n');
    }

    /// Notes that something is wrong.
    pub(crate) fn fault(&mut self, fault: String) {
        self.faults.push(fault);
    }

    /// Whether nothing was wrong.
    pub(crate) fn is_ok(&self) -> bool {
        self.faults.is_empty()
    }

    /// The table, and below it what was wrong.
    pub(crate) fn text(&self) -> String {
        let faults = self.faults.iter().map(|fault| format!("- **{fault}**\n"));
        format!("{}\n{}\n", self.table, faults.collect::<String>())
    }
}

/// Says on stderr how far it is.
pub(crate) fn progress(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
