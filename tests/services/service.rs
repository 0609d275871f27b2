//! Real services, which `make services` has started.

use std::fs;
use std::path::{Path, PathBuf};

/// Where a service keeps its files.
pub(crate) fn home(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
    target.join("services").join(name)
}

/// Its port on 127.0.0.1.
///
/// # Panics
/// It does not run.
pub(crate) fn port(name: &str) -> u16 {
    let text = fs::read_to_string(home(name).join("port"));
    let text = text.unwrap_or_else(|_| panic!("{name} does not run: `make services` starts it"));
    text.trim().parse().expect("a port")
}
