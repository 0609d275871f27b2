//! The program; `metrics_server::run` is all of it, so that tests and benches link the same code.

fn main() -> std::process::ExitCode {
    metrics_server::run()
}
