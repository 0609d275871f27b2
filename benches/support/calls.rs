//! Instructions of each call of one function, counted in a single run of this program under callgrind.

use std::fs;
use std::process::Command;

/// Runs this program with these arguments, and tells what each call of the function took, in their order. The name of
/// the function may begin with `*`; it must not be inlined.
pub(crate) fn instructions(function: &str, arguments: &[String]) -> Vec<u64> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let dumps = directory.path().join("dump");
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--zero-before={function}"))
        .arg(format!("--dump-after={function}"))
        .arg(format!("--callgrind-out-file={}", dumps.display()))
        .arg(std::env::current_exe().expect("a path"))
        .args(arguments)
        .output()
        .expect("valgrind starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut counts = Vec::new();
    let dump = |number: usize| directory.path().join(format!("dump.{number}"));
    while let Ok(text) = fs::read_to_string(dump(counts.len() + 1)) {
        counts.push(total(&text));
    }
    counts
}

/// The instructions that a dump tells of.
fn total(dump: &str) -> u64 {
    let count = dump.lines().find_map(|line| line.strip_prefix("totals: "));
    count.and_then(|count| count.trim().parse().ok()).expect("each dump has them")
}
