//! In which order connections have been idle.
//!
//! Lists of one worker's connections, each in the order of the last bytes of its members, the longest idle first.
//! The links are indices, so that a connection moves to the end, and leaves, in constant time: a read costs the
//! change of a few links, and an eviction no search.

/// A connection that has sent bytes is active for so long, and not evicted. Programs that report what they do as
/// they do it send more often than once in a second; one that is evicted in a longer pause connects again.
pub(super) const ACTIVE_NS: u64 = 1_000_000_000;

/// Which list a connection stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IdleList {
    /// It has sent nothing yet; idle since it was accepted.
    Silent,
    /// It has sent something, and no message of it is unfinished.
    Idle,
    /// A message of it is unfinished.
    Partial,
    /// Its messages are refused. It does not move: it stands for so long as such connections may.
    Refused,
}

/// The lists' heads come first among the nodes, each at the number of its list.
const HEADS: usize = 4;

/// A member or the head of a list that runs in a circle. One that is in no list is linked to itself.
#[derive(Clone, Copy, Debug)]
struct IdleNode {
    previous: usize,
    next: usize,
    since_ns: u64,
}

/// The connection that has been idle for the longest time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LongestIdle {
    pub(super) index: usize,
    pub(super) since_ns: u64,
}

/// The lists of one worker's connections.
#[derive(Debug)]
pub(super) struct IdleLists {
    nodes: Vec<IdleNode>,
}

impl IdleLists {
    /// Empty lists.
    pub(super) fn new() -> Self {
        Self { nodes: (0..HEADS).map(IdleNode::unlinked).collect() }
    }

    /// Puts a connection at the end of a list, out of any other. No time may be before an earlier one.
    pub(super) fn put_last(&mut self, list: IdleList, index: usize, now_ns: u64) {
        let (head, node) = (list as usize, HEADS + index);
        while self.nodes.len() <= node {
            self.nodes.push(IdleNode::unlinked(self.nodes.len()));
        }
        self.remove(index);
        let last = self.nodes[head].previous;
        self.nodes[node] = IdleNode { previous: last, next: head, since_ns: now_ns };
        self.nodes[last].next = node;
        self.nodes[head].previous = node;
    }

    /// Takes a connection out of its list, if it is in one.
    pub(super) fn remove(&mut self, index: usize) {
        let node = HEADS + index;
        let IdleNode { previous, next, .. } = self.nodes[node];
        self.nodes[previous].next = next;
        self.nodes[next].previous = previous;
        self.nodes[node] = IdleNode::unlinked(node);
    }

    /// The first of a list.
    pub(super) fn longest(&self, list: IdleList) -> Option<LongestIdle> {
        let first = self.nodes[list as usize].next;
        let index = first.checked_sub(HEADS)?; // an empty list's head is linked to itself
        Some(LongestIdle { index, since_ns: self.nodes[first].since_ns })
    }
}

impl IdleNode {
    fn unlinked(node: usize) -> Self {
        Self { previous: node, next: node, since_ns: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(lists: &mut IdleLists, list: IdleList) -> Vec<usize> {
        let first = |lists: &mut IdleLists| {
            let LongestIdle { index, .. } = lists.longest(list)?;
            lists.remove(index);
            Some(index)
        };
        std::iter::from_fn(|| first(lists)).collect()
    }

    #[test]
    fn the_longest_idle_comes_first_in_each_list() {
        let mut lists = IdleLists::new();
        assert_eq!(lists.longest(IdleList::Silent), None);
        for index in 0..5 {
            lists.put_last(IdleList::Silent, index, 10 + index as u64);
        }
        lists.put_last(IdleList::Idle, 3, 20);
        lists.put_last(IdleList::Idle, 0, 21);
        lists.put_last(IdleList::Idle, 3, 22);
        assert_eq!(
            lists.longest(IdleList::Idle),
            Some(LongestIdle { index: 0, since_ns: 21 }),
            "the other has moved to the end"
        );
        lists.remove(2);
        lists.remove(2);
        assert_eq!(order(&mut lists, IdleList::Silent), [1, 4]);
        assert_eq!(order(&mut lists, IdleList::Idle), [0, 3]);
        lists.put_last(IdleList::Partial, 2, 30);
        assert_eq!(order(&mut lists, IdleList::Partial), [2]);
    }
}
