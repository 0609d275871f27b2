//! Resident memory of a server, as the kernel counts it, without the pages of its program file.

use std::fs;

use super::server::Server;

/// Bytes. `smaps_rollup` is exact where `status` lags behind.
pub(crate) fn bytes(server: &Server) -> u64 {
    let path = format!("/proc/{}/smaps_rollup", server.pid());
    let text = fs::read_to_string(path).expect("the server runs");
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:")).expect("a line of it");
    let kibibytes = line.trim().strip_suffix(" kB").expect("a unit").parse::<u64>();
    kibibytes.expect("a number") * 1024
}
