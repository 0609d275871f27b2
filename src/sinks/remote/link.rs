//! The way to the far end of `-remote`: its name, its address, and the sockets that are connected to it.
//!
//! Runs on the sender; once on main, at the start, for [`FarEnd::is_here`].

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant};

use crate::sinks::remote::errors::SendErrors;

/// How long a refusal of the empty datagram is waited for. Where it comes later it is met while sending.
const REFUSAL_WAIT: Duration = Duration::from_millis(25);
/// How long the kernel may be without room for one more datagram.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);
/// How often it is looked whether the name stands for another address.
const MOVED_PERIOD: Duration = Duration::from_mins(1);

/// Where rows go, as configured.
#[derive(Clone, Debug)]
pub(crate) struct FarEnd {
    /// A name or an address; empty for this machine.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Where this server itself receives datagrams.
    pub own: Option<SocketAddr>,
}

impl FarEnd {
    /// Its addresses; IPv4 first, as Go.
    fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let host = if self.host.is_empty() { "localhost" } else { &self.host };
        let mut found: Vec<_> = (host, self.port).to_socket_addrs()?.collect();
        found.sort_by_key(SocketAddr::is_ipv6);
        Ok(found)
    }

    /// Whether it is this server itself, as far as can be told now: a name that does not resolve is not.
    pub(crate) fn is_here(&self) -> bool {
        // Other ports need no look at the name, which may take long.
        self.own.is_some_and(|own| own.port() == self.port)
            && self.addresses().is_ok_and(|all| all.iter().any(|one| self.receives_at(*one)))
    }

    fn receives_at(&self, address: SocketAddr) -> bool {
        let (there, Some(own)) = (address.ip().to_canonical(), self.own) else { return false };
        let here = own.ip().to_canonical();
        let takes_it = here == there
            || (here.is_unspecified() && is_local(there) && (own.is_ipv6() || there.is_ipv4()));
        own.port() == address.port() && takes_it
    }
}

/// Whether the address is one of this machine's: then the kernel talks to it from itself.
fn is_local(ip: IpAddr) -> bool {
    let from_itself = || {
        let socket = UdpSocket::bind((any(ip), 0))?;
        socket.connect((ip, 9))?; // sends nothing
        Ok::<_, io::Error>(socket.local_addr()?.ip() == ip)
    };
    ip.is_loopback() || ip.is_unspecified() || from_itself().unwrap_or(false)
}

/// All addresses of the family.
fn any(ip: IpAddr) -> IpAddr {
    if ip.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { std::net::Ipv6Addr::UNSPECIFIED.into() }
}

/// Connected sockets.
#[derive(Debug)]
pub(crate) struct Link {
    address: SocketAddr,
    sockets: Vec<UdpSocket>,
    looked: Instant,
}

impl Link {
    /// Looks the name up, and connects to the first of its addresses that does not refuse.
    ///
    /// # Errors
    /// For the log: what is wrong with the last address, or the name.
    pub(crate) fn open(
        far_end: &FarEnd,
        sockets: usize,
        errors: &SendErrors,
    ) -> Result<Self, String> {
        let FarEnd { host, port, .. } = far_end;
        let addresses = far_end
            .addresses()
            .map_err(|error| format!("-remote: {host:?} cannot be resolved: {error}"))?;
        let mut why = format!("-remote: {host:?} has no address");
        for address in addresses {
            if far_end.receives_at(address) {
                why = format!("-remote: {host}:{port} is this server itself");
                continue;
            }
            match Self::connect(address, sockets) {
                Ok(link) => return Ok(link),
                Err(error) => {
                    errors.count(&error);
                    why = complaint(address, &error);
                }
            }
        }
        Err(why)
    }

    fn connect(address: SocketAddr, sockets: usize) -> io::Result<Self> {
        let open = || {
            let socket = UdpSocket::bind((any(address.ip()), 0))?;
            socket.connect(address)?;
            socket.set_write_timeout(Some(SEND_TIMEOUT))?;
            Ok(socket)
        };
        let sockets = (0..sockets).map(|_| open()).collect::<io::Result<Vec<_>>>()?;
        let link = Self { address, sockets, looked: Instant::now() };
        link.ask()?;
        Ok(link)
    }

    /// Sends an empty datagram, which is no message, and waits for a refusal.
    fn ask(&self) -> io::Result<()> {
        let Some(socket) = self.sockets.first() else { return Ok(()) };
        send(socket, &[])?;
        let end = Instant::now() + REFUSAL_WAIT;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            socket.set_read_timeout(Some(left))?;
            match socket.recv(&mut [0]) {
                Err(error) if !is_passing(&error) => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// Whether the far end's name stands for other addresses now; looked up once a minute.
    pub(crate) fn has_moved(&mut self, far_end: &FarEnd) -> bool {
        if self.looked.elapsed() < MOVED_PERIOD || far_end.host.parse::<IpAddr>().is_ok() {
            return false;
        }
        self.looked = Instant::now();
        // A name that cannot be looked up now has not moved.
        let moved = far_end.addresses().is_ok_and(|now| !now.contains(&self.address));
        if moved {
            log::info!("-remote: {} is no longer at {}", far_end.host, self.address);
        }
        moved
    }

    /// Hands a datagram to the kernel, from the socket with this number.
    ///
    /// # Errors
    /// Those of `send(2)`: the datagram did not go out.
    pub(crate) fn send(
        &self,
        socket: usize,
        datagram: &[u8],
        errors: &SendErrors,
    ) -> io::Result<()> {
        send(&self.sockets[socket], datagram).inspect_err(|error| errors.count(error))
    }

    /// For the log.
    pub(crate) fn complaint(&self, error: &io::Error) -> String {
        complaint(self.address, error)
    }
}

fn complaint(address: SocketAddr, error: &io::Error) -> String {
    let hint = if error.kind() == ErrorKind::ConnectionRefused {
        "; no server receives there, and what was sent to it just before is lost"
    } else {
        ""
    };
    format!("{address}: {error}{hint}")
}

/// `send(2)`, which any signal may interrupt.
fn send(socket: &UdpSocket, datagram: &[u8]) -> io::Result<()> {
    loop {
        match socket.send(datagram) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other.map(drop),
        }
    }
}

/// Whether a wait has only come to its end, or was interrupted.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn far_end(host: &str, own: &str) -> FarEnd {
        FarEnd { host: host.to_owned(), port: 9999, own: Some(own.parse().unwrap()) }
    }

    #[test]
    fn a_server_knows_itself() {
        for (host, own) in [
            ("127.0.0.1", "127.0.0.1:9999"),
            ("127.0.0.1", "0.0.0.0:9999"),
            ("127.0.0.1", "[::]:9999"),
            ("127.8.8.8", "0.0.0.0:9999"),
            ("localhost", "[::]:9999"),
            ("", "0.0.0.0:9999"),
            ("0.0.0.0", "0.0.0.0:9999"),
        ] {
            assert!(far_end(host, own).is_here(), "{host} {own}");
        }
        for (host, own) in [
            ("127.0.0.1", "127.0.0.1:9998"),
            ("127.0.0.2", "127.0.0.1:9999"),
            ("192.0.2.1", "0.0.0.0:9999"),
            ("name.invalid", "0.0.0.0:9999"),
        ] {
            assert!(!far_end(host, own).is_here(), "{host} {own}");
        }
        assert!(!FarEnd { own: None, ..far_end("127.0.0.1", "0.0.0.0:9999") }.is_here());
    }
}
