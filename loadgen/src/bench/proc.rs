//! What /proc tells of a process and of the machine.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::cpu;

/// The account of a thread that runs is brought up to date at clock ticks: 10 ms at most.
const LOOK: Duration = Duration::from_millis(15);

/// Processor time of the threads that ingest, once they have nothing left to do.
pub(crate) fn ingest_at_rest(pid: u32) -> Result<Duration> {
    let began = Instant::now();
    let read = || cpu::of_process(pid).with_context(|| format!("process {pid} is gone"));
    let mut before = read()?.ingest;
    while began.elapsed() < Duration::from_secs(10) {
        thread::sleep(LOOK);
        let now = read()?.ingest;
        if now == before {
            return Ok(now);
        }
        before = now;
    }
    bail!("process {pid} does not come to rest")
}

/// Bytes of memory that the process holds now, and held at most.
pub(crate) fn resident(pid: u32) -> Result<(f64, f64)> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).with_context(|| path.clone())?;
    let field = |name: &str| number(&text, name).map(|kib| kib * 1024.0);
    field("VmRSS:").zip(field("VmHWM:")).with_context(|| format!("{path} tells no memory"))
}

/// How often the threads of the process have begun to wait, all together: as often they were woken.
pub(crate) fn wake_ups(pid: u32) -> Result<f64> {
    let mut sum = 0.0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let status = fs::read_to_string(task?.path().join("status"))?;
        sum += number(&status, "voluntary_ctxt_switches:").context("no count of switches")?;
    }
    Ok(sum)
}

fn number(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Whether some process receives datagrams at this port of 127.0.0.1.
pub(crate) fn is_bound(port: u16) -> bool {
    let own = format!("0100007F:{port:04X} ");
    fs::read_to_string("/proc/net/udp").is_ok_and(|text| text.contains(&own))
}

/// Processor, cores and kernel in a line.
pub(crate) fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split_once(": ")).map_or("unknown processor", |l| l.1);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    format!("{model}, {cores} cores, Linux {}", kernel.trim())
}
