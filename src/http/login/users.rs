//! The users of the configuration, with the bcrypt hashes of their passwords.
//!
//! It must not know HTTP nor when a password is checked.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::{Context, bail, ensure};
use bcrypt::HashParts;

/// A check at this cost takes some ten seconds, and one more doubles it; nobody else can log in meanwhile.
const COST_MAX: u32 = 18;

/// Everybody who may log in; at least one.
pub(crate) struct Users {
    /// Sorted by name.
    users: Vec<User>,
}

struct User {
    name: String,
    hash: String,
}

/// What a password is checked against.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'a> {
    /// In bcrypt's own form.
    pub(super) hash: &'a str,
    /// Whether the hash is this user's. If not, nobody is let in whatever the check says.
    pub(super) is_known: bool,
}

impl Users {
    /// Users by name, or `None` if there are none.
    ///
    /// # Errors
    /// A hash is none of bcrypt's or would take too long to check; the message names the user.
    pub(crate) fn checked(hashes: &BTreeMap<String, String>) -> anyhow::Result<Option<Self>> {
        for (name, hash) in hashes {
            check(hash).with_context(|| format!("the hash of {name:?} cannot be used"))?;
        }
        let users = hashes.clone().into_iter().map(|(name, hash)| User { name, hash });
        let users: Vec<_> = users.collect();
        Ok((!users.is_empty()).then_some(Self { users }))
    }

    /// The hash of this user. For an unknown one it is that of another, chosen by `pick`: so the check takes as long
    /// as for a known one, and its time does not tell who is known.
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
