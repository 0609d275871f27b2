//! Unix socket files: bound under their own path, never over something that is not ours to replace.
//!
//! Runs on main, before any thread starts and after the last has ended.

use std::fs;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use crate::server::directory_lock::DirectoryLock;

/// Connections that may wait to be accepted; the kernel cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// How long to wait for other servers that start in the same directory.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// A listener and the file that it has made, if it has one.
#[derive(Debug)]
pub(super) struct PathListener {
    /// Non-blocking.
    listener: UnixListener,
    file: Option<SocketFile>,
}

/// A socket's file. The path may be another's by the time that it is to be removed; these numbers tell.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl PathListener {
    /// Another descriptor of the socket.
    ///
    /// # Errors
    /// Those of `dup(2)`.
    pub(super) fn try_clone(&self) -> io::Result<UnixListener> {
        self.listener.try_clone()
    }
}

impl Drop for PathListener {
    /// Removes the file, if it is still the one that was made here; also when something else that was asked for
    /// could not be had. It needs no lock: the listener is still open, so no other server replaces the file.
    fn drop(&mut self) {
        if let Some(file) = &self.file
            && let Ok(now) = fs::symlink_metadata(&file.path)
            && (now.dev(), now.ino()) == (file.device, file.inode)
            && let Err(error) = fs::remove_file(&file.path)
        {
            log::warn!("cannot remove the unix socket {}: {error}", file.path.display());
        }
    }
}

/// Binds a path, or an abstract name that begins with `@`.
///
/// # Errors
/// What is at the path is no socket, or a live server's, or the file cannot be made.
pub(super) fn bind(path: &str, mode: u32) -> anyhow::Result<PathListener> {
    match path.strip_prefix('@') {
        Some(name) => bind_abstract(name),
        None => bind_file(Path::new(path), mode),
    }
}

fn bind_abstract(name: &str) -> anyhow::Result<PathListener> {
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)?;
    listener.set_nonblocking(true)?;
    SockRef::from(&listener).listen(BACKLOG)?;
    Ok(PathListener { listener, file: None })
}

fn bind_file(path: &Path, mode: u32) -> anyhow::Result<PathListener> {
    // Without the lock two servers could find the same stale socket, and one remove what the other has bound.
    let _lock = DirectoryLock::wait(directory_of(path), LOCK_WAIT)?;
    remove_stale(path)?;
    let socket = stream_socket()?;
    socket.bind(&SockAddr::unix(path)?)?;
    let metadata = fs::symlink_metadata(path)?;
    let file = SocketFile { path: path.to_owned(), device: metadata.dev(), inode: metadata.ino() };
    let made = PathListener { listener: socket.into(), file: Some(file) };
    // Nobody can connect before `listen`, so nobody can with another mode than this.
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .context("cannot set its mode (-uds-mode)")?;
    SockRef::from(&made.listener).listen(BACKLOG)?;
    Ok(made)
}

/// The directory that a path's file is in; the path of a file in the current one names none.
fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn stream_socket() -> io::Result<Socket> {
    Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)
}

/// Removes a socket on which nobody listens.
///
/// # Errors
/// Something else stands at the path.
fn remove_stale(path: &Path) -> anyhow::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    if !metadata.file_type().is_socket() {
        bail!("a file that is no socket stands there; it was left alone");
    }
    // Without blocking: a live server's queue of connections may be full.
    match stream_socket()?.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).context("cannot remove the socket that a dead server has left")
        }
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
            Err(error).context("cannot tell whether a live server answers there")
        }
        _ => bail!("address already in use: a live server answers there"),
    }
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
        let first = bind(text, 0o777).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o777);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "another file was left");
        let error = bind(text, 0o777).unwrap_err().to_string();
        assert!(error.contains("already in use"), "{error}");
        fs::remove_file(&path).unwrap();
        fs::write(&path, "not ours").unwrap();
        let error = bind(text, 0o777).unwrap_err().to_string();
        assert!(error.contains("no socket"), "{error}");
        drop(first);
        assert_eq!(fs::read_to_string(&path).unwrap(), "not ours");
    }

    #[test]
    fn the_longest_path_and_abstract_names_bind() {
        let dir = tempfile::tempdir().unwrap();
        let stem = dir.path().join("").to_str().unwrap().to_owned();
        let longest = format!("{stem}{}", "s".repeat(107 - stem.len()));
        let listener = bind(&longest, 0o600).unwrap();
        assert_eq!(fs::metadata(&longest).unwrap().permissions().mode() & 0o777, 0o600);
        drop(listener);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let name = format!("@metrics-server-test-{}", std::process::id());
        bind(&name, 0o777).unwrap();
    }
}
