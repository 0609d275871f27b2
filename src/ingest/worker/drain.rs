//! A worker's end: it reads everything that is queued, and lets nothing new in.

use std::io;
use std::time::Duration;

use super::Worker;
use crate::clock;
use crate::ingest::Handler;
use crate::ingest::turn::Turn;
use crate::ingest::udp::Look;
use crate::ingest::unix::FIRST_CONNECTION;
use crate::planted::{self, Fault};

/// How long a listener rests that could not accept for want of descriptors, and how often: within this second
/// the other workers' connections are closed too, and their descriptors free.
const DRAIN_REST: Duration = Duration::from_millis(5);
const DRAIN_RESTS_MAX: usize = 200;

impl<H: Handler> Worker<H> {
    /// Seals all sources, reads what is queued in them, and closes them.
    pub(super) fn drain(mut self) -> io::Result<()> {
        let open = self.sources.unix.seal();
        if let Some(udp) = &self.sources.udp {
            udp.seal()?;
        }
        for source in &self.sources.unixgram {
            source.seal()?;
        }
        self.barrier.wait(); // nobody lets anything in any more
        for token in open.into_iter().chain(self.sources.listener_tokens()) {
            self.ready.push(token);
        }
        if !planted::is(Fault::StopsWithoutDrain) {
            self.drain_udp()?;
            self.drain_ready();
        }
        self.barrier.wait(); // nobody hands a connection over any more
        self.take_over(clock::now_ns());
        self.drain_ready();
        self.barrier.wait(); // everybody is drained: sockets may close
        self.handler.between(clock::now_ns());
        self.handler.finish();
        Ok(())
    }

    /// Reads everything that is listed to its end. A listener that cannot accept for want of descriptors
    /// waits for connections to close, here or at another worker: all are at their end.
    fn drain_ready(&mut self) {
        for _ in 0..DRAIN_RESTS_MAX {
            self.drain_listed();
            if self.starved.is_empty() {
                return;
            }
            if !self.sources.unix.connections.take_freed() {
                std::thread::sleep(DRAIN_REST);
            }
            self.end_rest();
        }
        self.drain_listed();
        if !self.starved.is_empty() {
            log::warn!(
                "unix connections that wait to be accepted are lost: no descriptors came free; \
                 raise the limit with ulimit -n or LimitNOFILE"
            );
        }
    }

    /// Reads what is listed until only listeners are left that could not accept.
    fn drain_listed(&mut self) {
        while let Some(source) = self.ready.begin_turn() {
            let token = source.token();
            if token >= FIRST_CONNECTION {
                self.sources.unix.connections.seal_one(token - FIRST_CONNECTION); // it may have been accepted while draining
            }
            let turn = self.turn(token, clock::now_ns());
            self.ready.end_turn(source, turn, 0); // all come to their end, in whatever order
            if turn == Turn::Starved {
                self.starved.push(token);
            }
        }
    }

    fn drain_udp(&mut self) -> io::Result<()> {
        let Some(udp) = &mut self.sources.udp else { return Ok(()) };
        while udp.look()? != Look::Empty {
            udp.pass_batch_to(&mut self.handler, clock::now_ns());
        }
        Ok(())
    }
}
