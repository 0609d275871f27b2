//! Writing a row: once by the ingest worker that received the message, and its time and number by the spooler.
//!
//! Appends to the caller's buffer and allocates nothing else.

use super::layout::{
    HEAD_BYTES, HOPS_SHIFT, LABELS, OP, SEQ, TIME, VALUE, array, length, u32_bytes,
};
use super::{buckets, timestamp};
use crate::metric::{Label, Sample};
use crate::text::labels::{ConstantLabel, merge};

/// What the spooler sets in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sinks) struct Stamp {
    /// The row's final time, in nanoseconds since 1970.
    pub(in crate::sinks) time_ns: u64,
    /// The row's number.
    pub(in crate::sinks) seq: u64,
}

/// Appends the row of a message that was received at this time; `constants` override its labels. The row's
/// number stays 0 until [`restamp`] sets it.
pub(in crate::sinks) fn encode(
    out: &mut Vec<u8>,
    time_ns: u64,
    sample: &Sample<'_>,
    constants: &[ConstantLabel],
) {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD_BYTES]);
    push_length(out, sample.name.len());
    let mut labels = 0;
    merge(sample.labels, constants, |label| {
        let Label { name, value } = label.label();
        push_length(out, name.len());
        push_length(out, value.len());
        labels += 1;
    });
    push_length(out, sample.help.len());
    push_length(out, sample.index.len());
    // How long the buckets and the timestamp are is known once they are written.
    let late_lengths = out.len();
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(sample.name.as_bytes());
    merge(sample.labels, constants, |label| {
        let Label { name, value } = label.label();
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(value.as_bytes());
    });
    out.extend_from_slice(sample.help.as_bytes());
    out.extend_from_slice(sample.index.as_bytes());
    let buckets = out.len();
    buckets::write_members(out, &sample.buckets);
    let timestamp = out.len();
    if let Some(text) = sample.timestamp {
        timestamp::write(out, text);
    }
    let end = out.len();
    out[late_lengths..late_lengths + 4].copy_from_slice(&u32_bytes(timestamp - buckets));
    out[late_lengths + 4..late_lengths + 8].copy_from_slice(&u32_bytes(end - timestamp));
    let head = &mut out[start..start + HEAD_BYTES];
    head[..4].copy_from_slice(&u32_bytes(end - start));
    head[TIME].copy_from_slice(&time_ns.to_le_bytes());
    head[VALUE].copy_from_slice(&sample.value.to_le_bytes());
    head[OP] = sample.op as u8 | sample.hops.get() << HOPS_SHIFT;
    head[LABELS].copy_from_slice(&u32_bytes(labels));
}

/// Sets the time and the number of the row that `bytes` begin with; `stamp` makes them from the time at which
/// the row was received. Returns the row's length, or `None` if there is no row.
pub(in crate::sinks) fn restamp(
    bytes: &mut [u8],
    stamp: impl FnOnce(u64) -> Stamp,
) -> Option<usize> {
    let length = length(bytes)?;
    let head = bytes.get_mut(..length)?.get_mut(..HEAD_BYTES)?;
    let Stamp { time_ns, seq } = stamp(u64::from_le_bytes(array(&head[TIME])));
    head[TIME].copy_from_slice(&time_ns.to_le_bytes());
    head[SEQ].copy_from_slice(&seq.to_le_bytes());
    Some(length)
}

fn push_length(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(&u32_bytes(length));
}
