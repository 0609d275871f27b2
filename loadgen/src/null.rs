//! `-null`: the server's own receive loop with a handler that does nothing, on the sockets that `-udp` and `-uds`
//! name. What it costs is what receiving alone costs, with which every figure of the server's speed is compared.
//!
//! Receives for `-seconds`, or until standard input ends. Then it reads what is queued, and prints what was read and
//! how long the end took. Its threads have the names of the server's, so that a sender's `-pid` measures both alike.

use std::io;
use std::net::UdpSocket;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use crossbeam::utils::CachePadded;
use metrics_server::testing::control::Control;
use metrics_server::testing::exporter::UdpSocketStats;
use metrics_server::testing::ingest::{Balancer, NumberedListener, UnixSources};
use metrics_server::testing::ingest::{ConnectionLimits, LogSlots, Null, Settings, barrier};
use metrics_server::testing::ingest::{Sources, WAKER, Worker};
use metrics_server::testing::ingest::{UdpSource, udp};
use metrics_server::testing::stats::{Stats, Transport};
use metrics_server::testing::sys::{cpu, recv};
use mio::{Poll, Token, Waker};

use crate::flags::{Destination, Options};

/// Runs the loop; returns the report.
pub(crate) fn run(options: &Options) -> Result<String> {
    let workers = options.threads;
    let stats: Stats = (0..workers).map(|_| CachePadded::default()).collect();
    let polls = (0..workers).map(|_| Poll::new()).collect::<Result<Vec<_>, _>>()?;
    let wakers = polls.iter().map(|poll| Waker::new(poll.registry(), WAKER));
    let own = Poll::new()?;
    let main = Arc::new(Waker::new(own.registry(), Token(0))?);
    let control = Arc::new(Control::new(wakers.collect::<Result<_, _>>()?, main));
    let connections = ConnectionLimits::new(4096, 4096, None);
    let settings = Settings::new(128 << 10, 64 << 20, connections, false);
    let (sockets, listener) = bind(options)?;
    let udp_sockets =
        UdpSocketStats::new(sockets.iter().map(UdpSocket::try_clone).collect::<Result<_, _>>()?);
    let balancer = Balancer::new(
        Arc::clone(&stats),
        Arc::clone(&control),
        Arc::new(LogSlots::new(false)),
        connections.connections_max(),
    );
    let mut sockets = sockets.into_iter();
    let listeners: Vec<_> =
        listener.into_iter().map(|listener| NumberedListener::new(listener, 0)).collect();
    let mut threads = Vec::new();
    for (number, (poll, barrier)) in
        polls.into_iter().zip(barrier::participants(workers)).enumerate()
    {
        let unix = UnixSources::new(
            number,
            listeners.clone(),
            Arc::clone(&stats),
            Arc::clone(&balancer),
            &settings,
            recv::PADDING,
        );
        let handler = Null::new(Arc::clone(&stats), number);
        let (stats, control) = (Arc::clone(&stats), Arc::clone(&control));
        let source = |socket| UdpSource::new(socket, 0, options.batch_wait);
        let sources = Sources::new(poll, sockets.next().map(source), unix)?;
        let worker = Worker::new(number, sources, handler, stats, control, barrier);
        threads.push(start(worker, options.pin.get(number).copied())?);
    }
    wait(options)?;
    control.drain();
    let began = Instant::now();
    for thread in threads {
        thread.join().map_err(|_| anyhow!("a receiving thread panicked"))??;
    }
    Ok(report(&stats, &udp_sockets, began.elapsed()))
}

/// Waits until the time is over. With `-until-eof` waits until standard input ends instead: a program that has
/// started the loop can end it that way, and does so also if it dies.
fn wait(options: &Options) -> Result<()> {
    if options.until_eof {
        io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    } else {
        thread::sleep(options.time);
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the threads of this mode are started here")]
fn start(worker: Worker<Null>, core: Option<usize>) -> Result<thread::JoinHandle<Result<()>>> {
    let name = format!("ingest-{}", worker.number());
    let body = move || {
        if let Some(core) = core {
            cpu::pin(core).with_context(|| format!("cannot pin to core {core}"))?;
        }
        Ok(worker.run()?)
    };
    Ok(thread::Builder::new().name(name).spawn(body)?)
}

fn bind(options: &Options) -> Result<(Vec<UdpSocket>, Option<mio::net::UnixListener>)> {
    match &options.to {
        Destination::Udp(address) => {
            let parsed = address.parse().with_context(|| format!("-udp {address}"))?;
            let sockets = udp::bind(parsed, options.threads, options.rcvbuf);
            Ok((sockets.with_context(|| format!("-udp {address}: cannot bind"))?, None))
        }
        Destination::Unix(path) => Ok((Vec::new(), Some(listen(path)?))),
    }
}

fn listen(path: &Path) -> Result<mio::net::UnixListener> {
    let listener = UnixListener::bind(path).with_context(|| format!("-uds {}", path.display()))?;
    listener.set_nonblocking(true)?;
    socket2::SockRef::from(&listener).listen(4096)?;
    Ok(mio::net::UnixListener::from_std(listener))
}

fn report(stats: &Stats, udp_sockets: &UdpSocketStats, drained: Duration) -> String {
    let datagrams: u64 = stats.iter().map(|worker| worker.datagrams.get()).sum();
    let bytes = |transport: Transport| {
        stats.iter().map(|worker| worker.bytes[transport as usize].get()).sum::<u64>()
    };
    let drops: u64 = udp_sockets.read().iter().map(|socket| socket.drops).sum();
    format!(
        "{{\"datagrams\":{datagrams},\"udp_bytes\":{},\"unix_bytes\":{},\"kernel_drops\":{drops},\
         \"drain_ms\":{}}}\n",
        bytes(Transport::Udp),
        bytes(Transport::Unix),
        drained.as_millis()
    )
}
