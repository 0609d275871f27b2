//! Unix connections that one thread keeps full for as long as something else is done.

use std::fmt;
use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use metrics_server::testing::sys::cpu;

use crate::mix::{Kind, LineStyle, line};
use crate::rng::Rng;

/// Messages of a block, which each connection writes again and again: 60 KB.
const MESSAGES: usize = 500;
/// A pause when every connection is full; each holds work for longer.
const PAUSE: Duration = Duration::from_micros(100);

/// What is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content {
    /// The same messages again and again.
    Known,
    /// Messages that are parsed each time, since nothing but a colon may stand behind `"value"` in known ones.
    Parsed,
    /// Bytes without any message.
    Garbage,
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Known => "known messages",
            Self::Parsed => "messages that are parsed",
            Self::Garbage => "garbage",
        })
    }
}

impl Content {
    fn block(self) -> Vec<u8> {
        let style = LineStyle { short: false, families: 1, label_bytes: 0, unique: false };
        let (mut block, mut rng) = (Vec::new(), Rng::new(1));
        for series in 0..MESSAGES {
            line(&mut block, style, Kind::Counter, series, &mut rng);
            block.push(b'\n');
        }
        match self {
            Self::Known => block,
            Self::Parsed => {
                let text = String::from_utf8(block).expect("messages are text");
                text.replace("\"value\":", "\"value\" :").into_bytes()
            }
            // Each byte is random: most brackets that open an object are soon followed by a line's end.
            Self::Garbage => block.iter().map(|_| rng.next().to_le_bytes()[0]).collect(),
        }
    }
}

/// Keeps so many connections to the path full from this core until `work` has returned.
pub(crate) fn beside<T>(
    path: &Path,
    connections: usize,
    content: Content,
    core: usize,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let connect = |_| {
        let stream = UnixStream::connect(path)?;
        stream.set_nonblocking(true)?;
        Ok(ConnectionWriter { stream, at: 0 })
    };
    let writers: io::Result<Vec<_>> = (0..connections).map(connect).collect();
    let mut writers = writers.context("cannot connect")?;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let write = || -> Result<()> {
            cpu::pin(core)?;
            let block = content.block();
            while !stop.load(Ordering::Relaxed) {
                let mut bytes = 0;
                for writer in &mut writers {
                    bytes += writer.fill(&block)?;
                }
                if bytes == 0 {
                    thread::sleep(PAUSE);
                }
            }
            Ok(())
        };
        let thread = thread::Builder::new().spawn_scoped(scope, write)?;
        let done = work();
        stop.store(true, Ordering::Relaxed);
        thread.join().map_err(|_| anyhow!("a thread that writes panicked"))??;
        done
    })
}

/// One connection, and where in the block it is.
#[derive(Debug)]
struct ConnectionWriter {
    stream: UnixStream,
    at: usize,
}

impl ConnectionWriter {
    /// Writes until no more is taken; how many bytes were.
    fn fill(&mut self, block: &[u8]) -> io::Result<usize> {
        let mut bytes = 0;
        loop {
            match self.stream.write(&block[self.at..]) {
                Ok(written) => {
                    bytes += written;
                    self.at = (self.at + written) % block.len();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(bytes),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
