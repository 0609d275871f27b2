//! `examples/compose.yaml`: the server takes what it is started with there.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::server::temp_dir;

/// Where sockets are in the container.
const SOCKETS: &str = "/run/metrics-server";

#[test]
fn the_servers_command_is_valid() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/compose.yaml");
    let text = fs::read_to_string(path).expect("the example is there");
    let service = text.split("\n  scylladb:\n").next().expect("the server comes first");
    let args: Vec<_> = service.lines().filter_map(|line| line.strip_prefix("      - -")).collect();
    assert!(args.len() > 4 && service.contains(SOCKETS), "{args:?}");
    // The container has this directory by its volume; the check wants to see the directory of a socket.
    let directory = temp_dir();
    let here = directory.path().to_str().expect("a directory with a plain name");
    let output = Command::new(env!("CARGO_BIN_EXE_metrics-server"))
        .args(args.iter().map(|arg| format!("-{arg}").replace(SOCKETS, here)))
        .arg("-check-config")
        .output()
        .expect("the server's program can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
