//! What names a table and the hosts of a cluster that speaks CQL.
//!
//! Only their syntax is judged; it must not resolve a name nor open a socket.

use std::fmt;

use super::address::GoAddr;

/// The port of hosts that name none.
const DEFAULT_PORT: u16 = 9042;
/// The longest name of a keyspace or table that Cassandra and ScyllaDB take.
const NAME_MAX_BYTES: usize = 48;

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CqlTable {
    /// As system tables have it: names without quotes are in lower case.
    pub keyspace: String,
    /// The same.
    pub table: String,
}

impl CqlTable {
    /// Reads `keyspace.table`, each perhaps in double quotes; a name alone is that of both, as the original
    /// makes the keyspace of what stands before the first dot. An error is the cause in words.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (keyspace, table) = text.split_once('.').unwrap_or((text, text));
        Ok(Self { keyspace: name(keyspace)?, table: name(table)? })
    }

    /// The keyspace as statements have it.
    pub(crate) fn quoted_keyspace(&self) -> String {
        quoted(&self.keyspace)
    }
}

/// As statements have it.
impl fmt::Display for CqlTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", quoted(&self.keyspace), quoted(&self.table))
    }
}

/// A host as `name`, `name:port`, an address, or `[IPv6 address]:port`. An error is the cause in words.
pub(super) fn host(text: &str) -> Result<GoAddr, &'static str> {
    let bare_ipv6 = !text.starts_with('[') && text.matches(':').count() > 1;
    let with_port = if bare_ipv6 {
        format!("[{text}]:{DEFAULT_PORT}")
    } else if text.contains(':') && !text.ends_with(']') {
        text.to_owned()
    } else {
        format!("{text}:{DEFAULT_PORT}")
    };
    let addr = GoAddr::parse(&with_port)?;
    if addr.host.is_empty() { Err("a host is missing") } else { Ok(addr) }
}

fn name(text: &str) -> Result<String, String> {
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let bare = inner.unwrap_or(text);
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if bare.is_empty() || !bare.bytes().all(good) {
        return Err(format!("{text:?} is no name: letters, digits and _ make one"));
    }
    if bare.len() > NAME_MAX_BYTES {
        return Err(format!("{bare:?} is longer than {NAME_MAX_BYTES} bytes"));
    }
    if inner.is_some() {
        return Ok(bare.to_owned());
    }
    if !bare.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return Err(format!("{bare:?} begins with no letter; such names need double quotes"));
    }
    Ok(bare.to_ascii_lowercase())
}

/// In quotes where it would be read as another name without.
fn quoted(name: &str) -> String {
    let plain = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| !byte.is_ascii_uppercase());
    if plain { name.to_owned() } else { format!("\"{name}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_and_shown_as_cql_has_them() {
        for (text, keyspace, table, shown) in [
            ("tracking.metrics", "tracking", "metrics", "tracking.metrics"),
            ("Tracking.Metrics_2", "tracking", "metrics_2", "tracking.metrics_2"),
            ("\"Tracking\".\"2m\"", "Tracking", "2m", "\"Tracking\".\"2m\""),
            ("plain", "plain", "plain", "plain.plain"),
        ] {
            let read = CqlTable::parse(text).unwrap();
            assert_eq!((read.keyspace.as_str(), read.table.as_str()), (keyspace, table), "{text}");
            assert_eq!(read.to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_table_is_refused() {
        for text in ["", ".", "a.", ".b", "a.b.c", "a b.c", "a;drop.b", "1a.b", "\"a.b", "a.\"\""] {
            assert!(CqlTable::parse(text).is_err(), "{text}");
        }
        assert!(
            CqlTable::parse(&"a".repeat(48)).is_ok() && CqlTable::parse(&"a".repeat(49)).is_err()
        );
    }

    #[test]
    fn hosts_may_have_a_port() {
        for (text, shown) in [
            ("scylla-1", "scylla-1:9042"),
            ("10.0.0.1:19042", "10.0.0.1:19042"),
            ("::1", "[::1]:9042"),
            ("[::1]", "[::1]:9042"),
            ("[::1]:1", "[::1]:1"),
        ] {
            assert_eq!(host(text).map(|addr| addr.to_string()), Ok(shown.to_owned()), "{text}");
        }
        for text in ["a b", ":9042", "a:x", "http://a:9042", "0.0.0.0"] {
            assert!(host(text).is_err(), "{text}");
        }
    }
}
