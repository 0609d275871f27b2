//! The unix sources that may have something to read, in the order in which their turns come.
//!
//! Deficit round robin by time: a source that has used more than a quantum in its turn is passed over in as
//! many rounds as it has used quanta too many, so that messages that are slow to process take no time from
//! those that are not. Plain arithmetic: it must not know clocks or sockets.

use std::collections::VecDeque;

use crate::ingest::turn::Turn;

/// Time of a source in a round: about that of one full read whose messages are known.
const QUANTUM_NS: u64 = 100_000;
/// The debt that is paid off at most. A full read of messages that are parsed takes about a millisecond; what is
/// longer was hardly the source's own work, and passing over costs time too.
const DEBT_NS_MAX: u64 = 20 * QUANTUM_NS;

/// A source that is on the list, or has its turn.
#[derive(Debug)]
pub(super) struct ListedSource {
    token: usize,
    /// Time that it has used and not yet paid for with its quanta.
    debt_ns: u64,
}

impl ListedSource {
    /// The token under which it is registered.
    pub(super) fn token(&self) -> usize {
        self.token
    }
}

/// A queue of sources in which each stands once.
#[derive(Debug, Default)]
pub(super) struct ReadyList {
    queue: VecDeque<ListedSource>,
    /// By token: whether it is in the queue or has its turn.
    listed: Vec<bool>,
}

impl ReadyList {
    /// Whether no source is ready.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Puts a source at the end, unless it is listed already.
    pub(super) fn push(&mut self, token: usize) {
        if self.listed.len() <= token {
            self.listed.resize(token + 1, false);
        }
        if !std::mem::replace(&mut self.listed[token], true) {
            self.queue.push_back(ListedSource { token, debt_ns: 0 });
        }
    }

    /// Takes the first source that its quantum brings out of debt; [`Self::end_turn`] has to be called with it.
    pub(super) fn begin_turn(&mut self) -> Option<ListedSource> {
        loop {
            let mut source = self.queue.pop_front()?;
            source.debt_ns = source.debt_ns.saturating_sub(QUANTUM_NS);
            if source.debt_ns == 0 {
                return Some(source);
            }
            self.queue.push_back(source);
        }
    }

    /// Ends a turn that has taken this time.
    pub(super) fn end_turn(&mut self, mut source: ListedSource, turn: Turn, time_ns: u64) {
        source.debt_ns = time_ns.min(DEBT_NS_MAX);
        let stays = match turn {
            Turn::More => true,
            // Who has nothing more at the moment pays all the same.
            Turn::Drained => source.debt_ns > QUANTUM_NS,
            Turn::Starved => false,
        };
        if stays {
            self.queue.push_back(source);
        } else {
            self.listed[source.token] = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tokens of so many turns, each of which takes the time that its source is given and leaves more.
    fn turns(ready: &mut ReadyList, count: usize, time_ns: impl Fn(usize) -> u64) -> Vec<usize> {
        let one = |_| {
            let source = ready.begin_turn().unwrap();
            let token = source.token();
            ready.end_turn(source, Turn::More, time_ns(token));
            token
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn each_source_is_listed_once_and_may_come_back() {
        let mut ready = ReadyList::default();
        for token in [3, 0, 3, 70_000, 0] {
            ready.push(token);
        }
        for token in [3, 0, 70_000] {
            let source = ready.begin_turn().unwrap();
            assert_eq!(source.token(), token);
            ready.push(token); // has its turn
            ready.end_turn(source, Turn::Drained, 1);
        }
        assert!(ready.is_empty() && ready.begin_turn().is_none());
        ready.push(3);
        assert_eq!(ready.begin_turn().unwrap().token(), 3);
    }

    #[test]
    fn cheap_sources_go_round() {
        let mut ready = ReadyList::default();
        (1..4).for_each(|token| ready.push(token));
        assert_eq!(turns(&mut ready, 7, |_| QUANTUM_NS), [1, 2, 3, 1, 2, 3, 1]);
    }

    #[test]
    fn a_dear_source_has_fewer_turns_so_that_all_have_the_same_time() {
        let mut ready = ReadyList::default();
        (1..4).for_each(|token| ready.push(token));
        let order = turns(&mut ready, 11, |token| if token == 2 { 4 } else { 1 } * QUANTUM_NS);
        assert_eq!(order, [1, 2, 3, 1, 3, 1, 3, 1, 3, 1, 2]);
    }

    #[test]
    fn alone_a_source_in_debt_is_next() {
        let mut ready = ReadyList::default();
        ready.push(1);
        assert_eq!(turns(&mut ready, 3, |_| u64::MAX), [1, 1, 1]);
    }

    #[test]
    fn a_drained_source_leaves_once_it_has_paid() {
        let mut ready = ReadyList::default();
        ready.push(1);
        let source = ready.begin_turn().unwrap();
        ready.end_turn(source, Turn::Drained, 3 * QUANTUM_NS);
        ready.push(2);
        ready.push(1);
        assert_eq!(turns(&mut ready, 3, |_| 1), [2, 2, 1], "still in debt");
        let source = ready.begin_turn().unwrap();
        ready.end_turn(source, Turn::Drained, 1);
        assert_eq!(turns(&mut ready, 2, |_| 1), [1, 1], "2 has left");
    }

    #[test]
    fn a_starved_listener_leaves_in_debt() {
        let mut ready = ReadyList::default();
        ready.push(1);
        let source = ready.begin_turn().unwrap();
        ready.end_turn(source, Turn::Starved, 9 * QUANTUM_NS);
        assert!(ready.is_empty());
    }
}
