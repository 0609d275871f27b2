//! The users of the configuration, with the bcrypt hashes of their passwords.
//!
//! It must not know HTTP, nor when passwords are checked.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::{Context, bail, ensure};
use bcrypt::HashParts;

/// The highest cost of a hash. A check takes some ten seconds at this cost, twice as long at the next one, and all other
/// new logins wait meanwhile.
const COST_MAX: u32 = 18;

/// All users who may log in. There is at least one.
pub(crate) struct Users {
    /// Sorted by name.
    users: Vec<User>,
}

struct User {
    name: String,
    hash: String,
}

/// The hash that a password is checked against.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'a> {
    /// The hash in the text form of bcrypt: `$2y$`, cost, salt and digest.
    pub(super) hash: &'a str,
    /// Whether the user is known and the hash is this user's. Otherwise the login is wrong, even if the password matches
    /// the hash.
    pub(super) is_known: bool,
}

impl Users {
    /// Checks and takes the hashes of users, given by their names; `None` if there are no users.
    ///
    /// # Errors
    /// A hash is not one of bcrypt's, or would take too long to check. The message names the user.
    pub(crate) fn checked(hashes: &BTreeMap<String, String>) -> anyhow::Result<Option<Self>> {
        for (name, hash) in hashes {
            check(hash).with_context(|| format!("the hash of {name:?} cannot be used"))?;
        }
        let users = hashes.clone().into_iter().map(|(name, hash)| User { name, hash });
        let users: Vec<_> = users.collect();
        Ok((!users.is_empty()).then_some(Self { users }))
    }

    /// The hash of the user with this name. For an unknown user it is the hash of another one, whom `pick` chooses: so a
    /// check takes as long as for a known user, and its time does not tell which users there are.
    pub(super) fn candidate(&self, name: &[u8], pick: usize) -> Candidate<'_> {
        let found = self.users.binary_search_by(|user| user.name.as_bytes().cmp(name));
        let index = found.unwrap_or_else(|_| pick % self.users.len());
        Candidate { hash: &self.users[index].hash, is_known: found.is_ok() }
    }
}

fn check(hash: &str) -> anyhow::Result<()> {
    let form = "it must be one of bcrypt's, such as `htpasswd -nBC 10 NAME` prints: $2y$10$ and 53 more characters";
    let parts = HashParts::from_str(hash).context(form)?;
    ensure!(
        !hash.starts_with("$2x$"),
        "$2x$ marks hashes of a broken bcrypt; make it anew with htpasswd -nBC 10"
    );
    let cost = parts.get_cost();
    if !(4..=COST_MAX).contains(&cost) {
        bail!(
            "its cost is {cost}; bcrypt's least is 4, and more than {COST_MAX} takes too long to check"
        );
    }
    Ok(())
}
