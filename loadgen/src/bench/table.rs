//! The table that is printed at the end: one row for each figure, in Markdown.

use std::fmt::Write as _;

use crate::median::MedianEstimate;

/// One line of the table.
#[derive(Clone, Debug, Default)]
pub(crate) struct BenchRow {
    /// What was done.
    pub(crate) name: String,
    /// What it is held against, with its figure.
    pub(crate) base: String,
    /// The server's figure.
    pub(crate) server: String,
    /// Server to base, or what else is to be judged.
    pub(crate) ratio: String,
    /// What is to be reached.
    pub(crate) target: &'static str,
    /// How many pairs, or runs.
    pub(crate) pairs: usize,
    /// Datagrams that the kernel dropped in the server's runs.
    pub(crate) lost: u64,
    /// What did not add up; empty: all books closed.
    pub(crate) problems: Vec<String>,
    /// What a reader has to know beside the figures.
    pub(crate) notes: Vec<String>,
}

/// `1.05 [1.02, 1.09]`
pub(crate) fn ratio(figure: MedianEstimate) -> String {
    let MedianEstimate { median, low, high } = figure;
    format!("**{median:.2}** [{low:.2}, {high:.2}]")
}

/// `0.123 µs`
pub(crate) fn micros(micros: f64) -> String {
    let digits = if micros < 0.1 { 4 } else { 3 };
    format!("{micros:.digits$} µs")
}

/// `12.3 ms`
pub(crate) fn millis(seconds: f64) -> String {
    format!("{:.1} ms", seconds * 1e3)
}

/// The whole table with its notes.
pub(crate) fn markdown(rows: &[BenchRow]) -> String {
    let mut text = String::from(
        "| row | against | server | ratio [95 % interval] | target | pairs | lost | books |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let BenchRow { name, base, server, ratio, target, pairs, lost, problems, .. } = row;
        let books = if problems.is_empty() { "ok" } else { "OPEN" };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| {name} | {base} | {server} | {ratio} | {target} | {pairs} | {lost} | {books} |"
        );
    }
    text.push('\n');
    for row in rows {
        for note in &row.notes {
            let _ = writeln!(text, "- {}: {note}", row.name);
        }
        for difference in &row.problems {
            let _ = writeln!(text, "- **{}: {difference}**", row.name);
        }
    }
    text
}
