//! The same lines to the server and to `statsd_exporter`: what both show must be the same, but for the differences that
//! docs/statsd.md lists.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use crate::common::server::temp_dir;
use crate::common::wait::until;
use crate::common::{Server, http, ports};
use crate::service::home;

/// Series by their text, with labels in the order of their names.
type Samples = BTreeMap<String, f64>;

/// Lines of the generated load.
const LINES: usize = 2_000;

/// What is sent last, so that whoever shows it has read all.
const LAST: &str = "sentinel:1|c";

/// A process of `statsd_exporter` of its own, which counts timers into histograms.
struct Exporter {
    child: Child,
    http: u16,
    tcp: u16,
    _dir: tempfile::TempDir,
}

impl Drop for Exporter {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Exporter {
    fn start() -> Self {
        let (http, tcp, dir) = (ports::free(), ports::free(), temp_dir());
        let mapping = dir.path().join("mapping.yaml");
        fs::write(&mapping, "defaults:\n  observer_type: histogram\n").expect("a file");
        let child = Command::new(home("statsd-exporter").join("statsd_exporter"))
            .arg(format!("--web.listen-address=127.0.0.1:{http}"))
            .arg(format!("--statsd.listen-tcp=127.0.0.1:{tcp}"))
            .arg("--statsd.listen-udp=")
            .arg(format!("--statsd.mapping-config={}", mapping.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("statsd_exporter is built by `make services`");
        let exporter = Self { child, http, tcp, _dir: dir };
        until("statsd_exporter answers", || {
            http::get(exporter.http, "/-/ready").map_err(|error| error.to_string())
        });
        exporter
    }

    /// Sends lines, and returns what is shown then.
    fn shows(&self, lines: &[String]) -> Samples {
        let mut stream = TcpStream::connect(("127.0.0.1", self.tcp)).expect("a connection");
        stream.write_all((lines.join("\n") + "\n" + LAST + "\n").as_bytes()).expect("a write");
        drop(stream);
        until("statsd_exporter has counted all", || {
            let page = http::get(self.http, "/metrics").map_err(|error| error.to_string())?;
            let samples = samples(&page.text());
            if samples.contains_key("sentinel") { Ok(samples) } else { Err(page.text()) }
        })
    }
}

/// Sends lines to a server of its own, and returns what is shown then.
fn ours(lines: &[String]) -> Samples {
    let server = Server::start(&["-source-labels=false", "-workers", "1"]);
    server.send_unix(lines.join("\n") + "\n" + LAST + "\n");
    let page = server.settled();
    server.stop();
    samples(&page.user())
}

/// The samples of a page, without those of the program itself.
fn samples(page: &str) -> Samples {
    let own = ["statsd_", "go_", "process_", "promhttp_"];
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    let users = lines.filter(|line| !own.iter().any(|prefix| line.starts_with(prefix)));
    users
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            (sorted(series), value.parse().expect("a number"))
        })
        .collect()
}

/// The series with its labels in the order of their names.
fn sorted(series: &str) -> String {
    let Some((name, labels)) = series.split_once('{') else { return series.to_owned() };
    // No value here has a quote in it.
    let labels: BTreeSet<&str> = labels.trim_end_matches("\"}").split("\",").collect();
    let labels: Vec<&str> = labels.into_iter().collect();
    format!("{name}{{{}\"}}", labels.join("\","))
}

/// A small generator of numbers that is the same on every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        // The constants of Knuth's MMIX; the upper bits are the good ones.
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % bound
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from[self.below(from.len())]
    }

    fn line(&mut self) -> String {
        // Each type has names of its own, and some share one.
        let stem =
            self.pick(&["shop.orders", "9lives", "a-b--c", "with blank", "é.x", "UPPER_1", "a:"]);
        let stem = stem.trim_end_matches(':');
        let (kind, stat_type) =
            [("c", "c"), ("g", "g"), ("t", "ms"), ("h", "h"), ("h", "d")][self.below(5)];
        let name = if self.below(20) == 0 { "shared".to_owned() } else { format!("{stem}.{kind}") };
        let value = self.pick(&["1", "0", "3", "0.25", "1e2", ".5", "7.", "12345", "0.001", "250"]);
        let sign = if stat_type == "g" { self.pick(&["", "", "+", "-"]) } else { "" };
        let value = &format!("{sign}{value}");
        let rate = if stat_type == "g" {
            ""
        } else {
            self.pick(&["", "", "|@0.1", "|@0.5", "|@0.3", "|@1"])
        };
        match self.below(10) {
            0..=3 => format!("{name}:{value}|{stat_type}{rate}"),
            4 | 5 => format!("{name}:{value}|{stat_type}{rate}|#{}", self.tags(':')),
            6 => format!("{name},{}:{value}|{stat_type}{rate}", self.tags('=')),
            7 => format!("{name}#{}:{value}|{stat_type}{rate}", self.tags('=')),
            8 => format!("{name}[{}]:{value}|{stat_type}{rate}", self.tags('=')),
            _ => self.odd(&name, value, stat_type),
        }
    }

    /// Tags, of which some have no value or come twice.
    fn tags(&mut self, separator: char) -> String {
        let mut tags = Vec::new();
        for _ in 0..=self.below(3) {
            let tag = self.pick(&["shop", "a.b", "9x", "Zone", "sh-op"]);
            tags.push(match self.below(8) {
                0 => tag.to_owned(),
                1 => format!("{tag}{separator}"),
                _ => format!("{tag}{separator}{}", self.pick(&["de", "fr", "x/y", "ü", "1 2"])),
            });
        }
        tags.join(",")
    }

    /// Several values or samples, and what is refused by both.
    fn odd(&mut self, name: &str, value: &str, stat_type: &str) -> String {
        match self.below(10) {
            0 if matches!(stat_type, "ms" | "h" | "d") => {
                format!("{name}:{value}:2:0.5|{stat_type}|@0.5")
            }
            1 => format!("{name}:{value}|{stat_type}:2|{stat_type}"),
            2 => format!("{name}:{value}x|{stat_type}"),
            3 => format!("{name}:{value}|s"),
            4 => format!("{name}:{value}"),
            5 => format!("{name}:{value}|{stat_type}|"),
            6 => format!("{name}:{value}|{stat_type}|x"),
            7 => format!("{name},a=1:{value}|{stat_type}|#b:1"),
            8 => format!("{name}:{value}|{stat_type}|T1656581400"),
            _ => format!("{name}:-{value}|c"),
        }
    }
}

