//! Unix socket files: bound without a gap, never over something that is not ours to replace.
//!
//! Runs on main, before any thread starts and after the last has ended.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use crate::clock;

/// Connections that may wait to be accepted; the kernel cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// Attempts at a temporary name.
const NAMES_TRIED: u64 = 64;

/// A listener and the file that it has made, if it has one.
#[derive(Debug)]
pub(super) struct BoundPath {
    /// The listener, non-blocking.
    pub(super) listener: UnixListener,
    file: Option<(PathBuf, u64, u64)>,
}

impl Drop for BoundPath {
    fn drop(&mut self) {
        self.unlink(); // also when something else that was asked for could not be had
    }
}

impl BoundPath {
    /// Removes the file, if it is still the one that was made here.
    pub(super) fn unlink(&mut self) {
        if let Some((path, device, inode)) = self.file.take()
            && let Ok(now) = fs::symlink_metadata(&path)
            && (now.dev(), now.ino()) == (device, inode)
            && let Err(error) = fs::remove_file(&path)
        {
            log::warn!("cannot remove the unix socket {}: {error}", path.display());
        }
    }
}

/// Binds a path, or an abstract name that begins with `@`.
///
/// # Errors
/// What is at the path is no socket, or a live server's, or the file cannot be made.
pub(super) fn bind(path: &str, mode: u32) -> anyhow::Result<BoundPath> {
    let (listener, file) = if let Some(name) = path.strip_prefix('@') {
        let address = SocketAddr::from_abstract_name(name.as_bytes())?;
        (UnixListener::bind_addr(&address)?, None)
    } else {
        let path = Path::new(path);
        let listener = replace(path, mode)?;
        let metadata = fs::symlink_metadata(path)?;
        (listener, Some((path.to_owned(), metadata.dev(), metadata.ino())))
    };
    listener.set_nonblocking(true)?;
    SockRef::from(&listener).listen(BACKLOG)?;
    Ok(BoundPath { listener, file })
}

/// Binds a temporary name beside the path and renames it over the path, so that there is no moment
/// without a socket and none with the wrong mode.
fn replace(path: &Path, mode: u32) -> anyhow::Result<UnixListener> {
    refuse_others(path)?;
    let (listener, temporary) = bind_temporary(path)?;
    let placed = fs::set_permissions(&temporary, fs::Permissions::from_mode(mode))
        .and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = placed {
        drop(fs::remove_file(&temporary));
        return Err(error).context("cannot place the socket");
    }
    Ok(listener)
}

/// An error if something stands at the path that is no stale socket.
fn refuse_others(path: &Path) -> anyhow::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    if !metadata.file_type().is_socket() {
        bail!("a file that is no socket stands there; it was left alone");
    }
    // Without blocking: a live server's queue of connections may be full.
    let probe = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    match probe.connect(&SockAddr::unix(path)?).map_err(|error| (error.kind(), error)) {
        Err((io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound, _)) => Ok(()),
        Ok(()) | Err((io::ErrorKind::WouldBlock, _)) => {
            bail!("address already in use: a live server answers there")
        }
        Err((_, error)) => Err(error).context("cannot tell whether a live server answers there"),
    }
}

/// A name in the same directory, no longer than the path's own: paths of sockets are short of bytes.
fn bind_temporary(path: &Path) -> anyhow::Result<(UnixListener, PathBuf)> {
    let own_bytes = path.file_name().map_or(1, OsStr::len).clamp(1, 8);
    let seed = u64::from(std::process::id()).wrapping_mul(0x9e37_79b9) ^ clock::now_ns();
    let mut last = None;
    for attempt in 0..NAMES_TRIED {
        let temporary = path.with_file_name(name(seed.wrapping_add(attempt), own_bytes));
        match UnixListener::bind(&temporary) {
            Ok(listener) => return Ok((listener, temporary)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()).into())
}

/// A file name of so many letters.
fn name(mut seed: u64, bytes: usize) -> OsString {
    let letter = |_| {
        let digit = u32::try_from(seed % 36).unwrap_or(0);
        seed /= 36;
        char::from_digit(digit, 36).unwrap_or('x')
    };
    (0..bytes).map(letter).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_socket_is_replaced_and_only_our_own_file_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.sock");
        let text = path.to_str().unwrap();
        drop(UnixListener::bind(&path).unwrap()); // stale: nobody listens
        let mut first = bind(text, 0o777).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o777);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "a temporary file was left");
        let error = bind(text, 0o777).unwrap_err().to_string();
        assert!(error.contains("already in use"), "{error}");
        fs::remove_file(&path).unwrap();
        fs::write(&path, "not ours").unwrap();
        let error = bind(text, 0o777).unwrap_err().to_string();
        assert!(error.contains("no socket"), "{error}");
        first.unlink();
        assert_eq!(fs::read_to_string(&path).unwrap(), "not ours");
    }

    #[test]
    fn names_of_one_letter_and_abstract_names_bind() {
        let dir = tempfile::tempdir().unwrap();
        let mut bound = bind(dir.path().join("s").to_str().unwrap(), 0o600).unwrap();
        bound.unlink();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let name = format!("@metrics-server-test-{}", std::process::id());
        bind(&name, 0o777).unwrap();
    }
}
