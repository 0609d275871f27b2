//! Namespaces of the table's own: a loopback on which nobody else sends, mounts that nobody else sees, and processes
//! that end with it.
//!
//! What the kernel counts in such a network is the table's alone, to the datagram.

use std::process::Command;

/// Set in the process that is inside.
const INSIDE: &str = "METRICS_SERVER_FAULTS_INSIDE";

/// Whether this process is inside.
pub(crate) fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs this program again, inside; returns whether it ended well.
pub(crate) fn run_inside() -> bool {
    let is_root = rustix::process::getuid().is_root();
    let mut command = Command::new("unshare");
    command.args([if is_root { "-nmpf" } else { "-rnmpf" }, "--kill-child", "--mount-proc"]);
    command.args(["sh", "-c", r#"ip link set lo up && exec "$0" "$@""#]);
    command.arg(std::env::current_exe().unwrap()).args(std::env::args_os().skip(1));
    let status = command.env(INSIDE, "1").status().expect("unshare, of util-linux");
    status.success()
}

/// Runs a command that must succeed.
pub(crate) fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status();
    let status = status.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(status.success(), "{program} {arguments:?}: {status}");
}
