//! `-shutdown-uid`: which users may stop the server over a unix socket.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::thread;

use rustix::thread::Uid;
use rustix::thread::set_thread_res_uid;

use crate::common::server::BASE;
use crate::common::{Page, Server, inc};

const SHUTDOWN: &str = r#"{"op":"shutdown"}"#;
/// Users that no machine is likely to have; nothing needs them to exist.
const LISTED: u32 = 54_321;
const STRANGER: u32 = 54_322;

/// The user that the tests run as.
fn own_uid() -> u32 {
    fs::metadata("/proc/self").unwrap().uid()
}

/// How often the server has refused to shut down.
fn refused(page: &Page) -> u64 {
    page.rejected("shutdown_refused")
}

/// Sends to `ms.sock` from a thread that is another user. The thread's user is not the process's.
///
/// # Errors
/// Whoever runs the tests may not become another user.
fn send_as(server: &Server, uid: u32, message: &str) -> rustix::io::Result<()> {
    let uid = Uid::from_raw(uid);
    let send = || {
        set_thread_res_uid(uid, uid, uid)?;
        server.send_unix(message);
        Ok(())
    };
    thread::scope(|scope| scope.spawn(send).join().unwrap())
}

#[test]
fn a_listed_user_is_obeyed() {
    let list = format!("{LISTED},{}", own_uid());
    for workers in ["1", "4"] {
        let mut server = Server::start(&["-shutdown-uid", &list, "-workers", workers]);
        server.send_unix(SHUTDOWN);
        let exit = server.wait_exit();
        assert_eq!(exit.code, Some(0), "{exit:?}");
    }
}

#[test]
fn a_user_who_is_not_listed_is_refused_and_counted() {
    let mut server = Server::start(&["-shutdown-uid", &LISTED.to_string()]);
    server.send_unix(SHUTDOWN);
    server.send_unix(inc("ma"));
    let page = server.settled();
    assert_eq!((refused(&page), page.accepted()), (1, 1));
    assert_eq!(page.own(r#"processed_metrics_total{type="shutdown"}"#), 1);
    assert!(server.find_line(|line| line.contains("reason=shutdown_refused")).is_some());
    assert!(server.is_alive());
    server.stop();
}

/// Whoever is listed: a datagram has no user.
#[test]
fn datagrams_are_refused() {
    let list = own_uid().to_string();
    let mut server = Server::start(&["-shutdown-uid", &list, "-workers", "1"]);
    server.send_udp(SHUTDOWN);
    assert_eq!(refused(&server.settled()), 1);
    assert!(server.is_alive());
    // Not even after a connection of a listed user was read by the same worker.
    server.send_unix(inc("ma"));
    server.settled();
    server.send_udp(SHUTDOWN);
    assert_eq!(refused(&server.settled()), 2);
    server.stop();
}

/// Only root may become somebody else. For all others this test holds that they may not; that strangers are
/// refused and oneself is obeyed is shown by the tests above for them too.
#[test]
fn the_kernel_tells_who_has_connected() {
    let mut server = Server::start(&["-shutdown-uid", &LISTED.to_string()]);
    fs::set_permissions(server.path("."), Permissions::from_mode(0o755)).unwrap();
    if own_uid() != 0 {
        assert_eq!(send_as(&server, LISTED, SHUTDOWN), Err(rustix::io::Errno::PERM));
        server.stop();
        return;
    }
    send_as(&server, STRANGER, SHUTDOWN).unwrap();
    server.send_unix(SHUTDOWN); // root is not on the list either
    assert_eq!(refused(&server.settled()), 2);
    assert!(server.is_alive());
    send_as(&server, LISTED, SHUTDOWN).unwrap();
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(0), "{exit:?}");
}

#[test]
fn none_stays_none() {
    let list = own_uid().to_string();
    let args = [&BASE[..], &["-shutdown-from", "none", "-shutdown-uid", &list]].concat();
    let mut server = Server::start_exact(&args);
    server.send_unix(SHUTDOWN);
    assert_eq!(refused(&server.settled()), 1);
    assert!(server.is_alive());
    server.stop();
}
