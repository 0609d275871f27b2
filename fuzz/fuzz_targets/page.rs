//! Any bytes in any pieces to any listener: counting messages by their templates shows the same page, the same
//! counts and the same log excerpts as parsing them; every byte and every message is counted once, and the page is
//! valid.
//!
//! How the input is read stands in `tests/common/program.rs`.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/common/program.rs"]
mod program;
#[path = "../../tests/common/strict.rs"]
mod strict;
#[path = "../../tests/common/twins.rs"]
#[expect(dead_code, reason = "some of its figures are for the tests alone")]
mod twins;

fuzz_target!(|input: &[u8]| {
    program::run(input);
});
