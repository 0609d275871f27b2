//! The sockets that the flags ask for. Main opens them before any thread starts, so that what cannot be had
//! is told at once.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixDatagram, UnixListener};

use anyhow::Context;
use socket2::{Domain, Protocol, Socket, Type};

use crate::config::{GoAddr, HttpConfig, IngestConfig, ListenUdp, ListenUnix};
use crate::ingest::udp;
use crate::server::unix_path::{self, PathSocket};
use crate::sys::socket;

/// Connections that may wait at the HTTP port.
const HTTP_BACKLOG: i32 = 4096;

/// Open sockets.
#[derive(Debug)]
pub(super) struct Listeners {
    /// Where scrapes come in.
    pub(super) http: TcpListener,
    /// One per worker, all of one address; none where UDP is off.
    pub(super) udp: Vec<UdpSocket>,
    /// The unix sockets that could be bound, in the order of the flags. Dropping one removes its file.
    pub(super) unix: UnixSockets,
}

/// The unix sockets.
#[derive(Debug)]
pub(super) struct UnixSockets {
    /// Those of streams.
    pub(super) streams: Vec<UnixSocket<UnixListener>>,
    /// Those of datagrams.
    pub(super) datagrams: Vec<UnixSocket<UnixDatagram>>,
}

/// A unix socket.
#[derive(Debug)]
pub(super) struct UnixSocket<S> {
    /// The flag's text: the `data_source`.
    pub(super) path: String,
    /// The socket and its file.
    pub(super) bound: PathSocket<S>,
}

impl Listeners {
    /// Opens all sockets.
    ///
    /// # Errors
    /// Names flag, value and cause.
    pub(super) fn open(http: &HttpConfig, ingest: &IngestConfig) -> anyhow::Result<Self> {
        let http = bind_http(http)?;
        let udp = ingest.udp.as_ref().map(|udp| bind_udp(udp, ingest)).transpose()?;
        // Last, so that no file is made where something else cannot be had.
        let unix = UnixSockets { streams: bind_unix(ingest)?, datagrams: bind_unixgram(ingest)? };
        Ok(Self { http, udp: udp.unwrap_or_default(), unix })
    }

    /// Logs where messages and, by which scheme, scrapes are taken, as the kernel tells it: `[::]` means both families.
    ///
    /// # Errors
    /// Those of `getsockname(2)`.
    pub(super) fn announce(&self, scheme: &str) -> anyhow::Result<()> {
        if let Some(udp) = self.udp_address()? {
            log::info!("Listen udp {udp} for metric collection");
        }
        for unix in &self.unix.streams {
            log::info!("Listen uds {} for metric collection", unix.path);
        }
        for unix in &self.unix.datagrams {
            log::info!("Listen unixgram {} for metric collection", unix.path);
        }
        log::info!("Expose metrics on {scheme}://{}/metrics", self.http.local_addr()?);
        Ok(())
    }

    /// Where this server receives datagrams.
    ///
    /// # Errors
    /// Those of `getsockname(2)`.
    pub(super) fn udp_address(&self) -> anyhow::Result<Option<SocketAddr>> {
        Ok(self.udp.first().map(UdpSocket::local_addr).transpose()?)
    }
}

fn bind_http(config: &HttpConfig) -> anyhow::Result<TcpListener> {
    first_of(&config.addr, listen_http)
        .with_context(|| format!("-socket {:?}: cannot listen", config.text))
}

fn listen_http(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(HTTP_BACKLOG)?;
    Ok(socket.into())
}

fn bind_udp(udp: &ListenUdp, config: &IngestConfig) -> anyhow::Result<Vec<UdpSocket>> {
    let bind = |address| udp::bind(address, config.workers, config.rcvbuf_bytes);
    let sockets =
        first_of(&udp.addr, bind).with_context(|| format!("-udp {:?}: cannot listen", udp.text))?;
    warn_of_buffer(&sockets[0], config.rcvbuf_bytes)?;
    Ok(sockets)
}

fn warn_of_buffer(socket: &UdpSocket, wanted_bytes: usize) -> anyhow::Result<()> {
    // The kernel doubles what is asked for, to make room for its own data.
    let granted = socket::memory(socket.as_fd())?.buffer_bytes as usize / 2;
    if granted < wanted_bytes {
        log::warn!(
            "-udp-rcvbuf {wanted_bytes}: the kernel granted {granted}; bursts may be dropped. \
             To allow it: sysctl -w net.core.rmem_max={wanted_bytes}"
        );
    }
    Ok(())
}

fn bind_unixgram(config: &IngestConfig) -> anyhow::Result<Vec<UnixSocket<UnixDatagram>>> {
    let bind = |unix: &ListenUnix| {
        let bound = unix_path::bind_datagram(&unix.path, config.uds_mode)
            .with_context(|| format!("-{} {:?}: cannot bind", unix.flag, unix.path))?;
        Ok(UnixSocket { path: unix.path.clone(), bound })
    };
    config.unixgram.iter().map(bind).collect()
}

fn bind_unix(config: &IngestConfig) -> anyhow::Result<Vec<UnixSocket<UnixListener>>> {
    let sockets = config.unix.iter().map(|unix| bind_one_unix(unix, config.uds_mode));
    sockets.filter_map(Result::transpose).collect()
}

fn bind_one_unix(unix: &ListenUnix, mode: u32) -> anyhow::Result<Option<UnixSocket<UnixListener>>> {
    match unix_path::listen(&unix.path, mode) {
        Ok(bound) => Ok(Some(UnixSocket { path: unix.path.clone(), bound })),
        // Nobody asked for the default path by name: a read-only directory is no reason to fail.
        Err(error) if unix.is_default => {
            log::warn!("-{} {:?} (default): {error:#}; no unix socket", unix.flag, unix.path);
            Ok(None)
        }
        Err(error) => Err(error.context(format!("-{} {:?}: cannot listen", unix.flag, unix.path))),
    }
}

/// Binds to the first address that works: all of them, IPv6 and IPv4, for an empty host.
fn first_of<T>(
    address: &GoAddr,
    mut bind: impl FnMut(SocketAddr) -> std::io::Result<T>,
) -> anyhow::Result<T> {
    let host = if address.host.is_empty() { "::" } else { &address.host };
    let mut addresses: Vec<SocketAddr> =
        (host, address.port).to_socket_addrs().context("no such host")?.collect();
    // As Go: of a name's addresses that of IPv4 is taken.
    addresses.sort_by_key(SocketAddr::is_ipv6);
    if address.host.is_empty() {
        addresses.push(([0, 0, 0, 0], address.port).into());
    }
    let mut last = None;
    for address in addresses {
        match bind(address) {
            Ok(listener) => return Ok(listener),
            // A taken port is no reason to try the other family beside it.
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => return Err(error.into()),
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(|| anyhow::anyhow!("the host has no address"), Into::into))
}
