//! Signals as bytes in a pipe that main's poll watches.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};

use crate::sinks::http;

/// SIGTERM and SIGINT, counted; SIGHUP, noted; SIGUSR1 and SIGUSR2, ignored.
#[derive(Debug)]
pub(super) struct Signals {
    stop: UnixStream,
    hangup_pipe: UnixStream,
    hangup: Arc<AtomicBool>,
    /// How many of SIGTERM and SIGINT have come.
    pub(super) stops: usize,
}

impl Signals {
    /// Catches the signals from now on.
    ///
    /// # Errors
    /// Those of `pipe(2)` and `sigaction(2)`.
    pub(super) fn catch(registry: &Registry, token: Token) -> io::Result<Self> {
        let hangup = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGHUP, Arc::clone(&hangup))?;
        // They would end the process, and log rotation or a habit may send them.
        let nobody_reads = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGUSR1, Arc::clone(&nobody_reads))?;
        signal_hook::flag::register(SIGUSR2, nobody_reads)?;
        let mut stop = pipe(&[SIGTERM, SIGINT])?;
        let mut hangup_pipe = pipe(&[SIGHUP])?;
        registry.register(&mut stop, token, Interest::READABLE)?;
        registry.register(&mut hangup_pipe, token, Interest::READABLE)?;
        Ok(Self { stop, hangup_pipe, hangup, stops: 0 })
    }

    /// Takes in what has come, and says whether SIGHUP has.
    pub(super) fn look(&mut self) -> bool {
        self.stops += drain(&mut self.stop);
        let hung_up =
            drain(&mut self.hangup_pipe) > 0 && self.hangup.swap(false, Ordering::Relaxed);
        if hung_up {
            log::info!("SIGHUP: certificates are read again; SIGTERM stops the server");
            http::read_certificates_again();
        }
        hung_up
    }
}

/// One byte per signal.
fn pipe(signals: &[i32]) -> io::Result<UnixStream> {
    let (read, write) = std::os::unix::net::UnixStream::pair()?;
    read.set_nonblocking(true)?;
    for &signal in signals {
        signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
    }
    Ok(UnixStream::from_std(read))
}

fn drain(pipe: &mut UnixStream) -> usize {
    let mut bytes = [0; 64];
    let mut count = 0;
    while let Ok(n @ 1..) = pipe.read(&mut bytes) {
        count += n;
    }
    count
}
