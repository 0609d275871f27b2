//! The exporter: everything between the registry and Prometheus.
//!
//! `http` serves, `scrape` makes a page and shares it among scrapes of the same moment, `own` adds the
//! server's own families, `retire` drives expiry on a timer. Runs on the exporter thread and the HTTP
//! threads; workers never wait for any of it.

pub(crate) mod expiry_timer;
pub(crate) mod http;
pub(crate) mod own;
pub(crate) mod process;
pub(crate) mod scrape;
pub(crate) mod udp_sockets;
