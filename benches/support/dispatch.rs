//! The handler of one worker, which takes bytes as they were read, without sockets.

use std::sync::Arc;

use metrics_server::testing::config::ShutdownFrom;
use metrics_server::testing::control::Control;
use metrics_server::testing::ingest::{Dispatch, Listener, LogSlots, MessageLimits, Shared};
use metrics_server::testing::registry::{LocalRegistry, label_text};
use metrics_server::testing::sinks::Outboxes;
use metrics_server::testing::stats::{Stats, Transport};
use mio::{Poll, Token, Waker};

/// Most labels of a message.
const LABELS_MAX: usize = 64;

/// The handler of the only worker, with one listener and at most so many bytes of templates. With 0 every message
/// is parsed.
pub(crate) fn dispatch(
    stats: &Stats,
    local_registry: LocalRegistry,
    templates_max_bytes: usize,
) -> Dispatch {
    let poll = Poll::new().expect("a poll");
    let main = Waker::new(poll.registry(), Token(0)).expect("a waker");
    let labels = label_text::constants([("data_source", ":9999"), ("source_app", "shop")]);
    let shared = Shared::new(
        Arc::new([Listener::new(":9999", Transport::Unix, labels)]),
        ShutdownFrom::None,
        Arc::clone(stats),
        Arc::new(Control::new(Vec::new(), Arc::new(main))),
        Arc::new(LogSlots::new(false)),
    );
    let limits = MessageLimits::new(128 << 10, LABELS_MAX, templates_max_bytes);
    Dispatch::new(0, local_registry, Outboxes::default(), limits, shared)
}
