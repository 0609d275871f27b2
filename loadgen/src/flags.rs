//! The command line, in the server's own style: `-x=v`, `-x v`, `--x v`, and `-x` for switches.
//!
//! One table drives parsing and help: `flags/table.rs`. No I/O.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};

use crate::mix::{LineStyle, Weights};
use crate::sys::MAX_BATCH;

mod table;

pub(crate) use table::help;
use table::{FLAGS, FlagSpec};

/// Where to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// A UDP address.
    Udp(String),
    /// A unix stream socket's path.
    Unix(PathBuf),
}

/// What the command line asks for.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "switches are what the command line has")]
pub(crate) struct Options {
    pub(crate) to: Destination,
    pub(crate) http: Option<String>,
    pub(crate) pid: Option<u32>,
    pub(crate) series: usize,
    pub(crate) style: LineStyle,
    pub(crate) weights: Weights,
    pub(crate) random: bool,
    pub(crate) per_datagram: usize,
    pub(crate) ports: usize,
    pub(crate) clients: usize,
    pub(crate) connect_each: bool,
    /// Messages per second of all threads.
    pub(crate) rate: Option<f64>,
    pub(crate) time: Duration,
    /// Messages.
    pub(crate) count: Option<u64>,
    pub(crate) threads: usize,
    pub(crate) gso: bool,
    pub(crate) batch: usize,
    pub(crate) pin: Vec<usize>,
    pub(crate) seed: u64,
    pub(crate) json: bool,
    pub(crate) quiet: bool,
    pub(crate) settle: Duration,
    pub(crate) allow_rejected: bool,
    /// Receive with the server's own loop instead of sending.
    pub(crate) null: bool,
    /// With `null`: run until standard input ends.
    pub(crate) until_eof: bool,
    /// With `null`: the receive buffer in bytes.
    pub(crate) rcvbuf: usize,
    /// With `null`: the time that a batch is left to fill.
    pub(crate) batch_wait: Duration,
}

/// What a command line is.
#[derive(Debug)]
pub(crate) enum Command {
    /// Send.
    Run(Box<Options>),
    /// Print the help.
    Help,
    /// Print the version.
    Version,
}

/// Reads the arguments after the program's name. Errors name the flag, the value and the cause.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command> {
    let Some(values) = FlagValues::collect(arguments)? else { return Ok(Command::Help) };
    if values.switch("version")? {
        return Ok(Command::Version);
    }
    Ok(Command::Run(Box::new(values.options()?)))
}

