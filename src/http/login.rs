//! The login of the HTTP port: user and password of HTTP's Basic scheme, checked against bcrypt hashes.
//!
//! The thread `http` asks whether a request may pass. The thread `web-config` checks the passwords, one after the other,
//! since bcrypt takes so long that other connections would notice. The results are remembered, so that a scraper's
//! password is checked once. It must not know where users are configured.

mod credentials;
mod forgotten;
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

pub(crate) use forgotten::ForgottenLogins;
pub(crate) use password_check::PasswordCheck;
pub(crate) use refusal::{LoginRefusal, RefusedLogins};
pub(crate) use users::Users;

use credentials::Credentials;
use memory::Memory;
use results::LoginDigest;
use users::Candidate;

use super::network::Network;

/// Most passwords that wait to be checked. At bcrypt's usual cost of 10 a check takes some 60 ms, so that the last of
/// them waits for about a second.
const QUEUE_LENGTH: usize = 16;

/// Decides which requests may pass.
pub(crate) struct Login {
    /// The random key of the digests. Each process has its own, so that nobody outside can compute a login's digest.
    key: hmac::Key,
    memory: Arc<Mutex<Memory>>,
    checks: Sender<PasswordCheck>,
    refused: Arc<RefusedLogins>,
}

/// What is known of a login before its password is checked.
enum Step {
    Done(Result<(), LoginRefusal>),
    Wait(watch::Receiver<Option<bool>>),
}

impl Login {
    /// Makes a login and the queue of its checks. Another thread, which may be busy for a while, takes the checks out
    /// and calls [`PasswordCheck::run`] on each.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub(crate) fn new(
        refused: Arc<RefusedLogins>,
        forgotten: Arc<ForgottenLogins>,
    ) -> anyhow::Result<(Self, Receiver<PasswordCheck>)> {
        let (checks, queue) = channel::bounded(QUEUE_LENGTH);
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .map_err(|_| anyhow!("the system has no random numbers for the login"))?;
        let memory = Arc::new(Mutex::new(Memory::new(forgotten)));
        Ok((Self { key, memory, checks, refused }, queue))
    }

    /// Whether a request with this header `Authorization` may pass.
    ///
    /// # Errors
    /// The request may not pass; the error says why.
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
        // This comes before any look at the password: otherwise guesses would be answered at full speed from memory.
        if let Some(wait) = memory.peers.wait(network, now) {
            return Step::Done(Err(LoginRefusal::slowed_down(wait)));
        }
        if let Some(pending) = memory.results.pending(&digest) {
            return Step::Wait(pending);
        }
        if memory.results.is_right(&digest) {
            return Step::Done(Ok(()));
        }
        // The login counts as a failure until its check finds it right. If failures were counted after their checks,
        // guesses that are sent at the same time would all be checked before the first one slows down the others.
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

    /// Chooses the user whose hash is checked in place of an unknown user's. It is the same one each time, as a known
    /// user has the same hash each time: otherwise the time of a check would tell who is unknown.
    fn pick(&self, user: &[u8]) -> usize {
        let tag = hmac::sign(&self.key, user);
        let (head, _) = tag.as_ref().split_at(size_of::<usize>());
        head.iter().fold(0, |pick, byte| pick << 8 | usize::from(*byte))
    }

    /// The digest under which the result of a check is remembered. It covers everything that the result depends on:
    /// user, hash, whether the user is known, and password. So passwords need not be kept in memory, and no other login
    /// has the same digest.
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
        // The server is stopping, so that nobody checks passwords any more.
        Err(_) => Err(LoginRefusal::QueueFull),
    }
}

#[cfg(test)]
mod tests;
