//! Instructions per message of all ingest threads, counted by callgrind: no other load changes them.
//!
//! Two runs have different numbers of messages. The difference of their counts, divided by that of the messages,
//! leaves out the start and the admission of templates. Messages are sent as fast as possible, so that batches are
//! full.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::child::{Environment, Receiver};
use crate::load_test::{self, Received, words};

/// Whether valgrind is there.
pub(crate) fn can_count() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok()
}

/// Instructions per message of a server with these flags, and what does not add up.
pub(crate) fn per_message(
    environment: &Environment,
    flags: &[&str],
    load: &str,
    messages: [u64; 2],
) -> Result<(f64, Vec<String>)> {
    let [few, many] = messages;
    let few = count(environment, flags, load, few)?;
    let many = count(environment, flags, load, many)?;
    let each = (many.instructions - few.instructions) / (many.messages - few.messages) as f64;
    Ok((each, [few.problems, many.problems].concat()))
}

/// What callgrind has counted in one run.
struct CountedRun {
    /// Messages that the server read.
    messages: u64,
    /// Instructions of the ingest threads.
    instructions: f64,
    /// What does not add up.
    problems: Vec<String>,
}

/// Runs a server under callgrind and sends it so many messages.
fn count(
    environment: &Environment,
    flags: &[&str],
    load: &str,
    messages: u64,
) -> Result<CountedRun> {
    let folder = environment.folder.join("callgrind");
    fs::create_dir_all(&folder)?;
    let out = format!("--callgrind-out-file={}", folder.join("out").display());
    let wrapper = ["--tool=callgrind", "--separate-threads=yes", &out].map(str::to_owned);
    let flags = [flags, &["-shutdown-from", "any", "-shutdown-delay", "0s"]].concat();
    let server = Receiver::wrapped(environment, "valgrind", &wrapper, &flags)?;
    let mut send = server.flags();
    send.extend(words(&format!("{load} -count {messages} -settle-timeout 60s")));
    let Received { messages, problems, .. } = load_test::received(&environment.send(&send)?)?;
    server.stop()?;
    let mut instructions = 0.0;
    for file in fs::read_dir(&folder)? {
        instructions += of_ingest(&fs::read_to_string(file?.path())?)?;
    }
    fs::remove_dir_all(&folder)?;
    ensure!(instructions > 0.0, "callgrind has not seen an ingest thread");
    Ok(CountedRun { messages, instructions, problems })
}

/// The instructions of one thread, if it is one that ingests.
fn of_ingest(text: &str) -> Result<f64> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    // The first thread starts the others, and so it names what they do.
    let is_main = field("thread: ").is_none_or(|number| number.trim() == "1");
    if is_main || !text.contains("metrics_server::ingest::worker::") {
        return Ok(0.0);
    }
    Ok(field("totals: ").context("callgrind tells no total")?.trim().parse()?)
}
