//! From bytes to samples: `frame` finds the objects and lines in what was read, `json` makes one into a
//! [`Sample`](crate::metric::Sample), `statsd` does so with a line, `template` knows messages again that differ in their number alone.
//!
//! Pure functions with reused buffers, run by the ingest workers for every message: no I/O, no clock,
//! no lock, no log line, and no allocation once the buffers have grown. Nothing here knows a socket,
//! a series or a sink.

pub(crate) mod frame;
pub(crate) mod json;
pub(crate) mod padded;
mod recycle;
mod repair;
pub(crate) mod statsd;
pub(crate) mod template;
mod text;
