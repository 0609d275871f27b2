//! The tables in the documents are those of the code, and their links lead somewhere.

use std::fs;
use std::path::{Path, PathBuf};

use metrics_server::testing::metric::{Coercion, Rejection};
use metrics_server::testing::{config, stats};

/// The README is read before anything is tried, so it stays short: about six minutes.
const README_WORDS_MAX: usize = 1600;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn document(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[track_caller]
fn stands(name: &str, marker: &str, table: &str) {
    let text = document(name);
    let (begin, end) = (format!("<!-- {marker}:begin -->\n"), format!("<!-- {marker}:end -->"));
    let from = text.find(&begin).unwrap_or_else(|| panic!("no {begin} in {name}")) + begin.len();
    let to = text.find(&end).unwrap_or_else(|| panic!("no {end} in {name}"));
    let stood = &text[from..to];
    assert!(
        stood.trim() == table.trim(),
        "{name}: between the {marker} markers must stand:\n{table}"
    );
}

#[test]
fn the_options_are_those_of_the_flag_table() {
    stands("docs/flags.md", "options", &config::markdown_table());
}

#[test]
fn the_metrics_are_those_of_the_page() {
    stands("docs/metrics.md", "metrics", &stats::markdown_table());
}

/// Whether a table of the document explains each of these reasons.
#[track_caller]
fn explains(name: &str, reasons: impl Iterator<Item = &'static str>) {
    let text = document(name);
    // First cells of table rows; one row may explain several reasons.
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let explained: Vec<&str> = cells.flat_map(|cell| cell.split('`')).collect();
    for reason in reasons {
        assert!(explained.contains(&reason), "{name} explains no `{reason}`");
    }
}

#[test]
fn each_reason_is_explained() {
    explains("docs/messages.md", Rejection::ALL.iter().map(|reason| reason.as_str()));
    explains("docs/messages.md", Coercion::ALL.iter().map(|reason| reason.as_str()));
    explains("docs/operating.md", stats::CloseReason::ALL.iter().map(|reason| reason.as_str()));
}

#[test]
fn the_readme_is_short() {
    let words = document("README.md").split_whitespace().count();
    assert!(words <= README_WORDS_MAX, "README.md has {words} words");
}

/// The README and all files of `docs`.
fn documents() -> Vec<PathBuf> {
    let docs = fs::read_dir(root().join("docs")).expect("docs is readable");
    let docs = docs.map(|entry| entry.expect("docs is readable").path());
    docs.chain([root().join("README.md")]).collect()
}

/// A heading as the anchor that a link names: lower case, blanks as dashes, the rest of punctuation gone.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = heading.chars().filter(|char| char.is_alphanumeric() || " -_".contains(*char));
    kept.map(|char| if char == ' ' { '-' } else { char }).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut dead = Vec::new();
    for path in documents() {
        let text = fs::read_to_string(&path).expect("documents are text");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("https://") || link.starts_with("http://") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.with_file_name(file) };
            let found = fs::read_to_string(&target).map(|text| {
                let mut headings = text.lines().filter(|line| line.starts_with('#'));
                heading.is_empty() || headings.any(|line| anchor(line) == heading)
            });
            if !(found.unwrap_or(false) || heading.is_empty() && target.is_dir()) {
                dead.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{}", dead.join("\n"));
}
