//! simd-json alone: the tape of each message, into buffers that are used again. No sockets.

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context as _, Result};
use simd_json::{Buffers, INPUT_PADDING, Tape, fill_tape_padded};

use crate::cpu;
use crate::mix::{Kind, LineStyle, line};
use crate::rng::Rng;

/// Messages that are parsed in turn.
const MESSAGES: usize = 1000;
/// Passes between two looks at the clock.
const PASSES: u32 = 20;

/// Microseconds of processor time for one message of `-unique`, measured for so long.
pub(crate) fn micros(time: Duration) -> Result<f64> {
    let style = LineStyle { short: false, families: 1, label_bytes: 0, unique: true };
    let mut rng = Rng::new(1);
    let mut messages: Vec<(Vec<u8>, usize)> = (0..MESSAGES)
        .map(|series| {
            let mut text = Vec::new();
            line(&mut text, style, Kind::Counter, series, &mut rng);
            let len = text.len();
            text.resize(len + INPUT_PADDING, 0);
            (text, len)
        })
        .collect();
    let mut buffers = Buffers::new(1024);
    let mut tape = Tape(Vec::new());
    let mut parsed = 0_u32;
    let now = || cpu::of_this_thread().context("the kernel tells no processor time");
    let began = now()?;
    loop {
        for _ in 0..PASSES {
            for (text, len) in &mut messages {
                let mut own = tape.reset();
                fill_tape_padded(text, *len, &mut buffers, &mut own)?;
                black_box(&own);
                tape = own.reset();
                parsed += 1;
            }
        }
        let used = now()?.saturating_sub(began);
        // The account is brought up to date at clock ticks: long enough that one does not matter.
        if used >= time {
            return Ok(used.as_secs_f64() * 1e6 / f64::from(parsed));
        }
    }
}