#[test]
fn generated_lines_make_the_same_page() {
    let mut numbers = Numbers(1);
    let lines: Vec<String> = (0..LINES).map(|_| numbers.line()).collect();
    let (ours, theirs) = (ours(&lines), Exporter::start().shows(&lines));
    assert!(theirs.len() > 500, "{} series", theirs.len());
    let series: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let differ = |series: &&&String| match (ours.get(**series), theirs.get(**series)) {
        // Sums are added up in another order.
        (Some(one), Some(other)) => (one - other).abs() > 1e-9 * one.abs().max(1.0),
        _ => true,
    };
    let differences: Vec<String> = series
        .iter()
        .filter(differ)
        .map(|series| {
            format!("{series}: {:?}, theirs {:?}", ours.get(*series), theirs.get(*series))
        })
        .collect();
    assert!(differences.is_empty(), "{} series:\n{}", differences.len(), differences.join("\n"));
}

/// The differences that docs/statsd.md lists: a line, the series that it makes here, and the one that it makes there.
#[test]
fn the_differences_are_those_that_are_listed() {
    type Shown = Option<(&'static str, f64)>;
    let differences: &[(&str, Shown, Shown)] = &[
        ("d1:1:2|c", Some(("d1", 3.0)), None),
        ("d2:1:2|g", Some(("d2", 2.0)), None),
        ("d3:1|c|@0", None, Some(("d3", 1.0))),
        ("d4:1|c|@x", None, Some(("d4", 1.0))),
        ("d5:1|c|@2", None, Some(("d5", 0.5))),
        ("d6:NaN|g", None, Some(("d6", f64::NAN))),
        ("d7:0x1p-2|c", None, Some(("d7", 0.25))),
        (
            "d8:1|c|#a:1|c:id",
            Some((r#"d8{a="1"}"#, 1.0)),
            Some((r#"d8{a="1",container_id="id"}"#, 1.0)),
        ),
        ("d{9}:1|c", None, Some(("d_9_", 1.0))),
        ("_sc|d10|2", Some(("d10", 2.0)), None),
    ];
    let lines: Vec<String> = differences.iter().map(|(line, ..)| (*line).to_owned()).collect();
    let (ours, theirs) = (ours(&lines), Exporter::start().shows(&lines));
    let text = |samples: &Samples, name: &str| -> Vec<String> {
        let of_line = samples.iter().filter(|(series, _)| series.split('{').next() == Some(name));
        of_line.map(|(series, value)| format!("{series} {value}")).collect()
    };
    for (line, here, there) in differences {
        for (samples, expected, other) in [(&ours, here, there), (&theirs, there, here)] {
            let series = expected.or(*other).expect("one of them shows it").0;
            let name = series.split('{').next().expect("a name");
            let expected: Vec<String> =
                expected.iter().map(|(series, value)| format!("{series} {value}")).collect();
            assert_eq!(text(samples, name), expected, "{line}");
        }
    }
}
