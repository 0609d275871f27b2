//! Addresses as Go writes them: `:9099`, `127.0.0.1:9099`, `[::1]:9099`, `localhost:9099`.
//!
//! Only their syntax is judged; it must not resolve a name nor open a socket.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GoAddr {
    /// An IPv4 address, an IPv6 address without brackets (perhaps with `%zone`), or a host name. Empty: every
    /// address of both families. As with Go, `0.0.0.0` and `[::]` mean just that and are kept empty.
    pub host: String,
    /// The port; 0 lets the system choose one.
    pub port: u16,
}

impl GoAddr {
    /// Reads `host:port`; an error is the cause in words.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let (host, port) = text.rsplit_once(':').ok_or("missing port in address")?;
        if host.starts_with('[') != host.ends_with(']') {
            // `[::1]` has its last colon inside the brackets.
            return Err("missing port in address");
        }
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bracketed {
            Some(host) if !is_ipv6(host) => return Err("no IPv6 address in the brackets"),
            Some(host) => host,
            None if host.contains(':') => {
                return Err("too many colons in address (IPv6 addresses need brackets)");
            }
            None if host.is_empty() || is_host(host) => host,
            None => return Err("bad host in address"),
        };
        let port = parse_port(port)?;
        let host = if is_unspecified(host) { "" } else { host };
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for GoAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

fn parse_port(text: &str) -> Result<u16, &'static str> {
    if text.is_empty() {
        return Err("missing port in address");
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("the port is no number");
    }
    text.parse().map_err(|_| "the port is above 65535")
}

fn is_ipv6(host: &str) -> bool {
    let (address, zone) = host.split_once('%').unwrap_or((host, "0"));
    address.parse::<Ipv6Addr>().is_ok()
        && !zone.is_empty()
        && zone.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_unspecified(host: &str) -> bool {
    host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_unspecified())
        || host.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_unspecified())
}

/// An IPv4 address or a name that a resolver may know; digits and dots alone are never a name.
fn is_host(host: &str) -> bool {
    if host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return host.parse::<Ipv4Addr>().is_ok();
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && !label.starts_with('-') && label.bytes().all(good)
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_addresses_as_go_writes_them() {
        for (text, host, port, shown) in [
            (":9099", "", 9099, ":9099"),
            (":0", "", 0, ":0"),
            (":0080", "", 80, ":80"),
            ("0.0.0.0:9099", "", 9099, ":9099"),
            ("[::]:9099", "", 9099, ":9099"),
            ("127.0.0.1:65535", "127.0.0.1", 65535, "127.0.0.1:65535"),
            ("[::1]:1", "::1", 1, "[::1]:1"),
            ("[fe80::1%eth0]:1", "fe80::1%eth0", 1, "[fe80::1%eth0]:1"),
            ("localhost:1", "localhost", 1, "localhost:1"),
            (
                "metrics_global.svc.cluster-1.local.:1",
                "metrics_global.svc.cluster-1.local.",
                1,
                "metrics_global.svc.cluster-1.local.:1",
            ),
        ] {
            let address = GoAddr::parse(text);
            assert_eq!(address, Ok(GoAddr { host: host.to_owned(), port }), "{text}");
            assert_eq!(address.map(|address| address.to_string()), Ok(shown.to_owned()));
        }
    }

    #[test]
    fn refuses_other_texts_with_the_cause() {
        for (text, cause) in [
            ("", "missing port in address"),
            ("127.0.0.1", "missing port in address"),
            ("9099", "missing port in address"),
            ("[::1]", "missing port in address"),
            (":", "missing port in address"),
            ("localhost:", "missing port in address"),
            ("::1:80", "too many colons in address (IPv6 addresses need brackets)"),
            ("a:b:1", "too many colons in address (IPv6 addresses need brackets)"),
            ("http://x:80", "too many colons in address (IPv6 addresses need brackets)"),
            (":http", "the port is no number"),
            (":-1", "the port is no number"),
            (":+1", "the port is no number"),
            (": 1", "the port is no number"),
            (":65536", "the port is above 65535"),
            (":99999999999999999999", "the port is above 65535"),
            ("256.1.1.1:1", "bad host in address"),
            ("1.2.3:1", "bad host in address"),
            ("*:1", "bad host in address"),
            ("a b:1", "bad host in address"),
            ("a..b:1", "bad host in address"),
            ("[]:1", "no IPv6 address in the brackets"),
            ("[localhost]:1", "no IPv6 address in the brackets"),
            ("[::1%]:1", "no IPv6 address in the brackets"),
        ] {
            assert_eq!(GoAddr::parse(text), Err(cause), "{text}");
        }
    }
}
