//! Logins step by step. The tests choose the time, and run the checks themselves.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crossbeam::channel::Receiver;
use hyper::header::HeaderValue;

use super::refusal::LoginRefusal;
use super::{Login, PasswordCheck, QUEUE_LENGTH, Step, Users};

struct Door {
    login: Login,
    checks: Receiver<PasswordCheck>,
    users: Users,
    start: Instant,
}

impl Door {
    /// A login that lets in alice with the password "right", and bob with "other".
    fn new() -> Self {
        let hash = |password: &str| bcrypt::hash(password, 4).unwrap();
        let hashes = [("alice", hash("right")), ("bob", hash("other"))];
        let hashes: BTreeMap<_, _> = hashes.map(|(name, hash)| (name.to_owned(), hash)).into();
        let (login, checks) = Login::new(Arc::default(), Arc::default()).unwrap();
        let users = Users::checked(&hashes).unwrap().unwrap();
        Self { login, checks, users, start: Instant::now() }
    }

    /// The first step of a login from this address, so many seconds after the start.
    fn step(&self, second: u64, peer: &str, user: &str, password: &str) -> Step {
        let value = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        let value = HeaderValue::from_str(&value).unwrap();
        let (peer, now) =
            (peer.parse::<IpAddr>().unwrap(), self.start + Duration::from_secs(second));
        self.login.step(&self.users, peer, Some(&value), now)
    }

    /// The result of a login. If its password has to be checked, the check is run.
    fn enter(
        &self,
        second: u64,
        peer: &str,
        user: &str,
        password: &str,
    ) -> Result<(), LoginRefusal> {
        match self.step(second, peer, user, password) {
            Step::Done(result) => result,
            Step::Wait(done) => {
                self.checks.try_iter().for_each(PasswordCheck::run);
                let is_right = done.borrow().expect("it was checked");
                if is_right { Ok(()) } else { Err(LoginRefusal::Wrong) }
            }
        }
    }

    fn checks_waiting(&self) -> usize {
        self.checks.len()
    }
}

const HERE: &str = "192.0.2.1";
const THERE: &str = "192.0.2.2";

fn slowed_down(retry_after_seconds: u64) -> Result<(), LoginRefusal> {
    Err(LoginRefusal::SlowedDown { retry_after_seconds })
}

#[test]
fn only_a_user_with_the_users_own_password_is_let_in() {
    let door = Door::new();
    assert_eq!(door.enter(0, HERE, "alice", "right"), Ok(()));
    assert_eq!(door.enter(0, HERE, "bob", "other"), Ok(()));
    for (user, password) in
        [("alice", "other"), ("alice", ""), ("bob", "right"), ("", ""), ("Alice", "right")]
    {
        // Each from its own address, so that none is slowed down.
        let peer = format!("198.51.100.{}", user.len() * 16 + password.len());
        assert_eq!(
            door.enter(0, &peer, user, password),
            Err(LoginRefusal::Wrong),
            "{user} {password}"
        );
    }
}

#[test]
fn an_unknown_user_costs_a_check_and_is_refused_even_with_the_password_of_the_hash_that_stands_in()
{
    let door = Door::new();
    for (number, password) in ["right", "other", "neither"].into_iter().enumerate() {
        let peer = format!("198.51.100.{number}");
        assert!(matches!(door.step(0, &peer, "mallory", password), Step::Wait(_)));
        assert_eq!(door.checks_waiting(), number + 1);
    }
    door.checks.try_iter().for_each(PasswordCheck::run);
    for (number, password) in ["right", "other", "neither"].into_iter().enumerate() {
        let peer = format!("198.51.100.{number}");
        assert_eq!(door.enter(0, &peer, "mallory", password), Err(LoginRefusal::Wrong));
    }
    assert_eq!(
        door.login.pick(b"mallory"),
        door.login.pick(b"mallory"),
        "always the same stands in"
    );
}

#[test]
fn a_checked_login_is_not_checked_again_until_the_hash_changes() {
    let mut door = Door::new();
    assert_eq!(door.enter(0, HERE, "alice", "right"), Ok(()));
    assert!(matches!(door.step(0, THERE, "alice", "right"), Step::Done(Ok(()))));
    assert_eq!(door.enter(0, HERE, "alice", "wrong"), Err(LoginRefusal::Wrong));
    assert!(matches!(door.step(0, HERE, "alice", "wrong"), Step::Done(Err(LoginRefusal::Wrong))));
    let hashes = BTreeMap::from([("alice".to_owned(), bcrypt::hash("wrong", 4).unwrap())]);
    door.users = Users::checked(&hashes).unwrap().unwrap();
    assert_eq!(door.enter(0, THERE, "alice", "right"), Err(LoginRefusal::Wrong));
    assert_eq!(door.enter(0, THERE, "alice", "wrong"), Ok(()));
}

