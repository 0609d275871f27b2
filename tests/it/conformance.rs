//! Replays the recorded cases of `tests/cases/` against the server, each with one worker and with four.
//!
//! A case is a folder: `args` (flags, one a line), `input` (all bytes sent), `steps.json` (which bytes go where, and when
//! to look), `expected.prom` (user families at the end; `expected.NAME.prom` at a step `snap`), `expected.books` (all of
//! the server's own message counters that have moved by then) and `file-NAME` (put into the directory before the
//! start). `@UDP@` and `@HTTP@` stand for ports, `@TTL@` for a time to live. `about.txt` says what must hold.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::common::send::Client;
use crate::common::server::temp_dir;
use crate::common::ttl::{TooSlow, ttl_flag, with_ttl, within};
use crate::common::wait::until;
use crate::common::{Page, Server, page, ports};

macro_rules! cases {
    ($($case:ident)*) => {
        const CASES: &[&str] = &[$(stringify!($case)),*];
        $(mod $case {
            #[test]
            fn with_1_worker() {
                super::replay(stringify!($case), "1");
            }

            #[test]
            fn with_4_workers() {
                super::replay(stringify!($case), "4");
            }
        })*
    };
}

cases! {
    bucket_change_ignored
    bucket_count
    bucket_count_huge
    bucket_count_negative
    bucket_custom_duplicate
    bucket_custom_unsorted
    bucket_custom_with_string
    bucket_factor
    bucket_factor_half
    bucket_factor_one
    bucket_factor_overflow
    bucket_infinite_last
    bucket_le_label
    bucket_min_above_max
    bucket_min_equals_max
    bucket_min_max_single
    bucket_number_forms
    bucket_precedence
    bucket_thousand
    bucket_width
    bucket_width_negative
    bucket_width_too_small
    conflict_histogram_over_suffix
    conflict_label_set
    conflict_suffix_of_histogram
    conflict_type
    counter
    counter_precision
    extra_labels
    extra_labels_colons_and_spaces
    extra_labels_file
    extra_labels_file_comments
    extra_labels_file_empty
    extra_labels_file_format
    extra_labels_trimmed
    frame_balanced_braces_in_strings
    frame_binary
    frame_close_brace_first
    frame_close_brace_in_string
    frame_concatenated
    frame_crlf
    frame_empty_and_blank
    frame_first_half_alone
    frame_garbage_between
    frame_garbage_then_clean
    frame_halves_over_udp
    frame_halves_udp_and_unix
    frame_open_brace_in_string
    frame_pretty_printed
    frame_sources_interleaved
    frame_stray_close
    frame_stream_cut_anywhere
    frame_stream_two_writes
    gauge
    go_names_free
    help_escapes
    histogram_default_buckets
    inc_negative
    keys_case_duplicates_unknown
    label_name_with_space
    label_names
    label_value_not_string
    labels_empty_or_missing
    labels_null
    labels_php_empty_array
    name_invalid_repeated
    nesting_deep
    op_cardinality
    op_unknown
    reserved_names
    reserved_prefix
    source_labels_overwritten
    source_udp
    source_udp_port_only
    source_uds_pool_and_default
    timestamp_ignored
    ttl
    ttl_frees_the_name
    uds_pool_trimmed
    value_forms
    value_not_finite
}

#[test]
fn no_case_is_left_out() {
    let mut found: Vec<String> = fs::read_dir(cases_dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap().replace('-', "_"))
        .collect();
    found.sort();
    let mut listed = CASES.to_vec();
    listed.sort_unstable();
    assert_eq!(found, listed, "folders of tests/cases against the list in this file");
}

fn cases_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

/// One replay of one case.
struct Replay<'a> {
    case: &'a Path,
    server: Server,
    /// Where it runs; deleted after it.
    _dir: TempDir,
    /// Connections that stay open, by the name that the steps give them.
    open: BTreeMap<String, Client>,
    input: Vec<u8>,
    udp: String,
    /// How far fractional values may be off, in the last place.
    ulp: u64,
    /// How long a series is there after its last sample, where series go.
    ttl: Option<Duration>,
    /// When the oldest sample was about to be sent of which a series may be left.
    oldest: Option<Instant>,
}

fn replay(case: &str, workers: &str) {
    let case = cases_dir().join(case.replace('_', "-"));
    let args = read_text(&case.join("args"));
    if args.contains("@TTL@") {
        with_ttl(|ttl| {
            let args = args.replace("@TTL@", &ttl_flag(ttl));
            Replay::start(&case, &args, workers, Some(ttl)).run()
        });
    } else {
        Replay::start(&case, &args, workers, None).run().expect("no time is claimed");
    }
}

