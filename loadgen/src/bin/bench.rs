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
#[path = "../bench/http.rs"]
mod http;
#[path = "../bench/instructions.rs"]
mod instructions;
#[path = "../bench/lag.rs"]
mod lag;
#[path = "../bench/load_test.rs"]
mod load_test;
#[path = "../bench/median.rs"]
mod median;
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
#[path = "../bench/resources.rs"]
mod resources;
#[allow(dead_code, reason = "shared with loadgen, which uses the rest")]
#[path = "../rng.rs"]
mod rng;
#[path = "../bench/sinks.rs"]
mod sinks;
#[path = "../bench/table.rs"]
mod table;
#[path = "../bench/tape.rs"]
mod tape;
#[path = "../bench/writers.rs"]
mod writers;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::child::Environment;
use crate::ratios::BenchPlan;
use crate::table::BenchRow;

/// Makes one or more rows.
type MakeRows = fn(&BenchPlan) -> Result<Vec<BenchRow>>;

/// One or more rows that are measured together.
struct Measurement {
    /// The word that `-only` knows it by.
    name: &'static str,
    /// Whether the quick table has it.
    is_quick: bool,
    make: MakeRows,
}

const fn quick(name: &'static str, make: MakeRows) -> Measurement {
    Measurement { name, is_quick: true, make }
}

const fn slow(name: &'static str, make: MakeRows) -> Measurement {
    Measurement { name, is_quick: false, make }
}

/// All measurements, in the order of the table.
const MEASUREMENTS: [Measurement; 22] = [
    quick("1-half", |plan| Ok(vec![ratios::half(plan, 1, "≤ 1.10", &[])?])),
    quick("1-full", |plan| Ok(vec![ratios::saturated(plan, 1, "≤ 1.10")?])),
    quick("1-nowait", |plan| Ok(vec![ratios::half(plan, 1, "≤ 0.7", &["-batch-wait-us", "0"])?])),
    slow("10-half", |plan| Ok(vec![ratios::half(plan, 10, "≤ 1.5", &[])?])),
    quick("10-full", |plan| Ok(vec![ratios::saturated(plan, 10, "≤ 1.5")?])),
    quick("10-any", |plan| Ok(vec![ratios::any_order(plan, 10, "≤ 1.5")?])),
    slow("100-half", |plan| Ok(vec![ratios::half(plan, 100, "≤ 3", &[])?])),
    quick("100-full", |plan| Ok(vec![ratios::saturated(plan, 100, "≤ 3")?])),
    slow("100-any", |plan| Ok(vec![ratios::any_order(plan, 100, "≤ 3")?])),
    quick("many", |plan| Ok(vec![ratios::many_series(plan, "≤ 1.5")?])),
    quick("histogram", |plan| Ok(vec![ratios::histogram(plan, "≤ 1.2")?])),
    quick("unique", |plan| Ok(vec![ratios::unique(plan, "≤ 2")?])),
    quick("unix", |plan| Ok(vec![ratios::unix(plan, "≤ 1.5")?])),
    quick("fair", fair::rows),
    quick("workers", |plan| Ok(vec![ratios::two_workers(plan, "≤ 1.02")?])),
    slow("sinks", |plan| sinks::beside(plan, "≤ 1.05")),
    quick("scrape", |plan| pages::scrapes(plan, ["≤ 1.7, ≤ 2 % of 1.2 s", "≤ 1.3"])),
    quick("ingesting", |plan| Ok(vec![pages::while_ingesting(plan, "0 lost, loop lag ≤ 20 ms")?])),
    quick("memory", |plan| Ok(vec![resources::memory(plan, "≤ 400 B")?])),
    slow("worker-memory", |plan| Ok(vec![resources::further_worker(plan, "≤ 100 B")?])),
    quick("rest", |plan| Ok(vec![resources::at_rest(plan, "≤ 8 MB, ≤ 2 wake-ups/s")?])),
    quick("overload", |plan| {
        Ok(vec![resources::overload(plan, "alive, ±5 %, none lost 1 s after")?])
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
                bail!(
                    "{word:?}: usage: bench [-quick] [-only {}]",
                    MEASUREMENTS.map(|known| known.name).join(",")
                )
            }
        }
    }
    Ok((quick, only))
}

/// Makes and prints the table; whether all books closed.
fn bench(quick: bool, only: &[String]) -> Result<bool> {
    let environment = Environment::new()?;
    let plan = BenchPlan {
        // Many short pairs rather than few long ones: what else the machine does then spoils some, not all.
        pairs: if quick { 6 } else { 19 },
        time: Duration::from_millis(if quick { 200 } else { 500 }),
        watch: Duration::from_secs(if quick { 10 } else { 60 }),
        many: if quick { 200_000 } else { 1_000_000 },
        counted: if quick { [20_000, 40_000] } else { [20_000, 70_000] },
        environment,
    };
    let mut out = std::io::stdout();
    say(
        &mut out,
        &format!(
            "{}\n\nCore {} ingests (server and null, one worker, pinned), core {} sends; what makes and reads pages runs where \
             there is room.\nProcessor time is user + system of the ingest threads per message read; ratios are medians of {} \
             alternated pairs of {:?}\neach, of scrapes of four times as many; intervals are order statistics.\n\n",
            proc::machine(),
            plan.environment.ingest,
            plan.environment.send,
            plan.pairs,
            plan.time
        ),
    );
    let began = Instant::now();
    let mut rows = Vec::new();
    let wanted = |known: &&Measurement| match only {
        [] => known.is_quick || !quick,
        names => names.iter().any(|name| name == known.name),
    };
    for Measurement { name, make, .. } in MEASUREMENTS.iter().filter(wanted) {
        let progress = |text: &str| {
            let seconds = began.elapsed().as_secs_f64();
            say(&mut std::io::stderr(), &format!("{seconds:4.0} s  {name}{text}\n"));
        };
        progress("");
        // What cannot be measured fails the run, but not the rows after it.
        let made = make(&plan).unwrap_or_else(|error| {
            let problems = vec![format!("not measured: {error:#}")];
            vec![BenchRow { name: (*name).to_owned(), problems, ..BenchRow::default() }]
        });
        for row in made {
            progress(&format!(": {} ({})", row.ratio, row.target));
            rows.push(row);
        }
    }
    let _ = std::fs::remove_dir_all(&plan.environment.folder);
    say(&mut out, &table::markdown(&rows));
    Ok(rows.iter().all(|row| row.problems.is_empty()))
}

/// Who closed the pipe does not want to read more.
fn say(to: &mut dyn std::io::Write, text: &str) {
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}