/// The text of each flag, by name; defaults where nothing was given.
struct FlagValues(BTreeMap<&'static str, String>);

impl FlagValues {
    /// None if help is asked for.
    fn collect(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<Self>> {
        let mut values: BTreeMap<_, _> =
            FLAGS.iter().map(|flag| (flag.name, flag.default.to_owned())).collect();
        let mut parser = lexopt::Parser::from_args(arguments);
        let mut words = parser.raw_args().context("arguments")?;
        while let Some(word) = words.next() {
            let word =
                word.into_string().map_err(|word| anyhow!("{} is no text", word.display()))?;
            let Some(flag) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
                bail!("unexpected argument {word:?}");
            };
            let (name, mut value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (flag, None),
            };
            if name == "h" || name == "help" {
                return Ok(None);
            }
            let Some(FlagSpec { name, takes, .. }) = FLAGS.iter().find(|known| known.name == name)
            else {
                bail!("flag provided but not defined: -{name}");
            };
            if value.is_none() {
                value = if takes.is_empty() {
                    Some("true".to_owned())
                } else {
                    words.next().and_then(|value| value.into_string().ok())
                };
            }
            let value = value.with_context(|| format!("flag needs an argument: -{name}"))?;
            values.insert(name, value);
        }
        Ok(Some(Self(values)))
    }

    /// The text of a flag of the table.
    fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn error(&self, name: &str, cause: &str) -> anyhow::Error {
        anyhow!("invalid value {:?} for flag -{name}: {cause}", self.text(name))
    }

    fn number<T: FromStr>(&self, name: &str) -> Result<T> {
        self.text(name).parse().map_err(|_| self.error(name, "no such number"))
    }

    /// A number of things of which there must be one.
    fn at_least_one(&self, name: &str) -> Result<usize> {
        match self.number(name)? {
            0 => Err(self.error(name, "must be 1 or more")),
            number => Ok(number),
        }
    }

    /// A finite number of seconds or per second; none if it is 0.
    fn positive(&self, name: &str) -> Result<Option<f64>> {
        match self.number::<f64>(name)? {
            number if (0.0..1e12).contains(&number) => Ok(Some(number).filter(|n| *n > 0.0)),
            _ => Err(self.error(name, "must not be negative")),
        }
    }

    fn switch(&self, name: &str) -> Result<bool> {
        self.number(name).map_err(|_| self.error(name, "must be true or false"))
    }

    /// One of two words; whether it is the second.
    fn is_second(&self, name: &str, words: [&str; 2]) -> Result<bool> {
        let place = words.iter().position(|word| *word == self.text(name));
        place
            .map(|i| i == 1)
            .ok_or_else(|| self.error(name, &format!("takes {}", words.join(" or "))))
    }

    fn options(&self) -> Result<Options> {
        let to = match (self.text("udp"), self.text("uds")) {
            ("", "") => bail!("nowhere to send: give -udp ADDR or -uds PATH"),
            (address, "") => Destination::Udp(host(address)),
            ("", path) => Destination::Unix(path.into()),
            _ => bail!("-udp and -uds exclude each other"),
        };
        let count = Some(self.number("count")?).filter(|count| *count > 0);
        let weights = Weights::parse(self.text("mix"))
            .map_err(|error| self.error("mix", &format!("{error:#}")))?;
        let options = Options {
            to,
            http: Some(self.text("http")).filter(|text| !text.is_empty()).map(host),
            pid: Some(self.number("pid")?).filter(|pid| *pid > 0),
            series: self.at_least_one("series")?,
            style: self.style()?,
            weights,
            random: self.is_second("order", ["sequential", "random"])?,
            per_datagram: self.at_least_one("per-datagram")?,
            ports: self.at_least_one("ports")?,
            clients: self.at_least_one("clients")?,
            connect_each: self.switch("connect-each")?,
            rate: self.positive("rate")?,
            time: self.time(count.is_some())?,
            count,
            threads: self.at_least_one("threads")?,
            gso: self.switch("gso")?,
            batch: self.at_least_one("batch")?.min(MAX_BATCH),
            pin: self.pin()?,
            seed: self.number("seed")?,
            json: self.switch("json")?,
            quiet: self.switch("quiet")?,
            settle: self.settle()?,
            allow_rejected: self.switch("allow-rejected")?,
            null: self.switch("null")?,
            until_eof: self.switch("until-eof")?,
            rcvbuf: self.number("udp-rcvbuf")?,
            batch_wait: Duration::from_micros(self.number("batch-wait-us")?),
        };
        options.refuse_contradictions()
    }

    fn style(&self) -> Result<LineStyle> {
        Ok(LineStyle {
            short: self.is_second("line", ["http", "short"])?,
            families: self.at_least_one("names")?,
            label_bytes: self.number("label-bytes")?,
            unique: self.switch("unique")?,
        })
    }

    fn time(&self, counted: bool) -> Result<Duration> {
        Ok(match self.positive("seconds")? {
            Some(seconds) => Duration::from_secs_f64(seconds),
            None if counted => Duration::MAX,
            None => Duration::from_secs(10),
        })
    }

    fn pin(&self) -> Result<Vec<usize>> {
        let cores = self.text("pin").split(',').filter(|core| !core.is_empty());
        cores.map(|core| core.parse().map_err(|_| self.error("pin", "no such core"))).collect()
    }

    /// A number with the unit ms, s or m.
    fn settle(&self) -> Result<Duration> {
        let text = self.text("settle-timeout");
        let (number, unit) = text.split_at(text.find(char::is_alphabetic).unwrap_or(text.len()));
        let unit = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            _ => return Err(self.error("settle-timeout", "needs a unit: ms, s or m")),
        };
        let seconds = number.parse().map_or(-1.0, |number: f64| number * unit);
        Duration::try_from_secs_f64(seconds)
            .map_err(|_| self.error("settle-timeout", "no such duration"))
    }
}

impl Options {
    /// Refuses what does not go together.
    fn refuse_contradictions(self) -> Result<Self> {
        let (period, threads) = (self.weights.period(), self.threads);
        ensure!(self.series >= period, "-series must be {period} or more, so that -mix fits");
        ensure!(self.series >= threads, "-series must be {threads} or more: one for each thread");
        ensure!(!self.style.short || self.style.label_bytes == 0, "-label-bytes needs -line=http");
        let udp = matches!(self.to, Destination::Udp(_));
        ensure!(udp || !self.gso, "-gso needs -udp");
        ensure!(!udp || !self.connect_each, "-connect-each needs -uds");
        Ok(self)
    }
}

/// `:9099` means this machine, as in the server's own flags; so do the addresses that only a server can have.
fn host(address: &str) -> String {
    match address.rsplit_once(':') {
        Some(("" | "0.0.0.0", port)) => format!("127.0.0.1:{port}"),
        Some(("[::]", port)) => format!("[::1]:{port}"),
        _ => address.to_owned(),
    }
}

#[cfg(test)]
mod tests;
