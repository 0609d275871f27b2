//! Reads the command line, runs the server on the thread `main`, and turns its end into an exit code.

use std::io::Write;
use std::process::ExitCode;

use crate::config::{self, Config, Invocation};
use crate::logger;
use crate::server::Server;

/// Runs the program until it ends: 0 after an orderly stop, 1 after a fault, 2 for a wrong command line.
#[must_use]
pub fn run() -> ExitCode {
    let mut args = std::env::args_os();
    let argv0 = args.next().unwrap_or_default().to_string_lossy().into_owned();
    let environment = |name: &str| std::env::var(name).ok();
    match config::parse(args, &environment) {
        Ok(Invocation::Help) => {
            answer(&config::usage(&argv0));
            ExitCode::SUCCESS
        }
        Ok(Invocation::Version) => {
            answer(&format!("metrics-server {}\n", env!("CARGO_PKG_VERSION")));
            ExitCode::SUCCESS
        }
        Ok(Invocation::Run(config)) if config.check_only => check(&config),
        Ok(Invocation::Run(config)) => serve(*config),
        Err(error) => {
            say(&format!("{error}\n"));
            ExitCode::from(error.exit_code())
        }
    }
}

/// `-check-config`: warnings first, so that the verdict is the last line.
fn check(config: &Config) -> ExitCode {
    for warning in &config.warnings {
        say(&format!("warning: {warning}\n"));
    }
    match Server::check(config) {
        Ok(()) => {
            say("configuration is valid\n");
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(&format!("{error:#}\n{}\n", config::HINT));
            ExitCode::FAILURE
        }
    }
}

fn serve(config: Config) -> ExitCode {
    logger::start(config.server.log.debug, config.server.log.json);
    for warning in &config.warnings {
        log::warn!("{warning}");
    }
    let ended = match Server::bind(config) {
        Ok(server) => server.run().inspect_err(|fault| log::error!("{fault:#}")),
        Err(refusal) => {
            log::error!("{refusal:#}");
            log::info!("{}", config::HINT); // a line of its own, as behind other errors about flags
            Err(refusal)
        }
    };
    logger::finish();
    if ended.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Writes what was asked for to stdout; a closed stdout is no reason to fail.
fn answer(text: &str) {
    drop(std::io::stdout().write_all(text.as_bytes()));
}

/// Writes what is wrong to stderr; a closed stderr is no reason to fail.
fn say(text: &str) {
    drop(std::io::stderr().write_all(text.as_bytes()));
}
