//! One pass of the loop: what is due, then a slice of time for UDP or for unix.

use std::io;

use super::shares::{SLICE_NS, SourceClass};
use super::sources::{FIRST_LISTENER, Sources};
use super::{PARTIALS_PERIOD_NS, STARVED_REST_NS, Worker};
use crate::clock;
use crate::ingest::Handler;
use crate::ingest::turn::Turn;
use crate::ingest::udp::Look;
use crate::ingest::unix::FIRST_CONNECTION;
use crate::planted::{self, Fault};

/// A UDP socket that was left unread for so long while the worker was busy is looked at whatever the poll said:
/// the poll tells of 256 sources at a time, and UDP may stand behind thousands of connections.
const UNREAD_NS_MAX: u64 = SLICE_NS;

impl<H: Handler> Worker<H> {
    /// Does what is due at this time, and gives a slice to those whose turn it is.
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
        let udp_waits = self.udp_waits(now_ns);
        match self.shares.next(udp_waits, !self.ready.is_empty()) {
            Some(SourceClass::Udp) => self.udp_slice(now_ns)?,
            Some(SourceClass::Unix) => self.unix_slice(now_ns),
            None => {}
        }
        self.sources.unix.connections.publish_evictable();
        Ok(())
    }

    /// Whether the UDP socket is to be read.
    fn udp_waits(&self, now_ns: u64) -> bool {
        let unread = || self.lag_timer.unread_ns(now_ns) >= UNREAD_NS_MAX;
        self.udp_ready || self.sources.udp.is_some() && unread()
    }

    /// Gives the ready unix sources one turn after the other, until the slice is over or none is ready.
    fn unix_slice(&mut self, began_ns: u64) {
        let mut now_ns = began_ns;
        while now_ns - began_ns < SLICE_NS
            && let Some(source) = self.ready.begin_turn()
        {
            let token = source.token();
            let turn = self.turn(token, now_ns);
            let ended_ns = clock::now_ns();
            self.ready.end_turn(source, turn, ended_ns - now_ns);
            if turn == Turn::Starved {
                self.starved.push(token);
                self.starved_until_ns = ended_ns + STARVED_REST_NS;
            }
            now_ns = ended_ns;
        }
        self.shares.book(SourceClass::Unix, now_ns - began_ns);
    }

    /// Takes over the connections that other workers have handed to this one.
    pub(super) fn take_over(&mut self, now_ns: u64) {
        let Self { sources: Sources { poll, unix, .. }, ready, .. } = self;
        unix.take_over(poll.registry(), now_ns, &mut |token| ready.push(token));
    }

    /// Lists the listeners that could not accept as ready, to try again.
    pub(super) fn end_rest(&mut self) {
        if planted::is(Fault::StarvedForEver) {
            return;
        }
        self.starved.drain(..).for_each(|token| self.ready.push(token));
    }

    /// The turn of one unix source.
    pub(super) fn turn(&mut self, token: usize, now_ns: u64) -> Turn {
        let Self { sources: Sources { poll, unix, unixgram, .. }, ready, handler, .. } = self;
        let registry = poll.registry();
        if token >= FIRST_CONNECTION {
            return unix.connections.read(token - FIRST_CONNECTION, handler, registry, now_ns);
        }
        let (listener, listeners) = (token - FIRST_LISTENER, unix.listeners());
        if listener >= listeners {
            return unixgram[listener - listeners].read(handler, now_ns);
        }
        let mut list = |token| ready.push(token);
        unix.accept(listener, registry, now_ns, &mut list)
    }

    /// The slice of the UDP socket: takes batches, and tells how long the socket had been left unread.
    fn udp_slice(&mut self, began_ns: u64) -> io::Result<()> {
        self.udp_ready = self.take_batches(began_ns)? == Turn::More;
        if let Some(lag_ns) = self.lag_timer.end_turn() {
            self.stats().loop_lag.observe(lag_ns);
        }
        // Alone, UDP keeps nobody waiting, and the clock need not be read.
        if !self.ready.is_empty() {
            self.shares.book(SourceClass::Udp, clock::now_ns() - began_ns);
        }
        Ok(())
    }

    /// Takes batches until the socket is empty or the slice is over.
    fn take_batches(&mut self, began_ns: u64) -> io::Result<Turn> {
        let Self { sources, handler, lag_timer, ready, batch_wait_due, .. } = self;
        let Some(udp) = &mut sources.udp else { return Ok(Turn::Drained) };
        loop {
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
            if now_ns - began_ns >= SLICE_NS {
                return Ok(Turn::More);
            }
        }
    }
}
