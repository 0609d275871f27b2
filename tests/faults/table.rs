//! Runs rows one at a time, closes the books of the network after each, and shows what became of them.

use std::fmt::Write as _;
use std::fs;
use std::panic;
use std::time::Instant;

use parking_lot::Mutex;

use crate::books::NetworkBooks;
use crate::row::Row;

/// Where the table stands, and between which lines.
const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operating.md");
const BEGIN: &str = "<!-- faults:begin -->\n";
const END: &str = "<!-- faults:end -->";
const HEAD: &str = "| row | what happens | what holds | the last run | a fault that the row has noticed |\n\
                    |---|---|---|---|---|\n";

/// What the first panic of a row said: threads that panic later do so because of it.
static COMPLAINT: Mutex<Option<String>> = Mutex::new(None);

/// Runs the rows. Returns whether all held; then the table is written, if it is asked for.
pub(crate) fn run(rows: &[&Row], write: bool) -> bool {
    panic::set_hook(Box::new(|panic| {
        COMPLAINT.lock().get_or_insert_with(|| panic.to_string());
    }));
    let mut table = HEAD.to_owned();
    let mut failed = Vec::new();
    for row in rows {
        let began = Instant::now();
        let result = attempt(row);
        let seconds = began.elapsed().as_secs();
        let Row { name, what, holds, planted, .. } = row;
        match result {
            Ok(seen) => {
                println!("{name} held in {seconds} s: {seen}");
                writeln!(table, "| {name} | {what} | {holds} | {seen} | `{planted:?}` |").unwrap();
            }
            Err(complaint) => {
                println!("{name} failed after {seconds} s: {complaint}");
                failed.push(name);
            }
        }
    }
    println!("{BEGIN}{table}{END}");
    if failed.is_empty() && write {
        replace(&table);
    }
    failed.is_empty()
}

/// Runs one row; the error is what it complains of.
fn attempt(row: &Row) -> Result<String, String> {
    *COMPLAINT.lock() = None;
    let result = panic::catch_unwind(|| {
        let books = NetworkBooks::open();
        let seen = (row.run)();
        books.close();
        seen
    });
    result.map_err(|_| COMPLAINT.lock().take().unwrap_or_default())
}

/// Puts the table between the markers of the document.
fn replace(table: &str) {
    let text = fs::read_to_string(DOCUMENT).expect("the document can be read");
    let (before, rest) = text.split_once(BEGIN).expect("the first marker");
    let (_, after) = rest.split_once(END).expect("the second marker");
    fs::write(DOCUMENT, format!("{before}{BEGIN}{table}{END}{after}")).expect("it can be written");
}
