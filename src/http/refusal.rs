//! Why connections and requests are refused, and the log lines that say so.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::Duration;

use crate::logger::throttle::Throttle;

/// Why a connection or request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It announced a body; none is read.
    Body,
    /// Past `-http-connections-max`, with nobody to evict.
    Connections,
    /// The head did not come within its time.
    HeadTime,
    /// The head has too many bytes or fields.
    HeadTooLarge,
    /// It has no login that `-web-config-file` knows.
    Login,
    /// The head is not HTTP.
    Syntax,
    /// The TLS handshake failed.
    Tls,
    /// Another version of HTTP than 1.0 and 1.1.
    Version,
}

impl Refusal {
    /// Every reason, by label value.
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

    /// What the log says.
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
    /// For a request's head.
    Head,
    /// For the next request.
    Idle,
    /// For its client to take the response.
    Response,
}

impl Evicted {
    /// Every one, by label value.
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

/// Logs refusals of each kind at most once per interval.
#[derive(Debug)]
pub(super) struct RefusalLog(RefCell<[Throttle; Refusal::ALL.len()]>);

impl RefusalLog {
    pub(super) fn new(interval: Duration) -> Self {
        Self(RefCell::new(Refusal::ALL.map(|_| Throttle::new(interval))))
    }

    /// Logs a refusal, unless one of its kind was logged a moment ago.
    pub(super) fn log(&self, reason: Refusal, peer: SocketAddr) {
        let throttle = &mut self.0.borrow_mut()[reason as usize];
        if throttle.allows() {
            log::warn!("http: refused {peer}: {}{}", reason.text(), throttle.left_out());
        }
    }
}
