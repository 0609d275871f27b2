//! The bounds of the HTTP server.

use std::time::Duration;

/// Bytes of a request's head, with its request line. Prometheus sends some 400; a browser with cookies of
/// other services on the same host sends a few thousand.
pub(super) const HEAD_BYTES_MAX: usize = 16 << 10;
/// Fields of a request's head.
pub(super) const HEAD_FIELDS_MAX: usize = 64;
/// From accept, or from the first byte of a later request, to the end of its head; a TLS handshake is within.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Between two requests of a connection: longer than the usual intervals between scrapes.
const IDLE_TIME: Duration = Duration::from_mins(2);

/// The bounds that differ between servers.
#[derive(Clone, Copy, Debug)]
pub struct HttpLimits {
    pub(super) connections_max: usize,
    pub(super) head_time: Duration,
    pub(super) idle_time: Duration,
    pub(super) response_time: Duration,
    pub(super) log_interval: Duration,
}

impl HttpLimits {
    /// So many connections at once, so long for a response in all, and a log line about refusals of one
    /// kind at most once per `log_interval`.
    pub fn new(connections_max: usize, response_time: Duration, log_interval: Duration) -> Self {
        Self {
            connections_max,
            head_time: HEAD_TIME,
            idle_time: IDLE_TIME,
            response_time,
            log_interval,
        }
    }

    /// The same with other times for a head and between requests.
    #[must_use]
    pub fn with_times(self, head_time: Duration, idle_time: Duration) -> Self {
        Self { head_time, idle_time, ..self }
    }
}
