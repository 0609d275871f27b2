//! The login of the HTTP port: HTTP's Basic scheme against bcrypt hashes.
//!
//! The thread `http` asks; the thread `web-config` checks passwords, one after the other, so that no page and no
//! connection waits for bcrypt. What was checked is remembered. It must not know where users are configured.

mod credentials;
mod memory;
mod password_check;
mod peers;
mod refusal;
mod results;
mod users;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::anyhow;
use crossbeam::channel::{self, Receiver, Sender};
use hyper::header::HeaderValue;
use parking_lot::Mutex;
use ring::hmac;
use ring::rand::SystemRandom;
use tokio::sync::watch;

pub(crate) use password_check::PasswordCheck;
pub(crate) use refusal::{LoginRefusal, RefusedLogins};
pub(crate) use users::Users;

use credentials::Credentials;
use memory::Memory;
use results::LoginDigest;
use users::Candidate;

use super::network::Network;

/// Passwords that wait to be checked. With bcrypt's usual cost of 10 the last of them waits for about a second.
const QUEUE_LENGTH: usize = 16;

/// Lets in who knows a password.
pub(crate) struct Login {
    /// Of this process, so that digests mean nothing elsewhere and cannot be aimed at.
    key: hmac::Key,
    memory: Arc<Mutex<Memory>>,
    checks: Sender<PasswordCheck>,
    refused: Arc<RefusedLogins>,
}

/// What a login comes to without a check.
enum Step {
    Done(Result<(), LoginRefusal>),
    Wait(watch::Receiver<Option<bool>>),
}

impl Login {
    /// A login, and the passwords that it wants checked: [`PasswordCheck::run`] for each, on a thread that may be busy.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub(crate) fn new(
        refused: Arc<RefusedLogins>,
    ) -> anyhow::Result<(Self, Receiver<PasswordCheck>)> {
        let (checks, queue) = channel::bounded(QUEUE_LENGTH);
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .map_err(|_| anyhow!("the system has no random numbers for the login"))?;
        let memory = Arc::new(Mutex::new(Memory::new()));
        Ok((Self { key, memory, checks, refused }, queue))
    }

    /// Whether a request may pass, by its header `Authorization`.
    ///
    /// # Errors
    /// It may not.
    pub(crate) async fn check(
        &self,
        users: &Users,
        peer: IpAddr,
        authorization: Option<&HeaderValue>,
    ) -> Result<(), LoginRefusal> {
        let result = match self.step(users, peer, authorization, Instant::now()) {
            Step::Done(result) => result,
            Step::Wait(done) => wait(done).await,
        };
        result.inspect_err(|refusal| self.refused.count(*refusal))
    }

    fn step(
        &self,
        users: &Users,
        peer: IpAddr,
        authorization: Option<&HeaderValue>,
        now: Instant,
    ) -> Step {
        let credentials = match Credentials::read(authorization) {
            Ok(credentials) => credentials,
            Err(refusal) => return Step::Done(Err(refusal)),
        };
        let network = Network::of(peer);
        let candidate = users.candidate(&credentials.user, self.pick(&credentials.user));
        let digest = self.digest(&credentials, candidate);
        let mut memory = self.memory.lock();
        // Before any look at the password: what is remembered must not answer guesses at full speed.
        if let Some(wait) = memory.peers.wait(network, now) {
            return Step::Done(Err(LoginRefusal::slowed_down(wait)));
        }
        if let Some(pending) = memory.results.pending(&digest) {
            return Step::Wait(pending);
        }
        if memory.results.is_right(&digest) {
            return Step::Done(Ok(()));
        }
        // A failure until the opposite is known, else guesses that are sent at once would all be free.
        memory.peers.book_failure(network, now);
        if memory.results.is_wrong(&digest) {
            return Step::Done(Err(LoginRefusal::Wrong));
        }
        let (check, done) =
            PasswordCheck::new(candidate, credentials.password, digest, network, &self.memory);
        if self.checks.try_send(check).is_err() {
            return Step::Done(Err(LoginRefusal::QueueFull));
        }
        memory.results.begin(digest, done.clone());
        Step::Wait(done)
    }

    /// Which user's hash stands in for that of an unknown one: always the same, as a known one's would be.
    fn pick(&self, user: &[u8]) -> usize {
        let tag = hmac::sign(&self.key, user);
        let (head, _) = tag.as_ref().split_at(size_of::<usize>());
        head.iter().fold(0, |pick, byte| pick << 8 | usize::from(*byte))
    }

    /// Of everything that the result of a check depends on. No password is kept, and none can be made that has
    /// another's digest.
    fn digest(&self, credentials: &Credentials, candidate: Candidate<'_>) -> LoginDigest {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [credentials.user.as_slice(), candidate.hash.as_bytes()] {
            context.update(&part.len().to_le_bytes());
            context.update(part);
        }
        context.update(&[u8::from(candidate.is_known)]);
        context.update(&credentials.password);
        LoginDigest::of(&context.sign())
    }
}

async fn wait(mut done: watch::Receiver<Option<bool>>) -> Result<(), LoginRefusal> {
    match done.wait_for(Option::is_some).await.map(|result| *result) {
        Ok(Some(true)) => Ok(()),
        Ok(_) => Err(LoginRefusal::Wrong),
        // The server stops: nobody checks any more.
        Err(_) => Err(LoginRefusal::QueueFull),
    }
}

#[cfg(test)]
mod tests;