impl<'a> Replay<'a> {
    fn start(case: &'a Path, arguments: &str, workers: &str, ttl: Option<Duration>) -> Self {
        let dir = temp_dir();
        let udp = ports::free().to_string();
        let arguments = arguments.replace("@HTTP@", "0").replace("@UDP@", &udp);
        let mut args: Vec<&str> = arguments.lines().collect();
        args.extend(["-workers", workers]);
        for entry in fs::read_dir(case)
            .expect("the case is a folder")
            .map(|entry| entry.expect("a readable folder"))
        {
            if let Some(name) =
                entry.file_name().to_str().and_then(|name| name.strip_prefix("file-"))
            {
                fs::copy(entry.path(), dir.path().join(name))
                    .expect("the case's file can be copied");
            }
        }
        let server = Server::must_start(dir.path(), &args);
        let input = fs::read(case.join("input")).expect("the case's input");
        // With one worker a sum is added up in the order of the messages, so it is exact.
        let ulp = if workers == "1" { 0 } else { 4 };
        Self { case, server, _dir: dir, open: BTreeMap::new(), input, udp, ulp, ttl, oldest: None }
    }

    fn run(mut self) -> Result<(), TooSlow> {
        let steps: Vec<Value> = serde_json::from_str(&read_text(&self.case.join("steps.json")))
            .expect("steps are JSON");
        for step in &steps {
            self.step(step)?;
        }
        let page = self.snapshot("expected.prom")?;
        assert_eq!(
            books(&page),
            expected_books(self.case),
            "books (left: the page's) in {}",
            self.case.display()
        );
        drop(self.open);
        self.server.stop();
        Ok(())
    }

    fn step(&mut self, step: &Value) -> Result<(), TooSlow> {
        let text = |key: &str| step[key].as_str().unwrap_or_default().to_owned();
        match step["do"].as_str().expect("a step says what to do") {
            "udp" => {
                self.oldest.get_or_insert_with(Instant::now);
                self.server.send_udp(self.bytes(step));
                self.server.settled();
            }
            "uds" => {
                self.oldest.get_or_insert_with(Instant::now);
                let bytes = self.bytes(step).to_vec();
                self.write(&text("sock"), &text("conn"), &bytes);
            }
            "close" => {
                self.open.remove(&text("conn"));
                self.server.settled();
            }
            "snap" => {
                self.snapshot(&format!("expected.{}.prom", text("name")))?;
            }
            // All series have outlived their time.
            "expired" => {
                until("no series is left", || {
                    let user = self.server.scrape().user();
                    if user.is_empty() { Ok(()) } else { Err(user) }
                });
                self.oldest = None;
            }
            other => panic!("no such step: {other}"),
        }
        Ok(())
    }

    fn bytes(&self, step: &Value) -> &[u8] {
        let number =
            |key: &str| usize::try_from(step[key].as_u64().expect("a number")).expect("a size");
        let start = number("offset");
        &self.input[start..start + number("len")]
    }

    /// Writes to a connection of its own or, if it has a name, to one that stays open.
    fn write(&mut self, socket: &str, name: &str, bytes: &[u8]) {
        if name.is_empty() {
            self.server.connect(socket).send(bytes);
        } else {
            let client =
                self.open.entry(name.to_owned()).or_insert_with(|| self.server.connect(socket));
            client.send(bytes);
        }
        // The next step may go to another worker; its place in the order is after this one.
        self.server.settled();
    }

    /// Compares the user families with a file of the case.
    fn snapshot(&self, name: &str) -> Result<Page, TooSlow> {
        let page = self.server.settled();
        if let (Some(ttl), Some(oldest)) = (self.ttl, self.oldest) {
            // Messages of a unix connection count from a time shortly before they are read.
            within(ttl / 2, oldest)?;
        }
        let want = read_text(&self.case.join(name)).replace("@UDP@", &self.udp);
        if let Err(difference) = page::compare(&want, &page.user(), self.ulp) {
            panic!("{}/{name}: {difference}\nlog:\n{}", self.case.display(), self.server.stderr());
        }
        Ok(page)
    }
}

/// The counters of `expected.books`, and what they are called there.
const BOOKS: [(&str, &str); 7] = [
    ("framed", "messages_framed_total"),
    ("accepted", "messages_accepted_total"),
    ("rejected", "messages_rejected_total"),
    ("coerced", "messages_coerced_total"),
    ("garbage", "garbage_bytes_total"),
    ("processed", "processed_metrics_total"),
    ("deleted", "deleted_metrics_total"),
];

/// What has moved on a page.
fn books(page: &Page) -> BTreeMap<String, u64> {
    let all = BOOKS.iter().flat_map(|(short, family)| {
        page.own_family(family)
            .into_iter()
            .map(move |(labels, value)| (format!("{short}{labels}"), value))
    });
    all.filter(|(_, value)| *value != 0).collect()
}

fn expected_books(case: &Path) -> BTreeMap<String, u64> {
    let line = |line: &str| {
        let (series, value) = line.rsplit_once(' ').expect("a name and a value");
        (series.to_owned(), value.parse().expect("a count"))
    };
    read_text(&case.join("expected.books")).lines().map(line).collect()
}

fn read_text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
