//! The bucket fields of a message as members of a JSON object, as Go's `encoding/json` writes them.
//!
//! Runs on ingest workers; appends to the caller's buffer and allocates nothing else.

use crate::metric::BucketParams;
use crate::text::json::write_f64;

/// Appends `,"buckets":5,…`: the fields in the order of Go's struct, without those that are zero.
pub(super) fn write_members(out: &mut Vec<u8>, buckets: &BucketParams<'_>) {
    if *buckets == BucketParams::default() {
        return; // nearly all messages have none
    }
    if buckets.count != 0 {
        out.extend_from_slice(b",\"buckets\":");
        out.extend_from_slice(itoa::Buffer::new().format(buckets.count).as_bytes());
    }
    for (bound, index) in buckets.custom.iter().zip(0..) {
        out.extend_from_slice(if index == 0 { b",\"bucket_custom\":[" } else { b"," });
        write_f64(out, *bound);
    }
    if !buckets.custom.is_empty() {
        out.push(b']');
    }
    let numbers: [(&[u8], f64); 5] = [
        (b",\"bucket_width\":", buckets.width),
        (b",\"bucket_factor\":", buckets.factor),
        (b",\"bucket_min\":", buckets.min),
        (b",\"bucket_max\":", buckets.max),
        (b",\"bucket_start\":", buckets.start),
    ];
    for (key, number) in numbers.into_iter().filter(|(_, number)| *number != 0.0) {
        out.extend_from_slice(key);
        write_f64(out, number);
    }
}
