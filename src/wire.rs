//! From bytes to samples: `frame` finds the objects in what was read, `json` makes one into a
//! [`Sample`](crate::metric::Sample), `template` knows messages again that differ in their number alone.
//!
//! Pure functions with reused buffers, run by the ingest workers for every message: no I/O, no clock,
//! no lock, no log line, and no allocation once the buffers have grown. Nothing here knows a socket,
//! a series or a sink.

pub(crate) mod frame;
pub(crate) mod json;
pub(crate) mod padded;
mod repair;
pub(crate) mod template;
mod text;
