//! The results of checks of passwords, and the checks that are under way.
//!
//! It knows each login by its digest. It must not know passwords.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use ring::hmac;
use tokio::sync::watch;

use super::forgotten::{ForgottenLogins, LoginTable};

/// Most right logins that are remembered, and most wrong ones. For one more the oldest is forgotten. A login takes its 32
/// bytes twice, so that both tables hold 32 KiB.
const REMEMBERED_MAX: usize = 256;

/// The keyed digest of a login: of its user, hash and password. No two logins have the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct LoginDigest([u8; 32]);

impl LoginDigest {
    /// A digest from the tag that HMAC-SHA256 has computed.
    pub(super) fn of(tag: &hmac::Tag) -> Self {
        let mut digest = [0; 32];
        digest.copy_from_slice(tag.as_ref());
        Self(digest)
    }
}

/// The logins that were checked, those found right apart from those found wrong, and the checks under way.
pub(super) struct Results {
    right: Remembered,
    wrong: Remembered,
    /// The checks under way, each with the receiver of its result. There are no more of them than the queue of checks
    /// holds, and the one that runs.
    pending: HashMap<LoginDigest, watch::Receiver<Option<bool>>>,
    forgotten: Arc<ForgottenLogins>,
}

impl Results {
    /// No login was checked yet.
    pub(super) fn new(forgotten: Arc<ForgottenLogins>) -> Self {
        let (right, wrong) = (Remembered::default(), Remembered::default());
        Self { right, wrong, pending: HashMap::new(), forgotten }
    }

    /// Whether the login was checked and found right, as far as is remembered.
    pub(super) fn is_right(&self, digest: &LoginDigest) -> bool {
        self.right.known.contains(digest)
    }

    /// Whether the login was checked and found wrong, as far as is remembered.
    pub(super) fn is_wrong(&self, digest: &LoginDigest) -> bool {
        self.wrong.known.contains(digest)
    }

    /// The receiver of the result, if a check of this login is under way.
    pub(super) fn pending(&self, digest: &LoginDigest) -> Option<watch::Receiver<Option<bool>>> {
        self.pending.get(digest).cloned()
    }

    /// Remembers that a check of this login is under way, and that `done` receives its result.
    pub(super) fn begin(&mut self, digest: LoginDigest, done: watch::Receiver<Option<bool>>) {
        self.pending.insert(digest, done);
    }

    /// Remembers the result of a check, which is no longer under way.
    pub(super) fn end(&mut self, digest: LoginDigest, is_right: bool) {
        self.pending.remove(&digest);
        let (remembered, table) = if is_right {
            (&mut self.right, LoginTable::Right)
        } else {
            (&mut self.wrong, LoginTable::Wrong)
        };
        if remembered.insert(digest) == Inserted::InPlaceOfOldest {
            self.forgotten.count(table);
        }
    }
}

/// A bounded set of logins.
#[derive(Default)]
struct Remembered {
    known: HashSet<LoginDigest>,
    oldest_first: VecDeque<LoginDigest>,
}

impl Remembered {
    fn insert(&mut self, digest: LoginDigest) -> Inserted {
        if self.known.insert(digest) {
            self.oldest_first.push_back(digest);
        }
        if self.oldest_first.len() <= REMEMBERED_MAX {
            return Inserted::Beside;
        }
        let oldest = self.oldest_first.pop_front().expect("it is not empty");
        self.known.remove(&oldest);
        Inserted::InPlaceOfOldest
    }
}

/// What became of the others when a login was inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inserted {
    /// They are all still there.
    Beside,
    /// The oldest of them was forgotten.
    InPlaceOfOldest,
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
        let mut results = Results::new(Arc::default());
        results.end(digest(0), true);
        for number in 1..=REMEMBERED_MAX + 1 {
            results.end(digest(number), false);
        }
        assert!(results.is_right(&digest(0)) && !results.is_wrong(&digest(0)));
        assert!(!results.is_wrong(&digest(1)), "the oldest is gone");
        assert!(results.is_wrong(&digest(2)) && results.is_wrong(&digest(REMEMBERED_MAX + 1)));
        assert_eq!(results.wrong.known.len(), REMEMBERED_MAX);
        assert_eq!(results.wrong.oldest_first.len(), REMEMBERED_MAX);
        let forgotten: Vec<_> = results.forgotten.by_table().collect();
        assert_eq!(forgotten, [("failures", 0), ("right", 0), ("wrong", 1)]);
    }
}
