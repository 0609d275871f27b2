//! One pass over the ready sources: a bounded turn for each.

use std::io;

use super::sources::{FIRST_LISTENER, Sources, UDP};
use super::{PARTIALS_PERIOD_NS, STARVED_REST_NS, Worker};
use crate::clock;
use crate::ingest::Handler;
use crate::ingest::turn::Turn;
use crate::ingest::udp::Look;
use crate::ingest::unix::FIRST_CONNECTION;

/// Batches that UDP takes before it is the others' turn: 1,024 datagrams, about a millisecond.
const BATCHES_PER_TURN: usize = 16;

impl<H: Handler> Worker<H> {
    /// Does what is due at this time, and gives each ready source one turn.
    pub(super) fn pass(&mut self, now_ns: u64) -> io::Result<()> {
        self.handler.between(now_ns);
        self.take_over(now_ns);
        let Self { sources, ready, .. } = self;
        sources.unix.connections.expire(now_ns, &mut |token| ready.push(token));
        if self.sources.unix.connections.has_partials() && now_ns >= self.partials_due_ns {
            self.partials_due_ns = now_ns + PARTIALS_PERIOD_NS;
            self.sources.unix.connections.time_out(&mut self.handler, now_ns);
        }
        // A listener that could not accept tries again after its rest, or as soon as a connection closes.
        let freed = self.sources.unix.connections.take_freed();
        if !self.starved.is_empty() && (freed || now_ns >= self.starved_until_ns) {
            self.end_rest();
        }
        // Sources that a turn makes ready are at the end of the list, and come in the next pass.
        for _ in 0..self.ready.len() {
            let Some(token) = self.ready.pop() else { break };
            match self.turn(token, now_ns)? {
                Turn::Drained => {}
                Turn::More => self.ready.push(token),
                Turn::Starved => {
                    self.starved.push(token);
                    self.starved_until_ns = now_ns + STARVED_REST_NS;
                }
            }
        }
        self.sources.unix.connections.publish_evictable();
        Ok(())
    }

    /// Takes over the connections that other workers have handed to this one.
    pub(super) fn take_over(&mut self, now_ns: u64) {
        let Self { sources: Sources { poll, unix, .. }, ready, .. } = self;
        unix.take_over(poll.registry(), now_ns, &mut |token| ready.push(token));
    }

    /// Lists the listeners that could not accept as ready, to try again.
    pub(super) fn end_rest(&mut self) {
        self.starved.drain(..).for_each(|token| self.ready.push(token));
    }

    /// The turn of one source.
    pub(super) fn turn(&mut self, token: usize, now_ns: u64) -> io::Result<Turn> {
        if token == UDP {
            return self.udp_turn();
        }
        let Self { sources: Sources { poll, unix, .. }, ready, handler, .. } = self;
        let registry = poll.registry();
        if token >= FIRST_CONNECTION {
            return Ok(unix.connections.read(token - FIRST_CONNECTION, handler, registry, now_ns));
        }
        let mut list = |token| ready.push(token);
        Ok(unix.accept(token - FIRST_LISTENER, registry, now_ns, &mut list))
    }

    /// The turn of the UDP socket: takes batches, and tells how long the socket had been left unread.
    fn udp_turn(&mut self) -> io::Result<Turn> {
        let turn = self.take_batches()?;
        if let Some(lag_ns) = self.lag_timer.end_turn() {
            self.stats().loop_lag.observe(lag_ns);
        }
        Ok(turn)
    }

    /// Takes batches until the socket is empty or the turn is over.
    fn take_batches(&mut self) -> io::Result<Turn> {
        let Self { sources, handler, lag_timer, ready, batch_wait_due, .. } = self;
        let Some(udp) = &mut sources.udp else { return Ok(Turn::Drained) };
        for _ in 0..BATCHES_PER_TURN {
            let look = udp.look()?;
            let now_ns = clock::now_ns();
            if look == Look::Empty {
                lag_timer.read_nothing(now_ns);
                return Ok(Turn::Drained);
            }
            lag_timer.read_some(now_ns);
            udp.pass_batch_to(handler, now_ns);
            if look == Look::Some {
                // With nothing else to do, the worker lets the next batch fill instead of sleeping.
                *batch_wait_due = !udp.batch_wait().is_zero() && ready.is_empty();
                return Ok(if *batch_wait_due { Turn::More } else { Turn::Drained });
            }
        }
        Ok(Turn::More)
    }
}
