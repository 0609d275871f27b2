//! The far end of `-remote`: its name, the addresses that the name stands for, and sockets connected to one of them.
//!
//! Runs on the sender, and at start on main, which asks [`FarEnd::is_here`].

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant};

use crate::sinks::remote::errors::SendErrors;

/// How long to wait for a refusal of the empty datagram. A refusal that takes longer is noticed when rows are sent.
const REFUSAL_WAIT: Duration = Duration::from_millis(25);
/// How long the kernel may take to have room for one more datagram.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);
/// How often the name is looked up again, since it may stand for another address by now.
const MOVED_PERIOD: Duration = Duration::from_mins(1);

/// Where rows go, as configured.
#[derive(Clone, Debug)]
pub(crate) struct FarEnd {
    /// A name or an address; empty for this machine.
    host: String,
    port: u16,
    /// Where this server itself receives datagrams.
    own: Option<SocketAddr>,
}

impl FarEnd {
    /// The far end at `host`, which is a name or an address, or empty for this machine. `own` is where this server
    /// itself receives datagrams.
    pub(crate) fn new(host: &str, port: u16, own: Option<SocketAddr>) -> Self {
        Self { host: host.to_owned(), port, own }
    }

    /// Looks its addresses up. Those of IPv4 come first, as in Go.
    fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let host = if self.host.is_empty() { "localhost" } else { &self.host };
        let mut found: Vec<_> = (host, self.port).to_socket_addrs()?.collect();
        found.sort_by_key(SocketAddr::is_ipv6);
        Ok(found)
    }

    /// Whether it is this server itself, as far as can be known now. A name that does not resolve now may still turn
    /// out to be, which [`Link::open`] checks again.
    pub(crate) fn is_here(&self) -> bool {
        // The port is compared first, since looking up the name may take long.
        self.own.is_some_and(|own| own.port() == self.port)
            && self.addresses().is_ok_and(|all| all.iter().any(|one| self.receives_at(*one)))
    }

    /// Whether this server itself receives what is sent to the address.
    fn receives_at(&self, address: SocketAddr) -> bool {
        let (there, Some(own)) = (address.ip().to_canonical(), self.own) else { return false };
        let here = own.ip().to_canonical();
        // A socket that is bound to all addresses of IPv6 receives what is sent to those of IPv4 as well.
        let receives_all = here.is_unspecified() && (own.is_ipv6() || there.is_ipv4());
        let receives_it = here == there || (receives_all && is_local(there));
        own.port() == address.port() && receives_it
    }
}

/// Whether the address is one of this machine's. For such an address the kernel chooses the same one as the source
/// address of a socket that is connected to it. An address that cannot be connected to counts as another machine's.
fn is_local(ip: IpAddr) -> bool {
    let is_its_own_source = || {
        let socket = UdpSocket::bind((any(ip), 0))?;
        // Sends nothing; the port does not matter.
        socket.connect((ip, 9))?;
        Ok::<_, io::Error>(socket.local_addr()?.ip() == ip)
    };
    ip.is_loopback() || ip.is_unspecified() || is_its_own_source().unwrap_or(false)
}

/// The address that stands for all addresses of this one's family.
fn any(ip: IpAddr) -> IpAddr {
    if ip.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { std::net::Ipv6Addr::UNSPECIFIED.into() }
}

/// Sockets that are connected to one address of the far end.
#[derive(Debug)]
pub(crate) struct Link {
    address: SocketAddr,
    /// At least one.
    sockets: Vec<UdpSocket>,
    /// When the name was last looked up.
    looked_up: Instant,
}

impl Link {
    /// Looks the name up, and connects so many sockets, at least one, to the first of its addresses that does not
    /// refuse.
    ///
    /// # Errors
    /// For the log: what is wrong with the name, or with the last of its addresses.
    pub(crate) fn open(
        far_end: &FarEnd,
        sockets: usize,
        errors: &SendErrors,
    ) -> Result<Self, String> {
        assert!(sockets > 0, "an empty link could not be asked");
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
        let link = Self { address, sockets, looked_up: Instant::now() };
        link.ask()?;
        Ok(link)
    }

    /// Sends an empty datagram, which a server does not count as a message, and waits for a refusal.
    ///
    /// # Errors
    /// The far end refuses it, or it cannot be sent.
    fn ask(&self) -> io::Result<()> {
        let socket = &self.sockets[0];
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

    /// Whether the far end's name no longer stands for this address. Looks the name up once a minute and says no in
    /// between.
    pub(crate) fn has_moved(&mut self, far_end: &FarEnd) -> bool {
        if self.looked_up.elapsed() < MOVED_PERIOD || far_end.host.parse::<IpAddr>().is_ok() {
            return false;
        }
        self.looked_up = Instant::now();
        // A name that cannot be looked up now has not moved.
        let moved = far_end.addresses().is_ok_and(|now| !now.contains(&self.address));
        if moved {
            log::info!("-remote: {} is no longer at {}", far_end.host, self.address);
        }
        moved
    }

    /// Sends a datagram from the socket with this number; counts the error if there is one.
    ///
    /// # Errors
    /// Those of `send(2)`: the datagram was not sent.
    pub(crate) fn send(
        &self,
        socket: usize,
        datagram: &[u8],
        errors: &SendErrors,
    ) -> io::Result<()> {
        send(&self.sockets[socket], datagram).inspect_err(|error| errors.count(error))
    }

    /// What an error of [`Self::send`] means, for the log.
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

/// `send(2)`, again if a signal interrupts it.
fn send(socket: &UdpSocket, datagram: &[u8]) -> io::Result<()> {
    loop {
        match socket.send(datagram) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other.map(drop),
        }
    }
}

/// Whether an error only says that a wait has come to its end or was interrupted.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn far_end(host: &str, own: &str) -> FarEnd {
        FarEnd::new(host, 9999, Some(own.parse().unwrap()))
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
        assert!(!FarEnd::new("127.0.0.1", 9999, None).is_here());
    }
}
