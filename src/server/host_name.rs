//! What this machine is called.

/// The machine's name, as `uname -n` shows it; empty where it cannot be told.
pub(super) fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}
