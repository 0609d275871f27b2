//! The `process_*` families, with the names and meanings that Prometheus' own client libraries give them.
//!
//! Read from `/proc` when a page is made, and its memory now and then; what cannot be read there is left out.

use procfs::process::{LimitValue, Process, Stat};

use crate::stats::StandardFamily;

/// The one sample of a family.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ProcessSample {
    pub(crate) family: StandardFamily,
    pub(crate) value: f64,
}

/// Reads the figures of this process.
pub(crate) fn read() -> Vec<ProcessSample> {
    let process = Process::myself().ok();
    let stat = process.as_ref().and_then(|process| process.stat().ok());
    let limits = process.as_ref().and_then(|process| process.limits().ok());
    let open_fds = process.as_ref().and_then(|process| process.fd_count().ok());
    let limits = limits.as_ref();
    let stat = stat.as_ref();
    let values = [
        (StandardFamily::ProcessCpu, stat.map(cpu_seconds)),
        (StandardFamily::ProcessMaxFds, limits.map(|all| limit(all.max_open_files.soft_limit))),
        (StandardFamily::ProcessOpenFds, open_fds.map(|count| count as f64)),
        (StandardFamily::ProcessResidentMemory, stat.map(resident_bytes)),
        (StandardFamily::ProcessStartTime, stat.and_then(start_time)),
        (StandardFamily::ProcessVirtualMemory, stat.map(|stat| stat.vsize as f64)),
        (
            StandardFamily::ProcessVirtualMemoryMax,
            limits.map(|all| limit(all.max_address_space.soft_limit)),
        ),
    ];
    let sample = |(family, value): (_, Option<f64>)| Some(ProcessSample { family, value: value? });
    values.into_iter().filter_map(sample).collect()
}

fn cpu_seconds(stat: &Stat) -> f64 {
    seconds(stat.utime + stat.stime)
}

/// Resident bytes of this process that are no file's.
pub(crate) fn anonymous_bytes() -> Option<u64> {
    let pages = Process::myself().ok()?.statm().ok()?;
    Some((pages.resident - pages.shared) * procfs::page_size())
}

fn resident_bytes(stat: &Stat) -> f64 {
    (stat.rss * procfs::page_size()) as f64
}

/// Seconds since 1970, as exact as the boot's time, which the kernel tells in whole seconds.
fn start_time(stat: &Stat) -> Option<f64> {
    Some(procfs::boot_time_secs().ok()? as f64 + seconds(stat.starttime))
}

fn seconds(ticks: u64) -> f64 {
    ticks as f64 / procfs::ticks_per_second() as f64
}

/// Without a limit the value is the largest of the kernel's type, as in Prometheus' client libraries.
fn limit(value: LimitValue) -> f64 {
    match value {
        LimitValue::Unlimited => u64::MAX as f64,
        LimitValue::Value(value) => value as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::STANDARD_FAMILIES;

    fn value(name: &str) -> f64 {
        read().iter().find(|sample| sample.family.family().name == name).unwrap().value
    }

    #[test]
    fn every_process_family_has_its_sample() {
        let read: Vec<_> = read().iter().map(|sample| sample.family.family().name).collect();
        let names = STANDARD_FAMILIES.iter().map(|family| family.name);
        let expected: Vec<_> = names.filter(|name| name.starts_with("process_")).collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn the_figures_are_those_of_this_process() {
        let open = value("process_open_fds");
        let files: Vec<_> = (0..50).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
        // Other tests of this process open and close some of their own.
        assert!(value("process_open_fds") > open + 20.0);
        drop(files);
        assert!(value("process_max_fds") > value("process_open_fds"));
        assert!(value("process_resident_memory_bytes") > 100_000.0);
        assert!(value("process_virtual_memory_bytes") >= value("process_resident_memory_bytes"));
        assert!(value("process_virtual_memory_max_bytes") >= value("process_virtual_memory_bytes"));
        // Between the year 2020 and a day from now, by the clock of the file that was just made.
        let start = value("process_start_time_seconds");
        let made = std::fs::metadata("/proc/self/stat").unwrap().modified().unwrap();
        let now = made.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        assert!(start > 1.57e9 && start < now + 86_400.0, "{start} {now}");
    }

    #[test]
    fn cpu_time_only_grows() {
        let before = value("process_cpu_seconds_total");
        while value("process_cpu_seconds_total") <= before {}
    }
}
