//! The sources that may have something to read, in the order in which their turns come.

use std::collections::VecDeque;

/// A queue of tokens in which each stands once.
#[derive(Debug, Default)]
pub(super) struct ReadyList {
    queue: VecDeque<usize>,
    /// By token: whether it is in the queue.
    listed: Vec<bool>,
}

impl ReadyList {
    /// Whether no source is ready.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many sources are ready.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Puts a token at the end, unless it stands in the queue already.
    pub(super) fn push(&mut self, token: usize) {
        if self.listed.len() <= token {
            self.listed.resize(token + 1, false);
        }
        if !std::mem::replace(&mut self.listed[token], true) {
            self.queue.push_back(token);
        }
    }

    /// Takes the first token.
    pub(super) fn pop(&mut self) -> Option<usize> {
        let token = self.queue.pop_front()?;
        self.listed[token] = false;
        Some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_stands_in_the_queue_once_and_may_come_back() {
        let mut ready = ReadyList::default();
        for token in [3, 0, 3, 70_000, 0] {
            ready.push(token);
        }
        assert_eq!(ready.len(), 3);
        assert_eq!(ready.pop(), Some(3));
        ready.push(3);
        assert_eq!([ready.pop(), ready.pop(), ready.pop()], [Some(0), Some(70_000), Some(3)]);
        assert!(ready.is_empty() && ready.pop().is_none());
    }
}
