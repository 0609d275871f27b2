//! Runs rows against servers that do something wrong on purpose: each row must fail.

use std::process::Command;
use std::time::Instant;

use metrics_server::testing::planted::Fault;

use crate::common::Server;
use crate::row::Row;

/// The variable from which a server learns what to do wrong.
const VARIABLE: &str = "METRICS_SERVER_PLANTED";

/// What holds is there in less, so a row that must fail waits no longer.
const DEADLINE_SECONDS: &str = "45";
/// A row that neither holds nor fails in so many seconds hangs.
const ROW_SECONDS_MAX: &str = "300";

/// Whether each of the rows fails. Each is a process of its own, from which its servers inherit what is planted.
pub(crate) fn all_are_noticed(rows: &[&Row]) -> bool {
    let mut all = true;
    for row in rows {
        let began = Instant::now();
        let output = Command::new("timeout")
            .args(["-s", "KILL", ROW_SECONDS_MAX])
            .arg(std::env::current_exe().unwrap())
            .arg(row.name)
            .env(VARIABLE, format!("{:?}", row.planted))
            .env("METRICS_SERVER_TEST_DEADLINE_SECONDS", DEADLINE_SECONDS)
            .output()
            .expect("timeout, of coreutils");
        let text = String::from_utf8_lossy(&output.stdout);
        let complaint = text.lines().skip_while(|line| !line.contains(" failed after "));
        let complaint: Vec<&str> = complaint.take(3).collect();
        let noticed = output.status.code() == Some(1) && !complaint.is_empty();
        let verdict = if noticed { "notices" } else { "DOES NOT NOTICE" };
        let seconds = began.elapsed().as_secs();
        println!("{} {verdict} {:?} ({seconds} s)", row.name, row.planted);
        println!("    {:.400}", if noticed { complaint.join(" ") } else { text.into_owned() });
        all &= noticed;
    }
    all
}

/// A server that does this, beside what is planted for the whole row: for rows whose fault is one of the server itself.
pub(crate) fn server_with(fault: Fault, flags: &[&str]) -> Server {
    let (name, value) = beside(fault);
    Server::start_with_env(flags, &[(name, &value)])
}

/// The variable of such a server's environment.
pub(crate) fn beside(fault: Fault) -> (&'static str, String) {
    (VARIABLE, format!("{fault:?},{}", std::env::var(VARIABLE).unwrap_or_default()))
}
