//! `make soak`: whether memory stays flat under a stream of fresh names, and comes back after a million series.
//!
//! Starts its own servers, all on loopback, and ends each by its handle. Exit status: 0 if memory was flat, came back
//! and the books closed, 1 if not or nothing could be measured, 2 for a wrong command line.

#[allow(dead_code, reason = "shared with loadgen, which uses the rest")]
#[path = "../num.rs"]
mod num;
#[allow(dead_code, reason = "shared with loadgen, which uses the rest")]
#[path = "../page.rs"]
mod page;
#[allow(dead_code, reason = "shared with loadgen, which uses the rest")]
#[path = "../rng.rs"]
mod rng;

#[path = "../soak/cycles.rs"]
mod cycles;
#[path = "../soak/flatness.rs"]
mod flatness;
#[path = "../soak/messages.rs"]
mod messages;
#[path = "../soak/served.rs"]
mod served;
#[path = "../soak/soak_report.rs"]
mod soak_report;
#[path = "../soak/stream.rs"]
mod stream;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::cycles::Cycles;
use crate::soak_report::{SoakReport, progress};
use crate::stream::StreamPlan;

/// What the command line asks for.
#[derive(Debug)]
struct SoakOptions {
    /// How long to send; zero leaves this part out.
    time: Duration,
    /// Messages per second.
    rate: u32,
    /// Series of each cycle; zero leaves this part out.
    series: usize,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options = match read(&arguments) {
        Ok(options) => options,
        Err(error) => {
            progress(&format!("soak: {error:#}"));
            return ExitCode::from(2);
        }
    };
    let folder = std::env::temp_dir().join(format!("metrics-server-soak-{}", std::process::id()));
    let mut held = true;
    if options.series > 0 {
        held &= say(Cycles::new(options.series).run(&folder));
    }
    if options.time > Duration::ZERO {
        held &= say(StreamPlan::new(options.time, options.rate).run(&folder));
    }
    let _ = std::fs::remove_dir_all(&folder);
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Reads the flags, each with a number behind it.
fn read(arguments: &[String]) -> Result<SoakOptions> {
    let mut options =
        SoakOptions { time: Duration::from_mins(10), rate: 20_000, series: 1_000_000 };
    for pair in arguments.chunks(2) {
        let [flag, value] = pair else { bail!("{}: a number is missing", pair[0]) };
        let number: u32 = value.parse().with_context(|| format!("{flag} {value}: no number"))?;
        match flag.as_str() {
            "-seconds" => options.time = Duration::from_secs(number.into()),
            "-rate" => options.rate = number,
            "-series" => options.series = number as usize,
            _ => bail!("{flag}: usage: soak [-seconds 600] [-rate 20000] [-series 1000000]"),
        }
    }
    Ok(options)
}

/// Prints a part's report; whether nothing was wrong.
fn say(report: Result<SoakReport>) -> bool {
    let report = report.unwrap_or_else(|error| {
        let mut report = SoakReport::new("");
        report.fault(format!("not measured: {error:#}"));
        report
    });
    // Who closed the pipe does not want to read more.
    let _ = std::io::stdout().write_all(report.text().as_bytes());
    report.is_ok()
}
