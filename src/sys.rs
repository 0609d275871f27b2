//! The system calls that no safe crate offers in the shape we need; the only module with `unsafe`.
//!
//! Each file is one call or one family of calls behind a safe function. Knows nothing of metrics.

#![allow(unsafe_code, reason = "the one place where system calls are made by hand")]

pub(crate) mod cpu;
pub(crate) mod epoll;
pub(crate) mod limits;
pub(crate) mod profile;
pub(crate) mod recv;
pub(crate) mod socket;
