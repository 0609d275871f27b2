//! What `-check-config` does beyond the parsing: it reads each file that a flag names, whether it is used or
//! not, and tries whether the directory of a flag, and that of each unix socket, can be written to.
//!
//! Runs on `main`. It leaves nothing behind; it must not know what a file is for.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use super::error::UsageError;
use super::flag::{FlagKind, ValueSlot};
use super::listen::ListenUnix;
use super::table::{DIRECTORY, FILE, FLAGS, Values};

/// How much of a file is read at most. A path may name a device that never ends, such as `/dev/zero`, and lists and
/// certificates are far shorter than this.
const READ_MAX_BYTES: u64 = 1 << 20;

/// Reads all files and tries all directories.
///
/// # Errors
/// The first that fails, with its flag.
pub(super) fn check(values: &mut Values) -> Result<(), UsageError> {
    for flag in FLAGS {
        let FlagKind::Text(_, takes) = flag.kind else { continue };
        let ValueSlot::Text(path) = (flag.slot)(values) else { continue };
        let path = Path::new(path.as_str());
        let checked = match takes {
            _ if path.as_os_str().is_empty() => Ok(()),
            FILE => read(path),
            DIRECTORY => try_to_write(path),
            _ => Ok(()),
        };
        checked.map_err(|error| UsageError::file(flag.name, path, &error.to_string()))?;
    }
    Ok(())
}

/// Tries whether the files of unix sockets can be made. A socket that stands at the path is left to the start, which
/// asks it whether a live server is there: the check is mostly made beside one.
///
/// # Errors
/// The first that cannot, with its flag.
pub(super) fn check_sockets(listeners: &[ListenUnix]) -> Result<(), UsageError> {
    // The server goes on without the default one.
    for listener in listeners.iter().filter(|listener| !listener.is_default) {
        if listener.path.starts_with('@') {
            continue;
        }
        let path = Path::new(&listener.path);
        let checked = try_socket(path);
        checked.map_err(|error| UsageError::file(listener.flag, path, &error.to_string()))?;
    }
    Ok(())
}

fn try_socket(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    File::open(directory)?; // the start locks it
    make_and_remove(directory)?;
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.file_type().is_socket() => {
            Err(io::Error::other("a file that is no socket stands there"))
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn read(path: &Path) -> io::Result<()> {
    let mut file = File::open(path)?.take(READ_MAX_BYTES);
    io::copy(&mut file, &mut io::sink()).map(drop)
}

/// A directory that is absent is made when the server starts, so the nearest one above it is tried.
fn try_to_write(path: &Path) -> io::Result<()> {
    let above = |path: &&Path| !path.exists();
    let nearest = path.ancestors().find(|path| !above(path)).unwrap_or(path);
    let nearest = if nearest.as_os_str().is_empty() { Path::new(".") } else { nearest };
    make_and_remove(nearest)
}

/// Makes a file in the directory and removes it.
fn make_and_remove(directory: &Path) -> io::Result<()> {
    let probe = directory.join(format!(".metrics-server-check-{}", std::process::id()));
    OpenOptions::new().write(true).create_new(true).open(&probe)?;
    fs::remove_file(&probe)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spill_dir(path: &Path) -> Result<(), String> {
        let path = path.to_str().unwrap().to_owned();
        let mut values = Values { spill_dir: path, ..Values::default() };
        check(&mut values).map_err(|error| error.to_string())
    }

    #[test]
    fn a_directory_is_tried_and_left_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(spill_dir(dir.path()), Ok(()));
        assert_eq!(spill_dir(&dir.path().join("to/be/made")), Ok(()));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let error = spill_dir(&file).unwrap_err();
        assert!(error.contains("-spill-dir") && error.contains("directory"), "{error}");
        assert!(spill_dir(&file.join("below")).is_err());
    }

    #[test]
    fn a_file_is_read_whether_it_is_used_or_not() {
        let mut values = Values { loki_cert_path: "/nope".to_owned(), ..Values::default() };
        let error = check(&mut values).unwrap_err();
        assert_eq!(error.exit_code(), 1);
        assert!(error.to_string().contains("\"/nope\" for flag -loki-cert-path"), "{error}");
        values.loki_cert_path = "/dev/zero".to_owned();
        assert_eq!(check(&mut values), Ok(()), "reads a device without end for ever");
    }

    fn socket(path: &Path, is_default: bool) -> Result<(), String> {
        let path = path.to_str().unwrap().to_owned();
        let listener = ListenUnix { path, flag: "uds-pool", is_default };
        check_sockets(&[listener]).map_err(|error| error.to_string())
    }

    #[test]
    fn the_directory_of_a_socket_is_tried_and_left_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(socket(&dir.path().join("x.sock"), false), Ok(()));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert_eq!(socket(Path::new("@nowhere/x.sock"), false), Ok(()));
        let live = dir.path().join("live.sock");
        let _live = std::os::unix::net::UnixListener::bind(&live).unwrap();
        assert_eq!(socket(&live, false), Ok(()));
        let absent = dir.path().join("absent/x.sock");
        let error = socket(&absent, false).unwrap_err();
        assert!(error.contains("for flag -uds-pool: No such file"), "{error}");
        assert_eq!(socket(&absent, true), Ok(()));
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(socket(&file, false).unwrap_err().contains("no socket"));
        assert!(socket(&file.join("x.sock"), false).is_err());
    }
}
