//! The load generator of metrics-server: sends a repeatable stream, then closes the books against the server's page.
//!
//! `main` prepares everything, starts one thread per sender, shows progress and compares two scrapes. Exit status:
//! 0 when all adds up, 1 when it does not or when sending failed, 2 for a wrong command line.

mod bar;
mod books;
mod cpu;
mod flags;
mod mix;
mod null;
mod num;
mod pace;
mod page;
mod pool;
mod report;
mod rng;
mod run;
mod scrape;
mod sys;
mod udp;
mod unix;

use std::io;
use std::process::ExitCode;

use crate::flags::Command;

fn main() -> ExitCode {
    let options = match flags::parse(std::env::args_os().skip(1)) {
        Ok(Command::Run(options)) => options,
        Ok(Command::Help) => return say(&mut io::stderr(), &flags::help(), 0),
        Ok(Command::Version) => {
            let version = concat!("loadgen ", env!("CARGO_PKG_VERSION"), "\n");
            return say(&mut io::stdout(), version, 0);
        }
        Err(error) => {
            let text = format!("{error:#}\nloadgen -h lists all flags\n");
            return say(&mut io::stderr(), &text, 2);
        }
    };
    if options.null {
        return match null::run(&options) {
            Ok(text) => say(&mut io::stdout(), &text, 0),
            Err(error) => say(&mut io::stderr(), &format!("loadgen: {error:#}\n"), 1),
        };
    }
    match run::run(&options) {
        Ok(report) => {
            let status = u8::from(!report.is_ok());
            let text = if options.json { format!("{}\n", report.json()) } else { report.text() };
            say(&mut io::stdout(), &text, status)
        }
        Err(error) => say(&mut io::stderr(), &format!("loadgen: {error:#}\n"), 1),
    }
}

/// Prints and gives the exit status. Who closed the pipe does not want to read more.
fn say(to: &mut dyn io::Write, text: &str, status: u8) -> ExitCode {
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
    ExitCode::from(status)
}
