//! Starts the server and turns its end into an exit code.

fn main() {}
