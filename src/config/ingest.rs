//! What the workers receive, and how.
//!
//! Runs on `main`, once. It must not open what it names.

use std::thread;
use std::time::Duration;

use super::convert::{duration, size};
use super::error::UsageError;
use super::limits::beside_series;
use super::listen::{self, ListenUdp, ListenUnix};
use super::statsd::TagStyles;
use super::table::Values;

/// More workers than this must be asked for.
const DEFAULT_WORKERS_MAX: usize = 4;

/// What the workers receive, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IngestConfig {
    /// How many workers; at least 1.
    pub workers: usize,
    /// Whether each is bound to a core.
    pub pin: Pin,
    /// The UDP address; `None`: UDP is off.
    pub udp: Option<ListenUdp>,
    /// The unix sockets: `-uds` first, then `-uds-pool` in its order.
    pub unix: Vec<ListenUnix>,
    /// The unix datagram sockets, in the order of `-unixgram`.
    pub unixgram: Vec<ListenUnix>,
    /// Receive buffer to ask for, for each UDP socket.
    pub rcvbuf_bytes: usize,
    /// The longest wait for a batch of datagrams to fill; zero: none.
    pub batch_wait: Duration,
    /// File mode of the unix sockets; permission bits only.
    pub uds_mode: u32,
    /// Most unix connections open at once, all workers together.
    pub connections_max: usize,
    /// How long a unix connection may be idle; `None`: for ever.
    pub idle_timeout: Option<Duration>,
    /// Most bytes kept of unfinished messages, all unix connections together; at least one message.
    pub partials_max_bytes: usize,
    /// The longest message; at least 65536, so that a whole datagram fits.
    pub message_max_bytes: usize,
    /// Most labels of a message.
    pub labels_max: usize,
    /// The styles in which tags of StatsD lines are taken.
    pub tag_styles: TagStyles,
}

/// Whether workers are bound to cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pin {
    /// Where the process may use more cores than it has workers.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

impl IngestConfig {
    /// What the flags say.
    pub(super) fn read(values: &Values) -> Result<Self, UsageError> {
        check_partials(values)?;
        let unix = listen::unix(values)?;
        Ok(Self {
            workers: workers(values.workers),
            pin: pin(&values.pin)?,
            udp: listen::udp(values)?,
            unixgram: listen::unixgram(values, &unix)?,
            unix,
            rcvbuf_bytes: size(values.udp_rcvbuf),
            batch_wait: duration(values.udp_batch_wait),
            uds_mode: mode(&values.uds_mode)?,
            connections_max: size(values.uds_connections_max),
            idle_timeout: Some(duration(values.uds_idle_timeout)).filter(|time| !time.is_zero()),
            partials_max_bytes: size(partials(values)),
            message_max_bytes: size(values.message_max_bytes),
            labels_max: size(values.labels_max),
            tag_styles: TagStyles::read(values)?,
        })
    }
}

fn check_partials(values: &Values) -> Result<(), UsageError> {
    if values.uds_partials_max_bytes >= values.message_max_bytes {
        return Ok(());
    }
    let text = values.uds_partials_max_bytes.to_string();
    let cause = format!("less than one message of -message-max-bytes {}", values.message_max_bytes);
    Err(UsageError::value("uds-partials-max-bytes", &text, &cause))
}

/// The bound of unfinished messages, of which the longest has room.
fn partials(values: &Values) -> i64 {
    beside_series(values.uds_partials_max_bytes, values).max(values.message_max_bytes)
}

fn workers(asked: i64) -> usize {
    match size(asked) {
        0 => {
            thread::available_parallelism().map_or(1, |cores| cores.get().min(DEFAULT_WORKERS_MAX))
        }
        workers => workers,
    }
}

fn pin(text: &str) -> Result<Pin, UsageError> {
    match text {
        "auto" => Ok(Pin::Auto),
        "on" => Ok(Pin::On),
        "off" => Ok(Pin::Off),
        _ => Err(UsageError::value("pin", text, "no such choice")),
    }
}

fn mode(text: &str) -> Result<u32, UsageError> {
    let octal = !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    let mode = if octal { u32::from_str_radix(text, 8).ok() } else { None };
    mode.filter(|mode| *mode <= 0o777)
        .ok_or_else(|| UsageError::value("uds-mode", text, "no octal number from 0 to 0777"))
}
