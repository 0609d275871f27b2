//! Sockets of a server that somebody else holds as well, so that what is queued in them outlives a crash.

use std::fs;
use std::net::UdpSocket;

use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use crate::common::Server;

/// A server's UDP sockets.
pub(crate) struct HeldSockets(Vec<UdpSocket>);

impl HeldSockets {
    /// Those of a server that runs. Its parent may take them without a privilege.
    pub(crate) fn of(server: &Server) -> Self {
        let pid = Pid::from_raw(server.pid().try_into().unwrap()).unwrap();
        let process = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        let sockets = udp_descriptors(server).into_iter().map(|descriptor| {
            UdpSocket::from(pidfd_getfd(&process, descriptor, PidfdGetfdFlags::empty()).unwrap())
        });
        Self(sockets.collect())
    }

    /// Reads what is queued, closes the sockets, and tells how many datagrams that were. Once the server is gone, and
    /// nobody sends any more.
    pub(crate) fn read_rest(self) -> u64 {
        let mut buffer = vec![0; 1 << 16];
        let count = |socket: &UdpSocket| {
            socket.set_nonblocking(true).unwrap();
            std::iter::from_fn(|| socket.recv(&mut buffer).ok()).count() as u64
        };
        self.0.iter().map(count).sum()
    }
}

/// The descriptors that are UDP sockets of this network.
fn udp_descriptors(server: &Server) -> Vec<i32> {
    let table = fs::read_to_string("/proc/net/udp").unwrap();
    let inodes: Vec<&str> =
        table.lines().skip(1).filter_map(|line| line.split_whitespace().nth(9)).collect();
    let entries = fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().flatten();
    let of_udp = entries.filter(|entry| {
        let link = fs::read_link(entry.path()).unwrap_or_default();
        let inode = link.to_str().and_then(|link| link.strip_prefix("socket:["));
        inode.is_some_and(|inode| inodes.contains(&inode.trim_end_matches(']')))
    });
    of_udp.map(|entry| entry.file_name().to_str().unwrap().parse().unwrap()).collect()
}
