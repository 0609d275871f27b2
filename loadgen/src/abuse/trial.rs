//! One attack on one server: the flood on this thread, the scraper on another, and the server weighed before and after.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::attacks::Attack;
use crate::counters;
use crate::flood::{self, FloodPlan, FloodResult};
use crate::progress::progress;
use crate::resource_usage::ResourceUsage;
use crate::scraper::ScrapeResults;
use crate::server::AttackedServer;
use crate::table::{AttackRow, AttackTable};

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
    server: &mut AttackedServer,
    attacks: &[&Attack],
    deadline: Instant,
    table: &mut AttackTable,
) -> Result<()> {
    let fresh = ResourceUsage::at_rest(server.pid())?;
    for attack in attacks {
        progress(&format!("warm-up: {}", attack.title));
        let plan = FloodPlan { opening_time: WARM_UP_OPENING, duration: WARM_UP, ..attack.plan };
        flood::run(server.page().address(), &attack.scripts, plan)?;
    }
    let warm = ResourceUsage::at_rest(server.pid())?;
    let mut whole = AttackRow {
        title: "all of these, one after the other",
        before: ResourceUsage { resident_bytes: warm.resident_bytes, ..fresh },
        ..AttackRow::default()
    };
    for attack in attacks {
        progress(attack.title);
        if Instant::now() + attack.plan.duration + SETTLE_MAX > deadline {
            table.not_measured(format!("{}: no time was left for it", attack.title));
            continue;
        }
        let row = measured(server, attack)?;
        whole.flood_result.opened += row.flood_result.opened;
        whole.flood_result.closed += row.flood_result.closed;
        whole.scrapes.merge(&row.scrapes);
        table.push(row);
    }
    whole.after = ResourceUsage::back_to(server.pid(), whole.before, SETTLE_MAX)?;
    if attacks.len() > 1 {
        table.push(whole);
    }
    if !table.is_ok() {
        progress(&format!("the server's log:\n{}", server.log()));
    }
    Ok(())
}

/// Runs one attack and measures.
fn measured(server: &mut AttackedServer, attack: &Attack) -> Result<AttackRow> {
    let mut row = AttackRow { title: attack.title, ..AttackRow::default() };
    let counted_before = row.counters_or_fault(counters::read(server.page()), "before the attack");
    row.before = ResourceUsage::at_rest(server.pid())?;
    (row.flood_result, row.scrapes) = beside_scrapes(server, attack)?;
    row.after = ResourceUsage::back_to(server.pid(), row.before, SETTLE_MAX)?;
    let counted = row.counters_or_fault(counters::read(server.page()), "after the attack");
    row.counted = counters::increases(&counted_before, &counted);
    if row.flood_result.opened < attack.plan.connections {
        row.faults.push(format!("only {} connections were made", row.flood_result.opened));
    }
    if !server.is_alive() {
        row.faults.push("the server has ended".to_owned());
    }
    Ok(row)
}

/// The flood, and a scrape once a second all the while.
fn beside_scrapes(
    server: &AttackedServer,
    attack: &Attack,
) -> Result<(FloodResult, ScrapeResults)> {
    let page = server.page();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let scrape = || page.scrape_until(&stop);
        let scraper = thread::Builder::new().spawn_scoped(scope, scrape)?;
        let flood_result = flood::run(page.address(), &attack.scripts, attack.plan);
        stop.store(true, Relaxed);
        let scrapes = scraper.join().map_err(|_| anyhow!("the scraper panicked"))?;
        Ok((flood_result?, scrapes))
    })
}
