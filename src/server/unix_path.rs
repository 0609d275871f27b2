//! Unix socket files: bound under their own path, never over something that is not ours to replace.
//!
//! Runs on main, before any thread starts and after the last has ended.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::io::Errno;
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use crate::server::directory_lock::DirectoryLock;

/// Connections that may wait to be accepted; the kernel cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// How long to wait for other servers that start in the same directory.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// A bound socket and the file that it has made, if it has one.
#[derive(Debug)]
pub(super) struct PathSocket<S> {
    /// Non-blocking.
    socket: S,
    file: Option<SocketFile>,
}

/// A socket's file. The path may be another's by the time that it is to be removed; these numbers tell.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl<S> PathSocket<S> {
    /// The socket.
    pub(super) fn socket(&self) -> &S {
        &self.socket
    }
}

impl<S> Drop for PathSocket<S> {
    /// Removes the file, if it is still the one that was made here; also when something else that was asked for
    /// could not be had. It needs no lock: the socket is still open, so no other server replaces the file.
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

/// Binds a path, or an abstract name that begins with `@`, and listens there.
///
/// # Errors
/// What is at the path is no socket, or a live server's, or the file cannot be made.
pub(super) fn listen(path: &str, mode: u32) -> anyhow::Result<PathSocket<UnixListener>> {
    // Nobody can connect before `listen`, so nobody can with another mode than this.
    let bound: PathSocket<UnixListener> = bind(path, mode, Type::STREAM)?;
    SockRef::from(&bound.socket).listen(BACKLOG)?;
    Ok(bound)
}

/// The same for datagrams. For a moment somebody may send before the file has its mode.
///
/// # Errors
/// As there.
pub(super) fn bind_datagram(path: &str, mode: u32) -> anyhow::Result<PathSocket<UnixDatagram>> {
    bind(path, mode, Type::DGRAM)
}

fn bind<S: From<Socket>>(path: &str, mode: u32, kind: Type) -> anyhow::Result<PathSocket<S>> {
    let socket = new_socket(kind)?;
    if let Some(name) = path.strip_prefix('@') {
        socket.bind(&SockAddr::unix(format!("\0{name}"))?)?;
        return Ok(PathSocket { socket: socket.into(), file: None });
    }
    let path = Path::new(path);
    // Without the lock two servers could find the same stale socket, and one remove what the other has bound.
    let _lock = DirectoryLock::wait(directory_of(path), LOCK_WAIT)?;
    remove_stale(path, kind)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let metadata = fs::symlink_metadata(path)?;
    let file = SocketFile { path: path.to_owned(), device: metadata.dev(), inode: metadata.ino() };
    let made = PathSocket { socket: socket.into(), file: Some(file) };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .context("cannot set its mode (-uds-mode)")?;
    Ok(made)
}

/// The directory that a path's file is in; the path of a file in the current one names none.
fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn new_socket(kind: Type) -> io::Result<Socket> {
    Socket::new(Domain::UNIX, kind.nonblocking(), None)
}

/// Removes a socket at which nobody receives.
///
/// # Errors
/// Something else stands at the path.
fn remove_stale(path: &Path, kind: Type) -> anyhow::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    if !metadata.file_type().is_socket() {
        bail!("a file that is no socket stands there; it was left alone");
    }
    // Without blocking: a live server's queue of connections may be full.
    match new_socket(kind)?.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).context("cannot remove the socket that a dead server has left")
        }
        Err(error) if error.raw_os_error() == Some(Errno::PROTOTYPE.raw_os_error()) => {
            bail!("address already in use: a live server has a socket of another kind there")
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
        let first = listen(text, 0o777).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o777);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "another file was left");
        let error = listen(text, 0o777).unwrap_err().to_string();
        assert!(error.contains("already in use"), "{error}");
        fs::remove_file(&path).unwrap();
        fs::write(&path, "not ours").unwrap();
        let error = listen(text, 0o777).unwrap_err().to_string();
        assert!(error.contains("no socket"), "{error}");
        drop(first);
        assert_eq!(fs::read_to_string(&path).unwrap(), "not ours");
    }

    #[test]
    fn the_longest_path_and_abstract_names_bind() {
        let dir = tempfile::tempdir().unwrap();
        let stem = dir.path().join("").to_str().unwrap().to_owned();
        let longest = format!("{stem}{}", "s".repeat(107 - stem.len()));
        let listener = listen(&longest, 0o600).unwrap();
        assert_eq!(fs::metadata(&longest).unwrap().permissions().mode() & 0o777, 0o600);
        drop(listener);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let name = format!("@metrics-server-test-{}", std::process::id());
        listen(&name, 0o777).unwrap();
    }
}
