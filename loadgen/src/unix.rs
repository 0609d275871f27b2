//! Sending over unix stream sockets: lasting connections taken in turn, or a new one for each write.

use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::pace::Target;
use crate::pool::Pool;

/// Connections to one path.
#[derive(Debug)]
pub(crate) struct UnixTarget {
    path: PathBuf,
    /// Empty if each write connects anew.
    clients: Vec<UnixStream>,
    next: usize,
}

impl UnixTarget {
    /// Opens `clients` connections; none with `connect_each`.
    pub(crate) fn connect(path: &Path, clients: usize, connect_each: bool) -> Result<Self> {
        let count = if connect_each { 0 } else { clients.max(1) };
        let clients = (0..count)
            .map(|_| UnixStream::connect(path))
            .collect::<io::Result<_>>()
            .with_context(|| format!("cannot connect to {}", path.display()))?;
        Ok(Self { path: path.to_owned(), clients, next: 0 })
    }
}

impl Target for UnixTarget {
    fn send(&mut self, pool: &Pool, first: usize, _count: usize) -> io::Result<usize> {
        let bytes = pool.span(first, 1);
        if self.clients.is_empty() {
            let mut stream = UnixStream::connect(&self.path)?;
            written(stream.write_all(bytes))?;
        } else {
            let client = self.next % self.clients.len();
            self.next += 1;
            written(self.clients[client].write_all(bytes))?;
        }
        Ok(1)
    }

    fn batch_max(&self) -> usize {
        1
    }
}

/// What a write broke off at is unknown, so that none may be tried again as if nothing had gone out.
fn written(result: io::Result<()>) -> io::Result<()> {
    result.map_err(|error| io::Error::other(format!("connection lost: {error}")))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::net::UnixListener;
    use std::sync::atomic::AtomicU64;
    use std::thread;
    use std::time::Duration;

    use super::{Pool, UnixTarget};
    use crate::mix::{LineStyle, Weights};
    use crate::pace::{Schedule, run};
    use crate::pool::PoolSpec;

    fn pool() -> Pool {
        Pool::render(&PoolSpec {
            style: LineStyle { short: true, families: 1, label_bytes: 0, unique: false },
            weights: Weights::parse("counter").unwrap(),
            first: 0,
            series: 10,
            random: false,
            per_datagram: 5,
            equal: false,
            stream: true,
            seed: 1,
        })
        .unwrap()
    }

    /// Sends 40 writes over `connections`; what arrives in all is what was counted.
    fn all_arrives(clients: usize, each: bool, connections: usize) {
        let path = std::env::temp_dir()
            .join(format!("loadgen-test-{}-{clients}-{each}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        let (sent, received) = thread::scope(|scope| {
            let receiver = thread::Builder::new()
                .spawn_scoped(scope, || {
                    let mut text = String::new();
                    let streams: Vec<_> =
                        (0..connections).map(|_| listener.accept().unwrap().0).collect();
                    for mut stream in streams {
                        stream.read_to_string(&mut text).unwrap();
                    }
                    text
                })
                .unwrap();
            let mut target = UnixTarget::connect(&path, clients, each).unwrap();
            let plan = Schedule { limit: 40, time: Duration::MAX, interval: None, core: None };
            let sent = run(&mut target, &mut pool(), &plan, &AtomicU64::new(0)).unwrap().sent;
            drop(target);
            (sent, receiver.join().unwrap())
        });
        std::fs::remove_file(&path).unwrap();
        assert_eq!(sent.bytes, received.len() as u64);
        assert_eq!(sent.messages, received.lines().count() as u64);
    }

    #[test]
    fn all_bytes_arrive_over_lasting_connections() {
        all_arrives(3, false, 3);
    }

    #[test]
    fn all_bytes_arrive_when_each_write_connects() {
        all_arrives(1, true, 40);
    }
}
