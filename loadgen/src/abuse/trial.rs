//! One attack on one server: the flood on this thread, the scraper on another, and the server weighed before and after.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::attacks::Attack;
use crate::counters;
use crate::flood::{self, Outcome, Pace};
use crate::progress;
use crate::scraper::Scrapes;
use crate::server::Server;
use crate::table::{Row, Table};
use crate::usage::Usage;

/// How long the server may take to give back what an attack has taken of it.
const SETTLE_MAX: Duration = Duration::from_secs(5);
/// The warm-up takes so long, of which connections are opened in the first part.
const WARM_UP: Duration = Duration::from_millis(1500);
const WARM_UP_OPENING: Duration = Duration::from_secs(1);

/// Runs these attacks on the server, first all in short and then measured, and adds their rows and one for all of
/// them together. What would end behind the deadline is not run.
///
/// # Errors
/// The server cannot be weighed: it has ended.
pub(crate) fn all(
    server: &mut Server,
    attacks: &[&Attack],
    deadline: Instant,
    table: &mut Table,
) -> Result<()> {
    let fresh = Usage::at_rest(server.pid())?;
    for attack in attacks {
        progress(&format!("warm-up: {}", attack.title));
        let pace = Pace { opening: WARM_UP_OPENING, whole: WARM_UP, ..attack.pace };
        flood::run(server.page().address(), &attack.scripts, pace)?;
    }
    let warm = Usage::at_rest(server.pid())?;
    let mut whole = Row {
        title: "all of these, one after the other",
        before: Usage { resident_bytes: warm.resident_bytes, ..fresh },
        ..Row::default()
    };
    for attack in attacks {
        progress(attack.title);
        if Instant::now() + attack.pace.whole + SETTLE_MAX > deadline {
            table.not_measured(format!("{}: no time was left for it", attack.title));
            continue;
        }
        let row = measured(server, attack)?;
        whole.outcome.opened += row.outcome.opened;
        whole.outcome.closed += row.outcome.closed;
        whole.scrapes.merge(&row.scrapes);
        table.push(row);
    }
    whole.after = Usage::back_to(server.pid(), whole.before, SETTLE_MAX)?;
    if attacks.len() > 1 {
        table.push(whole);
    }
    if !table.is_ok() {
        progress(&format!("the server's log:\n{}", server.log()));
    }
    Ok(())
}

/// Runs one attack and measures.
fn measured(server: &mut Server, attack: &Attack) -> Result<Row> {
    let mut row = Row { title: attack.title, ..Row::default() };
    let counted_before = row.no_fault(counters::read(server.page()), "before the attack");
    row.before = Usage::at_rest(server.pid())?;
    (row.outcome, row.scrapes) = beside_scrapes(server, attack)?;
    row.after = Usage::back_to(server.pid(), row.before, SETTLE_MAX)?;
    let counted = row.no_fault(counters::read(server.page()), "after the attack");
    row.counted = counters::moved(&counted_before, &counted);
    if row.outcome.opened < attack.pace.connections {
        row.faults.push(format!("only {} connections were made", row.outcome.opened));
    }
    if !server.is_alive() {
        row.faults.push("the server has ended".to_owned());
    }
    Ok(row)
}

/// The flood, and a scrape once a second all the while.
fn beside_scrapes(server: &Server, attack: &Attack) -> Result<(Outcome, Scrapes)> {
    let page = server.page();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let scrape = || page.scrape_until(&stop);
        let scraper = thread::Builder::new().spawn_scoped(scope, scrape)?;
        let outcome = flood::run(page.address(), &attack.scripts, attack.pace);
        stop.store(true, Relaxed);
        let scrapes = scraper.join().map_err(|_| anyhow!("the scraper panicked"))?;
        Ok((outcome?, scrapes))
    })
}
