//! What all black-box tests share: a real server in a directory of its own, clients, and a reader of its page.
//!
//! Nothing here knows the server's code: it sees flags, sockets, files, signals, stderr and HTTP. Nothing waits for
//! luck: readiness is a line on stderr, and "all is counted" is read from the server's own books.

pub(crate) mod authority;
pub(crate) mod cql_peer;
pub(crate) mod http;
pub(crate) mod https;
pub(crate) mod load;
mod log;
pub(crate) mod page;
pub(crate) mod peer;
pub(crate) mod ports;
pub(crate) mod resident;
pub(crate) mod search;
pub(crate) mod send;
pub(crate) mod server;
pub(crate) mod ttl;
pub(crate) mod wait;

pub(crate) use page::Page;
pub(crate) use server::{Exit, Server};

/// A message that increments a counter by one.
pub(crate) fn inc(name: &str) -> String {
    format!(r#"{{"name":"{name}","op":"inc","value":1}}"#)
}
