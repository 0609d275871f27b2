//! `make bench`: what the server costs, as ratios to what it cannot cost less than, in one table.
//!
//! Starts the server, the null loop and the sender again and again, all on loopback, and ends each by its handle.
//! Every run's books are checked. Exit status: 0 if all closed, 1 if one did not or nothing could be measured, 2
//! for a wrong command line.

#[path = "../bench/child.rs"]
mod child;
#[allow(dead_code, reason = "shared with loadgen, which uses the rest")]
#[path = "../cpu.rs"]
mod cpu;
#[path = "../bench/fair.rs"]
mod fair;
#[path = "../bench/figure.rs"]
mod figure;
#[path = "../bench/http.rs"]
mod http;
#[path = "../bench/instructions.rs"]
mod instructions;
#[path = "../bench/lag.rs"]
mod lag;
#[allow(dead_code, reason = "shared with loadgen, which uses the rest")]
#[path = "../mix.rs"]
mod mix;
#[allow(dead_code, reason = "shared with loadgen, which uses the rest")]
#[path = "../num.rs"]
mod num;
#[path = "../bench/pages.rs"]
mod pages;
#[path = "../bench/proc.rs"]
mod proc;
#[path = "../bench/ratios.rs"]
mod ratios;
#[allow(dead_code, reason = "shared with loadgen, which uses the rest")]
#[path = "../rng.rs"]
mod rng;
#[path = "../bench/run.rs"]
mod run;
#[path = "../bench/sinks.rs"]
mod sinks;
#[path = "../bench/standing.rs"]
mod standing;
#[path = "../bench/table.rs"]
mod table;
#[path = "../bench/tape.rs"]
mod tape;
#[path = "../bench/writers.rs"]
mod writers;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::child::Place;
use crate::ratios::Plan;
use crate::table::Row;

/// Makes one or two rows.
type Make = fn(&Plan) -> Result<Vec<Row>>;

/// The rows in the order of the table: the word that `-only` knows it by, whether the quick table has it, and how
/// it is made.
const ROWS: [(&str, bool, Make); 22] = [
    ("1-half", true, |plan| Ok(vec![ratios::half(plan, 1, "≤ 1.10", &[])?])),
    ("1-full", true, |plan| Ok(vec![ratios::saturated(plan, 1, "≤ 1.10")?])),
    ("1-nowait", true, |plan| Ok(vec![ratios::half(plan, 1, "≤ 0.7", &["-batch-wait-us", "0"])?])),
    ("10-half", false, |plan| Ok(vec![ratios::half(plan, 10, "≤ 1.5", &[])?])),
    ("10-full", true, |plan| Ok(vec![ratios::saturated(plan, 10, "≤ 1.5")?])),
    ("10-any", true, |plan| Ok(vec![ratios::any_order(plan, 10, "≤ 1.5")?])),
    ("100-half", false, |plan| Ok(vec![ratios::half(plan, 100, "≤ 3", &[])?])),
    ("100-full", true, |plan| Ok(vec![ratios::saturated(plan, 100, "≤ 3")?])),
    ("100-any", false, |plan| Ok(vec![ratios::any_order(plan, 100, "≤ 3")?])),
    ("many", true, |plan| Ok(vec![ratios::many_series(plan, "≤ 1.5")?])),
    ("histogram", true, |plan| Ok(vec![ratios::histogram(plan, "≤ 1.2")?])),
    ("unique", true, |plan| Ok(vec![ratios::unique(plan, "≤ 2")?])),
    ("unix", true, |plan| Ok(vec![ratios::unix(plan, "≤ 1.5")?])),
    ("fair", true, fair::rows),
    ("workers", true, |plan| Ok(vec![ratios::two_workers(plan, "≤ 1.02")?])),
    ("sinks", false, |plan| sinks::beside(plan, "≤ 1.05")),
    ("scrape", true, |plan| pages::scrapes(plan, ["≤ 1.7, ≤ 2 % of 1.2 s", "≤ 1.3"])),
    ("ingesting", true, |plan| Ok(vec![pages::while_ingesting(plan, "0 lost, loop lag ≤ 20 ms")?])),
    ("memory", true, |plan| Ok(vec![standing::memory(plan, "≤ 400 B")?])),
    ("worker-memory", false, |plan| Ok(vec![standing::further_worker(plan, "≤ 100 B")?])),
    ("rest", true, |plan| Ok(vec![standing::at_rest(plan, "≤ 8 MB, ≤ 2 wake-ups/s")?])),
    ("overload", true, |plan| {
        Ok(vec![standing::overload(plan, "alive, ±5 %, none lost 1 s after")?])
    }),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (quick, only) = match read(&arguments) {
        Ok(read) => read,
        Err(error) => {
            say(&mut std::io::stderr(), &format!("{error:#}\n"));
            return ExitCode::from(2);
        }
    };
    match bench(quick, &only) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            say(&mut std::io::stderr(), "bench: books did not close, or a row was not measured\n");
            ExitCode::FAILURE
        }
        Err(error) => {
            say(&mut std::io::stderr(), &format!("bench: {error:#}\n"));
            ExitCode::FAILURE
        }
    }
}

