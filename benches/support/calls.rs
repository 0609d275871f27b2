//! Instructions of each call of one function, counted in a single run of this program under callgrind.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Runs this program with these arguments, and tells what each call of the function took, in their order. The name of
/// the function may hold `*`; it must not be inlined.
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
    let dump = |number: usize| directory.path().join(format!("dump.{number}"));
    // The last dump is that of the end of the program.
    (1..).map(dump).take_while(|path| path.exists()).filter_map(|path| total(&path)).collect()
}

/// The instructions that a dump tells of, if a call has ended with it.
fn total(dump: &Path) -> Option<u64> {
    let text = fs::read_to_string(dump).expect("callgrind writes it");
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
    let trigger = value("desc: Trigger: ").expect("each dump has it");
    let count = || value("totals: ").and_then(|count| count.trim().parse().ok());
    trigger.contains("dump-after").then(|| count().expect("each dump has it"))
}
