//! Any bytes, cut anywhere: frames do not overlap, are the same for every cut, and leave no byte unaccounted.
//!
//! The first byte chooses the size of the pieces, the second the message bound.

#![no_main]

use libfuzzer_sys::fuzz_target;
use metrics_server::testing::wire::{Frame, Framer};

/// The frames of a stream in absolute positions, and the garbage.
fn frames(max: usize, bytes: &[u8], piece: usize) -> (Vec<Frame>, u64) {
    let mut framer = Framer::new(max);
    let mut seen = Vec::new();
    // `bytes[base..read]` is what the caller of the framer holds.
    let (mut base, mut read) = (0, 0);
    while read < bytes.len() {
        let mut pos = read - base;
        read = bytes.len().min(read + piece);
        let held = &bytes[base..read];
        while let Some(frame) = framer.next(held, &mut pos) {
            seen.push(moved(frame, base));
        }
        assert_eq!(pos, held.len());
        base += framer.keep(held.len());
        assert!(read - base <= max, "more is kept than a message may have");
    }
    seen.extend(framer.finish(&bytes[base..read]).map(|frame| moved(frame, base)));
    (seen, framer.garbage_bytes())
}

fn moved(frame: Frame, by: usize) -> Frame {
    match frame {
        Frame::Object { start, end, escaped } => {
            Frame::Object { start: start + by, end: end + by, escaped }
        }
        Frame::Line { start, end } => Frame::Line { start: start + by, end: end + by },
        Frame::Refused { reason, start, end } => {
            Frame::Refused { reason, start: start + by, end: end + by }
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let [piece, max, bytes @ ..] = input else { return };
    let max = 8 + usize::from(*max);
    let whole = frames(max, bytes, usize::MAX - bytes.len());
    assert_eq!(frames(max, bytes, 1 + usize::from(*piece)), whole);
    let mut last_end = 0;
    for frame in &whole.0 {
        let (Frame::Object { start, end, .. }
        | Frame::Line { start, end }
        | Frame::Refused { start, end, .. }) = *frame;
        assert!(last_end <= start && start < end && end <= bytes.len() && end - start <= max);
        match frame {
            Frame::Object { .. } => assert_eq!(bytes[start], b'{'),
            Frame::Line { .. } => assert!(!bytes[start..end].contains(&b'\n')),
            Frame::Refused { .. } => {}
        }
        if let Frame::Object { escaped, .. } = *frame {
            assert_eq!(bytes[end - 1], b'}');
            assert_eq!(escaped, bytes[start..end].contains(&b'\\'));
        }
        last_end = end;
    }
});
