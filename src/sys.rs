//! The system calls that no safe crate offers in the form that the server needs; the only module with `unsafe`.
//!
//! Each file wraps one call, or several that belong together, in safe functions. It must not know metrics.

#![allow(unsafe_code, reason = "the one place where system calls are made by hand")]

pub(crate) mod cpu;
pub(crate) mod epoll;
pub(crate) mod limits;
pub(crate) mod profile;
pub(crate) mod recv;
pub(crate) mod socket;
