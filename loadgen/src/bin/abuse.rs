//! `make abuse`: attacks on the HTTP port, a scrape once a second meanwhile, and what the server holds afterwards.
//!
//! Starts its own servers, all on loopback, and ends each by its handle. Each attack is run twice: shortly, so that
//! the server has the memory that it keeps for such things, and then measured. Exit status: 0 if the server held
//! everywhere, 1 if it did not or nothing could be measured, 2 for a wrong command line.

#[path = "../abuse/attacks.rs"]
mod attacks;
#[path = "../abuse/connection.rs"]
mod connection;
#[path = "../abuse/counters.rs"]
mod counters;
#[path = "../abuse/flood.rs"]
mod flood;
#[path = "../abuse/progress.rs"]
mod progress;
#[path = "../abuse/resource_usage.rs"]
mod resource_usage;
#[path = "../abuse/scraper.rs"]
mod scraper;
#[path = "../abuse/script.rs"]
mod script;
#[path = "../abuse/server.rs"]
mod server;
#[path = "../abuse/table.rs"]
mod table;
#[path = "../abuse/tls.rs"]
mod tls;
#[path = "../abuse/trial.rs"]
mod trial;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use metrics_server::testing::sys::limits;

use crate::attacks::{Attack, ServerKind};
use crate::progress::progress;
use crate::server::AttackedServer;
use crate::table::AttackTable;

/// An attack that would end later than this after the start is not run.
const BOUND: Duration = Duration::from_secs(165);
/// Descriptors of this program beside the connections of an attack.
const OWN_DESCRIPTORS: u64 = 100;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let attacks = match chosen(&arguments) {
        Ok(attacks) => attacks,
        Err(error) => return failed(&error, 2),
    };
    let folder = std::env::temp_dir().join(format!("metrics-server-abuse-{}", std::process::id()));
    let held = abuse(&folder, attacks);
    let _ = std::fs::remove_dir_all(&folder);
    match held {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => failed(&error, 1),
    }
}

fn failed(error: &anyhow::Error, status: u8) -> ExitCode {
    progress(&format!("abuse: {error:#}"));
    ExitCode::from(status)
}

/// The attacks that the command line asks for.
fn chosen(arguments: &[String]) -> Result<Vec<Attack>> {
    let mut attacks = attacks::all(&tls::hello()?);
    match arguments {
        [] => {}
        [flag, words] if flag == "-only" => {
            let words: Vec<&str> = words.split(',').collect();
            attacks.retain(|attack| words.contains(&attack.word));
            if attacks.len() != words.len() {
                bail!("-only {}: no such attack", words.join(","));
            }
        }
        _ => {
            let words: Vec<_> = attacks.iter().map(|attack| attack.word).collect();
            bail!("usage: abuse [-only {}]", words.join(","));
        }
    }
    Ok(attacks)
}

/// Runs the attacks and prints the table; whether the server held in all of them.
fn abuse(folder: &Path, mut attacks: Vec<Attack>) -> Result<bool> {
    let began = Instant::now();
    let room = limits::raise_descriptors().context("cannot raise the limit of descriptors")?;
    let room = usize::try_from(room.saturating_sub(OWN_DESCRIPTORS))?;
    for attack in attacks.iter_mut().filter(|attack| attack.plan.connections > room) {
        progress(&format!("{}: {room} connections, as the limit of descriptors is", attack.word));
        attack.plan.connections = room;
    }
    let mut table = AttackTable::default();
    for server_kind in ServerKind::ALL {
        let attacks: Vec<_> =
            attacks.iter().filter(|attack| attack.server_kind == server_kind).collect();
        if attacks.is_empty() {
            continue;
        }
        let folder = folder.join(server_kind.folder());
        match server_kind.setup(&folder).and_then(|setup| AttackedServer::start(&folder, setup)) {
            Ok(mut server) => trial::all(&mut server, &attacks, began + BOUND, &mut table)?,
            Err(error) => table.not_measured(format!("{}: {error:#}", attacks[0].title)),
        }
    }
    let mut out = std::io::stdout();
    // Who closed the pipe does not want to read more.
    let _ = out.write_all(table.markdown().as_bytes()).and_then(|()| out.flush());
    Ok(table.is_ok())
}
