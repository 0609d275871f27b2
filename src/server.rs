//! Opens everything, starts every thread, waits, and stops them in order.
//!
//! Two phases, both on main: [`Server::bind`] opens whatever the flags ask for and fails early with the flag's
//! name; [`Server::run`] starts the threads and waits.
//!
//! ```text
//!  bind   main_loop (signals)   listeners (sockets)   sinks, profiling (far ends)
//!  run    parts (common, workers, serving) ─▶ running (starts threads) ─▶ main_loop (waits) ─▶ running (stops them)
//! ```

use std::time::Duration;

use crate::config::{Config, RemoteConfig, ServerConfig};
use crate::http::web_config;
use crate::server::listeners::Listeners;
use crate::server::main_loop::MainLoop;
use crate::server::parts::{Opened, Parts};
use crate::server::printer::Printer;
use crate::server::profiling::Profiling;
use crate::server::running::Running;
use crate::server::sinks::Sinks;
use crate::sinks::pyroscope::Pyroscope;
use crate::sys::limits;

mod common;
mod directory_lock;
mod far_ends;
mod host_name;
mod listener_labels;
mod listeners;
mod main_loop;
mod parts;
mod printer;
mod profiling;
mod running;
mod serving;
mod signals;
mod sinks;
mod start;
mod threads;
mod unix_path;
mod workers;

/// The server with everything open and no thread started. The logins at far ends are with the sinks by now.
#[derive(Debug)]
pub(crate) struct Server {
    config: ServerConfig,
    remote: Option<RemoteConfig>,
    flush_timeout: Duration,
    main_loop: MainLoop,
    opened: Opened,
}

impl Server {
    /// Checks what can be checked without opening a socket: addresses and certificates of sinks, and the file of
    /// `-web-config-file` with those it names.
    ///
    /// # Errors
    /// Names flag or variable, and cause.
    pub(crate) fn check(config: &Config) -> anyhow::Result<()> {
        far_ends::check(&config.sinks, &config.server.ingest)?;
        if let Some(pyroscope) = &config.pyroscope {
            Pyroscope::new(pyroscope.url.expose(), "")?;
        }
        config.server.http.web_config_file.as_deref().map_or(Ok(()), web_config::check)
    }

    /// Opens sockets and files.
    ///
    /// # Errors
    /// What a flag asked for and cannot be had; the message names flag, value and cause.
    pub(crate) fn bind(config: Config) -> anyhow::Result<Self> {
        limits::return_large_blocks();
        let Config { server: config, sinks: sinks_config, pyroscope, .. } = config;
        let main_loop = MainLoop::new()?;
        let web_config = web_config::open(config.http.web_config_file.as_deref())?;
        let listeners = Listeners::open(&config.http, &config.ingest)?;
        let sinks = Sinks::open(&sinks_config, &config.ingest, listeners.udp_address()?)?;
        let profiling =
            pyroscope.map(|config| Profiling::open(&config, &sinks.counters.pushes)).transpose()?;
        // After all that can fail: who reads these lines takes the server for started.
        listeners.announce(web_config.scheme())?;
        let opened = Opened { listeners, web_config, sinks, profiling };
        let (remote, flush_timeout) = (sinks_config.remote, sinks_config.queue.flush_timeout);
        Ok(Self { config, remote, flush_timeout, main_loop, opened })
    }

    /// Runs until a signal, `op: shutdown`, or a fault.
    ///
    /// # Errors
    /// A thread ended that must not, or more panics were caught than can be an accident.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let Self { config, remote, flush_timeout, mut main_loop, opened } = self;
        threads::start_logger()?;
        let (parts, unix) = Parts::make(&config, remote.as_ref(), opened, main_loop.waker())?;
        let running = Running::start(parts, config.ingest.pin, remote.is_some())?;
        let printer = Printer::new(config.log.interval, config.ingest.connections_max);
        let watched = main_loop.run(&running, printer, config.shutdown.delay);
        drop(unix); // removes the files: whoever connects from now on finds another server or none
        match watched {
            Ok(()) => running.stop(flush_timeout),
            Err(fault) => {
                running.give_up();
                Err(fault)
            }
        }
    }
}
