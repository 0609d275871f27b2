//! Why connections and requests are refused, and the log lines that say so.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::Duration;

use crate::logger::throttle::Throttle;

/// Why a connection or request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request announces a body. The server reads none.
    Body,
    /// There are `-http-connections-max` connections, and none of them may be evicted.
    Connections,
    /// The head did not arrive in time.
    HeadTime,
    /// The head has too many bytes or header fields.
    HeadTooLarge,
    /// The request lacks a login that `-web-config-file` knows.
    Login,
    /// The head is not HTTP.
    Syntax,
    /// The TLS handshake failed.
    Tls,
    /// The request is of a version of HTTP other than 1.0 and 1.1.
    Version,
}

impl Refusal {
    /// Every reason, in the order of the label values.
    pub const ALL: [Self; 8] = [
        Self::Body,
        Self::Connections,
        Self::HeadTime,
        Self::HeadTooLarge,
        Self::Login,
        Self::Syntax,
        Self::Tls,
        Self::Version,
    ];

    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Connections => "connections",
            Self::HeadTime => "head_time",
            Self::HeadTooLarge => "head_size",
            Self::Login => "login",
            Self::Syntax => "syntax",
            Self::Tls => "tls",
            Self::Version => "version",
        }
    }

    /// The words in the log.
    const fn text(self) -> &'static str {
        match self {
            Self::Body => "the request has a body; it is answered, and the connection closed",
            Self::Connections => "there are -http-connections-max connections already",
            Self::HeadTime => "the request's head did not come in time",
            Self::HeadTooLarge => "the request's head has more than 16 KiB or 64 fields",
            Self::Login => "the login is missing or wrong",
            Self::Syntax => "the request is not HTTP",
            Self::Tls => "the TLS handshake failed",
            Self::Version => "the request is not HTTP/1.0 or HTTP/1.1",
        }
    }
}

/// What an evicted connection was waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evicted {
    /// A request's head.
    Head,
    /// A further request.
    Idle,
    /// Its client, which took nothing of the response.
    Response,
}

impl Evicted {
    /// Every variant, in the order of the label values.
    pub const ALL: [Self; 3] = [Self::Head, Self::Idle, Self::Response];

    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Idle => "idle",
            Self::Response => "response",
        }
    }
}

/// Logs refusals, those for one reason at most once per interval.
#[derive(Debug)]
pub(super) struct RefusalLog(RefCell<[Throttle; Refusal::ALL.len()]>);

impl RefusalLog {
    pub(super) fn new(interval: Duration) -> Self {
        Self(RefCell::new(Refusal::ALL.map(|_| Throttle::new(interval))))
    }

    /// Logs a refusal, unless one for the same reason was logged within the interval.
    pub(super) fn log(&self, reason: Refusal, peer: SocketAddr) {
        let throttle = &mut self.0.borrow_mut()[reason as usize];
        if throttle.allows() {
            log::warn!("http: refused {peer}: {}{}", reason.text(), throttle.left_out());
        }
    }
}
