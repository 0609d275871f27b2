//! The README's tables are those of the code.

use std::fs;
use std::path::Path;

use metrics_server::testing::metric::{Coercion, Rejection};
use metrics_server::testing::{config, stats};

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"))
        .expect("README.md is there")
}

#[track_caller]
fn stands(marker: &str, table: &str) {
    let readme = readme();
    let (begin, end) = (format!("<!-- {marker}:begin -->\n"), format!("<!-- {marker}:end -->"));
    let from = readme.find(&begin).unwrap_or_else(|| panic!("no {begin}")) + begin.len();
    let to = readme.find(&end).unwrap_or_else(|| panic!("no {end}"));
    let stood = &readme[from..to];
    assert!(
        stood.trim() == table.trim(),
        "README.md: between the {marker} markers must stand:\n{table}"
    );
}

#[test]
fn the_options_are_those_of_the_flag_table() {
    stands("options", &config::markdown_table());
}

#[test]
fn the_metrics_are_those_of_the_page() {
    stands("metrics", &stats::markdown_table());
}

#[test]
fn each_reason_is_explained() {
    let readme = readme();
    // First cells of table rows; one row may explain several reasons.
    let cells = readme.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let explained: Vec<&str> = cells.flat_map(|cell| cell.split('`')).collect();
    let reasons = Rejection::ALL.iter().map(|reason| reason.as_str());
    for reason in reasons.chain(Coercion::ALL.iter().map(|reason| reason.as_str())) {
        assert!(explained.contains(&reason), "README.md explains no `{reason}`");
    }
}
