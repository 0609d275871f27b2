//! Starts each kind of thread, with the priority that it has beside the workers. Runs on main, once.

use std::thread::JoinHandle;

use anyhow::Context;

use crate::config::Pin;
use crate::ingest::dispatch::Dispatch;
use crate::ingest::worker::Worker;
use crate::server::profiling::{self, Profiling};
use crate::server::serving::Serving;
use crate::server::sinks::{RunningSinks, Sinks};
use crate::server::threads::Threads;
use crate::sys::cpu;

/// Starts those of sinks. A router's sink is all that it is there for; others stand back behind the workers.
///
/// # Errors
/// Those of `clone(2)`.
pub(super) fn sinks(
    threads: &mut Threads,
    sinks: Sinks,
    is_router: bool,
) -> anyhow::Result<RunningSinks> {
    let (bodies, running) = sinks.into_threads();
    for (name, body) in bodies {
        threads.start(&name, move || {
            if !is_router {
                cpu::stand_back(); // rows can wait, samples cannot
            }
            body();
            Ok(())
        })?;
    }
    Ok(running)
}

/// Starts the workers, each on its core where they are pinned.
///
/// # Errors
/// Those of `clone(2)` and `sched_getaffinity(2)`.
pub(super) fn workers(
    threads: &mut Threads,
    workers: Vec<Worker<Dispatch>>,
    pin: Pin,
) -> anyhow::Result<Vec<JoinHandle<()>>> {
    let cores = cores(workers.len(), pin)?;
    let start = |worker: Worker<Dispatch>| {
        let core = cores.get(worker.number()).copied();
        let name = format!("ingest-{}", worker.number());
        threads.start(&name, move || ingest(worker, core))
    };
    workers.into_iter().map(start).collect()
}

/// A core for each worker, or none.
fn cores(workers: usize, pin: Pin) -> anyhow::Result<Vec<usize>> {
    let allowed = cpu::allowed().context("cannot read the affinity mask")?;
    let pins = match pin {
        Pin::Auto => allowed.len() > workers,
        Pin::On => true,
        Pin::Off => false,
    };
    let pinned = if pins { workers } else { 0 };
    Ok((0..pinned).map(|worker| allowed[worker % allowed.len()]).collect())
}

fn ingest(worker: Worker<Dispatch>, core: Option<usize>) -> anyhow::Result<()> {
    if let Some(core) = core
        && let Err(error) = cpu::pin(core)
    {
        log::warn!("cannot pin a worker to core {core}: {error}; it runs unpinned");
    }
    worker.run().map_err(Into::into)
}

/// Starts what serves pages, which must not keep a worker from its queue.
///
/// # Errors
/// Those of `clone(2)`.
pub(super) fn serving(threads: &mut Threads, serving: Serving) -> anyhow::Result<()> {
    let Serving { http, exporter, gzip, web_config_worker, .. } = serving;
    if let Some(worker) = web_config_worker {
        threads.start("web-config", move || {
            cpu::stand_back();
            worker.run();
            Ok(())
        })?;
    }
    threads.start("exporter", move || {
        // It removes idle series as well, and while they wait for that, others are born.
        cpu::stand_back_by_half();
        exporter.run();
        Ok(())
    })?;
    threads.start("exporter-gzip", move || {
        cpu::stand_back();
        gzip.run();
        Ok(())
    })?;
    threads.start("http", move || {
        cpu::stand_back();
        http.run().context("cannot start its runtime")
    })?;
    Ok(())
}

/// Starts the profiler.
///
/// # Errors
/// Those of `clone(2)`.
pub(super) fn profiling(
    threads: &mut Threads,
    mut profiling: Profiling,
) -> anyhow::Result<profiling::ProfilingStop> {
    let stop = profiling.stopper();
    threads.start("pyroscope", move || {
        profiling.run();
        Ok(())
    })?;
    Ok(stop)
}