#[test]
fn the_same_login_of_several_requests_is_checked_once() {
    let door = Door::new();
    let waiting: Vec<_> = (0..10).map(|_| door.step(0, HERE, "alice", "right")).collect();
    assert_eq!(door.checks_waiting(), 1);
    door.checks.try_iter().for_each(PasswordCheck::run);
    for step in waiting {
        let Step::Wait(done) = step else { panic!("it waits for the check") };
        assert_eq!(*done.borrow(), Some(true));
    }
    assert_eq!(door.enter(0, HERE, "alice", "right"), Ok(()));
}

#[test]
fn wrong_passwords_slow_down_their_address_and_no_other() {
    let door = Door::new();
    assert_eq!(door.enter(0, THERE, "alice", "right"), Ok(()));
    for guess in ["1", "2", "3"] {
        assert_eq!(door.enter(0, HERE, "alice", guess), Err(LoginRefusal::Wrong));
    }
    assert_eq!(door.enter(0, HERE, "alice", "4"), slowed_down(1));
    assert_eq!(
        door.enter(0, HERE, "alice", "right"),
        slowed_down(1),
        "the right one is not looked at either"
    );
    assert_eq!(door.checks_waiting(), 0);
    assert_eq!(door.enter(0, THERE, "alice", "right"), Ok(()));
    assert_eq!(door.enter(1, HERE, "alice", "5"), Err(LoginRefusal::Wrong));
    assert_eq!(door.enter(1, HERE, "alice", "6"), slowed_down(2));
    assert_eq!(door.enter(3, HERE, "alice", "right"), Ok(()));
}

#[test]
fn a_right_password_takes_no_free_failure_away() {
    let door = Door::new();
    for guess in ["1", "2"] {
        assert_eq!(door.enter(0, HERE, "alice", guess), Err(LoginRefusal::Wrong));
    }
    assert_eq!(door.enter(0, HERE, "alice", "right"), Ok(()));
    assert_eq!(door.enter(0, HERE, "alice", "3"), Err(LoginRefusal::Wrong));
    assert_eq!(door.enter(0, HERE, "alice", "4"), slowed_down(1));
}

#[test]
fn guesses_that_are_sent_at_once_are_slowed_down_before_they_are_checked() {
    let door = Door::new();
    let steps = (0..20).map(|guess| door.step(0, HERE, "alice", &guess.to_string()));
    let slowed = steps
        .filter(|step| matches!(step, Step::Done(Err(LoginRefusal::SlowedDown { .. }))))
        .count();
    assert_eq!((slowed, door.checks_waiting()), (17, 3));
}

#[test]
fn a_full_queue_refuses_and_counts_as_a_failure_of_the_address() {
    let door = Door::new();
    for number in 0..QUEUE_LENGTH {
        assert!(matches!(
            door.step(0, &format!("198.51.100.{number}"), "alice", "guess no {number}"),
            Step::Wait(_)
        ));
    }
    assert_eq!(door.checks_waiting(), 1, "the same guess of all is one check");
    for number in 1..QUEUE_LENGTH {
        let (peer, guess) = (format!("198.51.100.{number}"), number.to_string());
        assert!(matches!(door.step(0, &peer, "alice", &guess), Step::Wait(_)));
    }
    for _ in 0..3 {
        assert!(matches!(
            door.step(0, HERE, "alice", "right"),
            Step::Done(Err(LoginRefusal::QueueFull))
        ));
    }
    assert!(matches!(
        door.step(0, HERE, "alice", "right"),
        Step::Done(Err(LoginRefusal::SlowedDown { .. }))
    ));
    door.checks.try_iter().for_each(PasswordCheck::run);
    assert_eq!(door.enter(1, HERE, "alice", "right"), Ok(()));
}

#[test]
fn refusals_are_counted_by_reason() {
    let door = Door::new();
    for refusal in [
        LoginRefusal::Missing,
        LoginRefusal::Malformed,
        LoginRefusal::Wrong,
        LoginRefusal::slowed_down(Duration::from_millis(1_500)),
        LoginRefusal::QueueFull,
        LoginRefusal::QueueFull,
    ] {
        door.login.refused.count(refusal);
    }
    let counted: Vec<_> = door.login.refused.by_reason().collect();
    assert_eq!(
        counted,
        [("missing", 1), ("malformed", 1), ("wrong", 1), ("slowed_down", 1), ("queue_full", 2)]
    );
    assert_eq!(
        LoginRefusal::slowed_down(Duration::from_millis(1_500)).retry_after_seconds(),
        Some(2)
    );
}
