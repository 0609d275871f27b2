//! Many series are born and expire, again and again, of other sizes each time: whether their memory comes back.

use std::fmt::Write as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::served::{SoakedServer, own};
use crate::soak_report::SoakReport;

/// How often.
const CYCLES: usize = 10;
/// Resident memory may be so many times what it was at the start.
const GROWTH_MAX: f64 = 1.2;
/// Series expire after this time, which is long enough to send them.
const TTL: &str = "5s";
/// How long they may take to be counted and to be gone.
const GONE_MAX: Duration = Duration::from_mins(5);
/// How long their memory may take to come back: the server returns free blocks every 10 s.
const BACK_MAX: Duration = Duration::from_secs(30);
/// Memory has come back as far as it will if it has not fallen for longer than that.
const STILL: Duration = Duration::from_secs(12);
const LOOK: Duration = Duration::from_millis(500);
/// Bytes that are written at once.
const WRITE_BYTES: usize = 1 << 16;

/// Cycles of births and expiry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cycles {
    series: usize,
}

impl Cycles {
    /// Of so many series each.
    pub(crate) fn new(series: usize) -> Self {
        Self { series }
    }

    /// Runs them on one server.
    pub(crate) fn run(self, folder: &Path) -> Result<SoakReport> {
        let lines = (50 * self.series).to_string();
        let flags = ["-metric-ttl", TTL, "-lines-max", &lines, "-name-lines-max", &lines];
        let flags = [&flags[..], &["-memory-max", "8000000000"]].concat();
        let server = SoakedServer::start(folder, &flags)?;
        // The start is after few of them, so that the code, the stacks and the buffers that this takes are in memory.
        let few = Self { series: self.series / 100 };
        few.send(&server, CYCLES)?;
        wait_born(&server, few.series)?;
        wait_gone(&server)?;
        let start = settled(&server)?;
        let mut report = SoakReport::new("");
        report.line(&format!("{} series are born and expire, {CYCLES} times:\n", self.series));
        report.line("| cycle | resident MB with all series | accounted MB | resident MB without | of it no file's |");
        report.line("|--:|--:|--:|--:|--:|");
        let anonymous = megabytes(server.anonymous()?);
        report.line(&format!("| start | | | {:.1} | {anonymous:.1} |", megabytes(start)));
        let mut after = start;
        for cycle in 0..CYCLES {
            self.send(&server, cycle)?;
            let born = few.series + self.series * (cycle + 1);
            let accounted = wait_born(&server, born)?;
            let full = server.resident()?;
            wait_gone(&server)?;
            let is_last = cycle + 1 == CYCLES;
            after = if is_last { settled(&server)? } else { wait_back(&server, start)? };
            report.line(&format!(
                "| {} | {:.1} | {:.1} | {:.1} | {:.1} |",
                cycle + 1,
                megabytes(full),
                megabytes(accounted),
                megabytes(after),
                megabytes(server.anonymous()?)
            ));
        }
        let growth = after as f64 / start as f64;
        report.line(&format!(
            "\nAfter the last {growth:.2} times as much is resident as at the start."
        ));
        if growth > GROWTH_MAX {
            report.fault("memory has not come back".to_owned());
        }
        Ok(report)
    }

    /// Sends one message of each series of a cycle.
    fn send(self, server: &SoakedServer, cycle: usize) -> Result<()> {
        let mut stream = UnixStream::connect(server.socket())?;
        let mut text = String::new();
        for number in 0..self.series {
            append(&mut text, cycle, number);
            if text.len() > WRITE_BYTES || number + 1 == self.series {
                std::io::Write::write_all(&mut stream, text.as_bytes())
                    .context("the unix socket")?;
                text.clear();
            }
        }
        Ok(())
    }
}

/// Appends the message of a series: most are counters, one in 100 is a family of its own, one in 50 a histogram.
fn append(text: &mut String, cycle: usize, number: usize) {
    let size = 20 + 13 * cycle;
    let _ = match number % 100 {
        0 => writeln!(
            text,
            r#"{{"name":"cycle_{cycle}_{number}_total","help":"{:h<1$}","op":"inc","value":1}}"#,
            "",
            size * 5
        ),
        1 | 51 => writeln!(
            text,
            r#"{{"name":"cycle_{cycle}_seconds","op":"obs","value":1,"buckets":{},"labels":{{"l":"{number}"}}}}"#,
            3 + 4 * cycle
        ),
        _ => writeln!(
            text,
            r#"{{"name":"cycle_{cycle}_total","op":"inc","value":1,"labels":{{"l":"{number:0>size$}"}}}}"#
        ),
    };
}

/// Waits until so many messages are accepted; bytes that the server accounts for then.
fn wait_born(server: &SoakedServer, born: usize) -> Result<u64> {
    let began = Instant::now();
    loop {
        let page = server.page()?;
        let accepted = own(&page, "messages_accepted_total");
        if accepted == born as u64 {
            return Ok(own(&page, "memory_accounted_bytes"));
        }
        let rejected = own(&page, "messages_rejected_total");
        ensure!(rejected == 0, "{rejected} messages are rejected");
        ensure!(began.elapsed() < GONE_MAX, "{accepted} of {born} messages are accepted");
        thread::sleep(LOOK);
    }
}

/// Waits until no series is left.
fn wait_gone(server: &SoakedServer) -> Result<()> {
    let began = Instant::now();
    loop {
        let left = own(&server.page()?, "series");
        if left == 0 {
            return Ok(());
        }
        ensure!(began.elapsed() < GONE_MAX, "{left} series do not expire");
        thread::sleep(LOOK);
    }
}

/// Waits until memory is back; resident bytes then, or once it has had the time.
fn wait_back(server: &SoakedServer, start: u64) -> Result<u64> {
    let began = Instant::now();
    loop {
        let now = server.resident()?;
        if now as f64 <= GROWTH_MAX * start as f64 || began.elapsed() > BACK_MAX {
            return Ok(now);
        }
        thread::sleep(LOOK);
    }
}

/// Resident bytes once they have not fallen for a while.
fn settled(server: &SoakedServer) -> Result<u64> {
    let (mut least, mut since) = (server.resident()?, Instant::now());
    while since.elapsed() < STILL {
        thread::sleep(LOOK);
        let now = server.resident()?;
        if now < least {
            (least, since) = (now, Instant::now());
        }
    }
    Ok(least)
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
