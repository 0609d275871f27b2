//! The bounds of the HTTP server.

use std::time::Duration;

/// Most bytes of a request's head, with its request line. Prometheus sends about 400 bytes, and a browser that has
/// cookies of other services on the same host a few thousand.
pub(super) const HEAD_BYTES_MAX: usize = 16 << 10;
/// Most header fields of a request. Prometheus sends about six.
pub(super) const HEAD_FIELDS_MAX: usize = 64;
/// How long a head may take: of the first request from accept on, with the TLS handshake; of a later request from its
/// first byte on.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long a connection is kept between two requests: longer than the usual intervals between scrapes.
const IDLE_TIME: Duration = Duration::from_mins(2);

/// The bounds that are not the same for every server: flags set them, or tests.
#[derive(Clone, Copy, Debug)]
pub struct HttpLimits {
    pub(super) connections_max: usize,
    pub(super) head_time: Duration,
    pub(super) idle_time: Duration,
    pub(super) response_time: Duration,
    pub(super) log_interval: Duration,
}

impl HttpLimits {
    /// At most `connections_max` connections are open at once, and each response may take `response_time` from the
    /// request's head to the last byte. Refusals for one reason are logged at most once per `log_interval`.
    pub fn new(connections_max: usize, response_time: Duration, log_interval: Duration) -> Self {
        Self {
            connections_max,
            head_time: HEAD_TIME,
            idle_time: IDLE_TIME,
            response_time,
            log_interval,
        }
    }

    /// The same limits with other times for a head and between two requests. Only tests call this, since they cannot
    /// wait for minutes; no flag sets these times.
    #[must_use]
    pub fn with_times_for_tests(self, head_time: Duration, idle_time: Duration) -> Self {
        Self { head_time, idle_time, ..self }
    }
}
