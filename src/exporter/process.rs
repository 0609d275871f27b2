//! The `process_*` families, with the names and meanings that Prometheus' own client libraries give them.
//!
//! Read from `/proc` when a page is made; what cannot be read there is left out.

use procfs::process::{LimitValue, Process, Stat};

use crate::metric::Kind;

/// One family with one sample and no labels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ProcessFamily {
    /// The family's name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Its help.
    pub help: &'static str,
    /// Its value; the unit is in the name.
    pub value: f64,
}

/// The names of all families that [`read`] may give, in the page's order.
pub(crate) const NAMES: [&str; 7] = [
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_virtual_memory_bytes",
    "process_virtual_memory_max_bytes",
];

const KINDS: [Kind; NAMES.len()] =
    [Kind::Counter, Kind::Gauge, Kind::Gauge, Kind::Gauge, Kind::Gauge, Kind::Gauge, Kind::Gauge];

const HELPS: [&str; NAMES.len()] = [
    "Total user and system CPU time spent in seconds.",
    "Maximum number of open file descriptors.",
    "Number of open file descriptors.",
    "Resident memory size in bytes.",
    "Start time of the process since unix epoch in seconds.",
    "Virtual memory size in bytes.",
    "Maximum amount of virtual memory available in bytes.",
];

/// Reads this process' figures, in the order of [`NAMES`].
pub(crate) fn read() -> Vec<ProcessFamily> {
    let process = Process::myself().ok();
    let stat = process.as_ref().and_then(|process| process.stat().ok());
    let limits = process.as_ref().and_then(|process| process.limits().ok());
    let values = [
        stat.as_ref().map(cpu_seconds),
        limits.as_ref().map(|limits| limit(limits.max_open_files.soft_limit)),
        process.as_ref().and_then(|process| process.fd_count().ok()).map(|count| count as f64),
        stat.as_ref().map(|stat| (stat.rss * procfs::page_size()) as f64),
        stat.as_ref().and_then(start_time),
        stat.as_ref().map(|stat| stat.vsize as f64),
        limits.as_ref().map(|limits| limit(limits.max_address_space.soft_limit)),
    ];
    let family = |(index, value): (usize, Option<f64>)| {
        Some(ProcessFamily {
            name: NAMES[index],
            kind: KINDS[index],
            help: HELPS[index],
            value: value?,
        })
    };
    values.into_iter().enumerate().filter_map(family).collect()
}

fn cpu_seconds(stat: &Stat) -> f64 {
    seconds(stat.utime + stat.stime)
}

/// Seconds since 1970, as far as the kernel's whole seconds of the boot allow.
fn start_time(stat: &Stat) -> Option<f64> {
    Some(procfs::boot_time_secs().ok()? as f64 + seconds(stat.starttime))
}

fn seconds(ticks: u64) -> f64 {
    ticks as f64 / procfs::ticks_per_second() as f64
}

/// No limit is shown as the largest number of the kernel's type, as others do.
fn limit(value: LimitValue) -> f64 {
    match value {
        LimitValue::Unlimited => u64::MAX as f64,
        LimitValue::Value(value) => value as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str) -> f64 {
        read().iter().find(|family| family.name == name).unwrap().value
    }

    #[test]
    fn every_family_is_there_once_and_in_order() {
        let names: Vec<_> = read().iter().map(|family| family.name).collect();
        assert_eq!(names, NAMES);
        assert!(NAMES.is_sorted());
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
