//! Any bytes in any pieces to any listener: counting messages by their shapes shows the same page, keeps the same
//! books and leaves the same log as parsing them; every byte and every message is in the books, and the page is one.
//!
//! How the input is read stands in `tests/common/program.rs`.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/common/program.rs"]
mod program;
#[path = "../../tests/common/strict.rs"]
mod strict;
#[path = "../../tests/common/twins.rs"]
mod twins;

fuzz_target!(|input: &[u8]| {
    program::run(input);
});
