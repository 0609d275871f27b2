//! What checks of passwords have found, and which are under way.
//!
//! It must not know passwords: a login is its digest.

use std::collections::{HashMap, HashSet, VecDeque};

use ring::hmac;
use tokio::sync::watch;

/// Right and wrong logins each that are remembered; the oldest go first. A login has 32 bytes, twice.
const REMEMBERED_MAX: usize = 256;

/// A keyed digest of user, hash and password. Two logins never share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct LoginDigest([u8; 32]);

impl LoginDigest {
    /// The digest that HMAC-SHA256 made.
    pub(super) fn of(tag: &hmac::Tag) -> Self {
        let mut digest = [0; 32];
        digest.copy_from_slice(tag.as_ref());
        Self(digest)
    }
}

/// All of it.
pub(super) struct Results {
    right: Remembered,
    wrong: Remembered,
    /// No more than the queue of checks holds, and the one that runs.
    pending: HashMap<LoginDigest, watch::Receiver<Option<bool>>>,
}

impl Results {
    /// Nothing is known.
    pub(super) fn new() -> Self {
        Self { right: Remembered::default(), wrong: Remembered::default(), pending: HashMap::new() }
    }

    /// Whether the login was found right.
    pub(super) fn is_right(&self, digest: &LoginDigest) -> bool {
        self.right.known.contains(digest)
    }

    /// Whether the login was found wrong.
    pub(super) fn is_wrong(&self, digest: &LoginDigest) -> bool {
        self.wrong.known.contains(digest)
    }

    /// What tells the result of a check under way.
    pub(super) fn pending(&self, digest: &LoginDigest) -> Option<watch::Receiver<Option<bool>>> {
        self.pending.get(digest).cloned()
    }

    /// A check is under way.
    pub(super) fn begin(&mut self, digest: LoginDigest, done: watch::Receiver<Option<bool>>) {
        self.pending.insert(digest, done);
    }

    /// It has found this.
    pub(super) fn end(&mut self, digest: LoginDigest, is_right: bool) {
        self.pending.remove(&digest);
        let remembered = if is_right { &mut self.right } else { &mut self.wrong };
        remembered.insert(digest);
    }
}

#[derive(Default)]
struct Remembered {
    known: HashSet<LoginDigest>,
    oldest_first: VecDeque<LoginDigest>,
}

impl Remembered {
    fn insert(&mut self, digest: LoginDigest) {
        if !self.known.insert(digest) {
            return;
        }
        self.oldest_first.push_back(digest);
        if self.oldest_first.len() > REMEMBERED_MAX
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: usize) -> LoginDigest {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_le_bytes());
        LoginDigest(digest)
    }

    #[test]
    fn the_oldest_results_go_first_and_wrong_ones_do_not_drive_out_right_ones() {
        let mut results = Results::new();
        results.end(digest(0), true);
        for number in 1..=REMEMBERED_MAX + 1 {
            results.end(digest(number), false);
        }
        assert!(results.is_right(&digest(0)) && !results.is_wrong(&digest(0)));
        assert!(!results.is_wrong(&digest(1)), "the oldest is gone");
        assert!(results.is_wrong(&digest(2)) && results.is_wrong(&digest(REMEMBERED_MAX + 1)));
        assert_eq!(results.wrong.known.len(), REMEMBERED_MAX);
        assert_eq!(results.wrong.oldest_first.len(), REMEMBERED_MAX);
    }
}
