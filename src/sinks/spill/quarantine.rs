//! Rows that are given up as poison, kept for people: one file of lines of JSON, each the message that a row was made
//! of. It is bounded, only grows, and is never read here.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// The longest that the file becomes; room for some 100,000 rows.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Appends a row; returns whether there was room.
///
/// # Errors
/// Of the file system.
pub(super) fn append(path: &Path, json: &[u8]) -> io::Result<bool> {
    let mut options = OpenOptions::new();
    // Only its owner can read it, since rows may hold what others must not see.
    let mut file = options.append(true).create(true).mode(0o600).open(path)?;
    let line = [json, b"\n"].concat();
    if file.metadata()?.len() + line.len() as u64 > MAX_BYTES {
        return Ok(false);
    }
    file.write_all(&line)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_appended_up_to_the_bound() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.poison");
        assert!(append(&path, b"{\"a\":1}").unwrap());
        assert!(append(&path, b"{}").unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"{\"a\":1}\n{}\n");
        let long = vec![b'x'; usize::try_from(MAX_BYTES).unwrap() - 11];
        assert!(!append(&path, &long).unwrap());
        assert!(append(&path, &long[1..]).unwrap());
        assert!(!append(&path, b"").unwrap());
    }
}
