//! The fault table: what the server is put through, one row after the other, and that the books close after each.
//!
//! `make faults` runs all rows and writes the table into docs/operating.md. `make faults-planted` runs each row with a
//! server that does something wrong on purpose, and demands that the row fails. Names choose rows:
//! `cargo test --features faults --test faults -- F2 F9`, with `--planted` before them as in `make faults-planted`.

#![expect(clippy::unwrap_used, reason = "a row fails by panicking")]
#![expect(clippy::print_stdout, reason = "a program that shows its table")]

// What no row uses is found where the other tests are built: `tests/it/main.rs` allows nothing.
#[expect(dead_code, unused_imports, reason = "shared with tests/it, which uses all of it")]
#[path = "../common/harness.rs"]
mod common;

#[path = "../../benches/support/inputs.rs"]
mod inputs;
#[path = "../../benches/support/lines.rs"]
mod lines;

mod books;
mod far_ends;
mod flood;
mod held;
mod namespace;
mod planted;
mod row;
mod rows;
mod table;

use std::process::ExitCode;

fn main() -> ExitCode {
    let (options, names): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let has = |option: &str| options.iter().any(|given| given == option);
    let all = rows::ALL.iter().copied();
    let chosen: Vec<_> =
        all.filter(|row| names.is_empty() || names.iter().any(|name| name == row.name)).collect();
    assert!(!chosen.is_empty(), "no row is called so: {names:?}");
    let held = if has("--planted") {
        planted::all_are_noticed(&chosen)
    } else if namespace::is_inside() {
        table::run(&chosen, has("--write"))
    } else {
        namespace::run_inside()
    };
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