/// Whether to be quick, and the rows that are asked for: none means all.
fn read(arguments: &[String]) -> Result<(bool, Vec<String>)> {
    let (mut quick, mut only) = (false, Vec::new());
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-quick" => quick = true,
            "-only" => {
                let names = words.next().context("-only needs names of rows")?;
                only.extend(names.split(',').map(str::to_owned));
            }
            _ => {
                bail!("{word:?}: usage: bench [-quick] [-only {}]", ROWS.map(|row| row.0).join(","))
            }
        }
    }
    Ok((quick, only))
}

/// Makes and prints the table; whether all books closed.
fn bench(quick: bool, only: &[String]) -> Result<bool> {
    let place = Place::new()?;
    let plan = Plan {
        // Many short pairs rather than few long ones: what else the machine does then spoils some, not all.
        pairs: if quick { 6 } else { 19 },
        time: Duration::from_millis(if quick { 200 } else { 500 }),
        watch: Duration::from_secs(if quick { 10 } else { 60 }),
        many: if quick { 200_000 } else { 1_000_000 },
        counted: if quick { [20_000, 40_000] } else { [20_000, 70_000] },
        place,
    };
    let mut out = std::io::stdout();
    say(
        &mut out,
        &format!(
            "{}\n\nCore {} ingests (server and null, one worker, pinned), core {} sends; what makes and reads pages runs where \
             there is room.\nProcessor time is user + system of the ingest threads per message read; ratios are medians of {} \
             alternated pairs of {:?}\neach, of scrapes of four times as many; intervals are order statistics.\n\n",
            proc::machine(),
            plan.place.ingest,
            plan.place.send,
            plan.pairs,
            plan.time
        ),
    );
    let began = Instant::now();
    let mut rows = Vec::new();
    let wanted = |name: &str, in_quick: bool| {
        if only.is_empty() { in_quick || !quick } else { only.iter().any(|other| other == name) }
    };
    for (name, _, make) in ROWS.iter().filter(|row| wanted(row.0, row.1)) {
        let progress = |text: &str| {
            let seconds = began.elapsed().as_secs_f64();
            say(&mut std::io::stderr(), &format!("{seconds:4.0} s  {name}{text}\n"));
        };
        progress("");
        // What cannot be measured fails the run, but not the rows after it.
        let made = make(&plan).unwrap_or_else(|error| {
            let amiss = vec![format!("not measured: {error:#}")];
            vec![Row { name: (*name).to_owned(), amiss, ..Row::default() }]
        });
        for row in made {
            progress(&format!(": {} ({})", row.ratio, row.target));
            rows.push(row);
        }
    }
    let _ = std::fs::remove_dir_all(&plan.place.folder);
    say(&mut out, &table::markdown(&rows));
    Ok(rows.iter().all(|row| row.amiss.is_empty()))
}

/// Who closed the pipe does not want to read more.
fn say(to: &mut dyn std::io::Write, text: &str) {
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}
