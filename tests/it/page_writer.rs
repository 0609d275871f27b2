//! A page made piece by piece, while its series are born, count, die and are replaced between the pieces.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use metrics_server::testing::exposition::page;
use metrics_server::testing::exposition::{PIECE_BYTES, PageWriter, Texts};
use metrics_server::testing::metric::{BucketParams, Hops, Kind, Label, Op, Sample};
use metrics_server::testing::registry::Directory;
use metrics_server::testing::registry::Expiry;
use metrics_server::testing::registry::LocalRegistry;
use metrics_server::testing::registry::Mailboxes;
use metrics_server::testing::registry::cell::Total;
use metrics_server::testing::registry::{Registry, SeriesLimits};

const BOUNDS: [f64; 4] = [0.05, 0.5, 1.0, 1e6];
const TTL_NS: u64 = 10;

/// A registry with one worker.
struct OneWorker {
    local_registry: LocalRegistry,
    directory: Directory,
    expiry: Expiry,
}

impl OneWorker {
    fn new() -> Self {
        let bounds = SeriesLimits::unlimited(1).with_buckets_max(100);
        let registry = Arc::new(Registry::new(bounds, |_| false));
        let mailboxes = Arc::new(Mailboxes::new(1));
        Self {
            local_registry: LocalRegistry::new(0, Arc::clone(&registry), Arc::clone(&mailboxes)),
            directory: Directory::new(registry),
            expiry: Expiry::new(TTL_NS, mailboxes),
        }
    }

    fn count(&mut self, op: Op, name: &str, label: &str, value: f64, now_ns: u64) {
        let buckets = BucketParams { custom: &BOUNDS, ..BucketParams::default() };
        let labels = &[Label { name: "l", value: label }];
        let (help, index) = ("Help", "");
        let sample = Sample {
            op,
            name,
            labels,
            help,
            value,
            buckets,
            timestamp: None,
            index,
            hops: Hops::default(),
        };
        self.local_registry.count(op.kind().unwrap(), &sample, &[], now_ns).unwrap();
    }

    fn directory(&mut self) -> &Directory {
        self.directory.merge_new_cells();
        &self.directory
    }

    /// Lets all die that had their last sample before `now_ns`.
    fn retire(&mut self, now_ns: u64) -> usize {
        let mut died = 0;
        while {
            let pass = self.expiry.pass(&mut self.directory, now_ns);
            self.local_registry.handle_requests();
            died += pass.removed.len();
            pass.outstanding > 0
        } {}
        died
    }

    /// The page as one would write it without pieces.
    fn whole(&mut self) -> String {
        let mut out = Vec::new();
        for view in self.directory().families() {
            let family = &view.family;
            page::header(&mut out, &family.name, family.kind, &family.help);
            for entry in view.series() {
                match entry.total() {
                    Total::Histogram { counts, sum } => {
                        let (name, bounds) = (&family.name, &family.bounds);
                        page::histogram(&mut out, name, entry.text(), bounds, &counts, sum.value());
                    }
                    total => page::sample(&mut out, &family.name, entry.text(), total.value()),
                }
            }
        }
        String::from_utf8(out).unwrap()
    }
}

/// The next piece, which is bounded but for the line that fills it and a header.
fn piece(writer: &mut PageWriter, directory: &Directory, slack: usize) -> String {
    let mut piece = Vec::new();
    writer.write(directory, &mut piece);
    assert!(piece.len() < PIECE_BYTES + slack, "a piece of {} bytes", piece.len());
    String::from_utf8(piece).unwrap()
}

fn rest(writer: &mut PageWriter, directory: &Directory, slack: usize) -> String {
    let mut text = String::new();
    while !writer.is_done() {
        text += &piece(writer, directory, slack);
    }
    assert_eq!(piece(writer, directory, 1), "", "nothing follows the end");
    text
}

#[test]
fn pieces_add_up_to_the_page() {
    let mut registry = OneWorker::new();
    let values = [1.0, 0.25, 1e6, 123_456_789.0, 0.0, 999_999.0, 1e300, 1e16];
    for number in 0..3000_usize {
        let (label, value) = (format!("{number:050}"), values[number % values.len()]);
        registry.count(Op::Inc, "b_counter", &label, value, 1);
        registry.count(Op::Set, "a_gauge", &label, -value, 1);
        registry.count(Op::Obs, ["d_first", "d_second"][number % 2], &label, value, 1);
    }
    let own = [("a", "a 1\n"), ("b_text", "b_text 1\n"), ("z", "z 1\n")];
    let texts: Texts = own.iter().map(|&(name, text)| (name, text.into())).collect();
    let page = rest(&mut PageWriter::new(texts), registry.directory(), 500);
    let families = registry.whole();
    assert!(families.len() > 5 * PIECE_BYTES, "too small a page to say anything");
    // The texts stand between families, in the order of names.
    let at = |text: &str| page.find(text).unwrap();
    let order = ["a 1\n", "# HELP a_gauge ", "# HELP b_counter ", "b_text 1\n", "# HELP d_first "];
    assert!(order.map(at).is_sorted());
    assert!(page.ends_with("\nz 1\n"));
    let without = own.iter().fold(page, |page, (_, text)| page.replacen(text, "", 1));
    assert!(without == families);
}

#[test]
fn a_series_longer_than_a_piece_is_cut_between_lines_and_is_of_one_moment() {
    let mut registry = OneWorker::new();
    let long = "x".repeat(60_000);
    registry.count(Op::Obs, "h", &long, 0.2, 1);
    let mut writer = PageWriter::new(Texts::new());
    let mut page = piece(&mut writer, registry.directory(), 61_000);
    while !writer.is_done() {
        registry.count(Op::Obs, "h", &long, 0.2, 1);
        page += &piece(&mut writer, registry.directory(), 61_000);
    }
    let values: Vec<&str> =
        page.lines().skip(2).map(|line| line.rsplit_once(' ').unwrap().1).collect();
    assert_eq!(values, ["0", "1", "1", "1", "1", "0.2", "1"]);
    registry.retire(100);
}

/// What a page says of a family's series: each line once, under one header.
#[track_caller]
fn lines_of(page: &str, name: &str) -> Vec<String> {
    assert!(page.matches(&format!("# TYPE {name} ")).count() <= 1, "two headers of {name}");
    let start = format!("{name}{{");
    let lines: Vec<String> =
        page.lines().filter(|line| line.starts_with(&start)).map(str::to_owned).collect();
    let distinct: HashSet<&str> =
        lines.iter().map(|line| line.rsplit_once(' ').unwrap().0).collect();
    assert_eq!(distinct.len(), lines.len(), "a series of {name} stands twice");
    lines
}

#[test]
fn series_come_and_go_between_pieces() {
    let mut registry = OneWorker::new();
    let label = |number: usize| format!("{number:080}");
    for number in (0..6000).step_by(2) {
        registry.count(Op::Inc, "m", &label(number), 1.0, if number % 4 == 0 { 1 } else { 50 });
    }
    let mut writer = PageWriter::new(Texts::new());
    let mut page = piece(&mut writer, registry.directory(), 500);
    let shown = lines_of(&page, "m").len();
    // Half of them die, the last that was shown perhaps among them; others are born among them.
    assert_eq!(registry.retire(50), 1500);
    for number in (1..6000).step_by(2) {
        registry.count(Op::Inc, "m", &label(number), 1.0, 50);
    }
    page += &rest(&mut writer, registry.directory(), 500);
    let mut want = BTreeSet::new();
    for number in 0..6000 {
        let was_shown = number <= 2 * (shown - 1);
        let is_there = if was_shown { number % 2 == 0 } else { number % 4 != 0 };
        if is_there {
            want.insert(format!("m{{l=\"{}\"}} 1", label(number)));
        }
    }
    assert!(lines_of(&page, "m").iter().eq(&want), "other series than there were");
}

#[test]
fn a_name_that_is_taken_by_another_family_waits_for_the_next_page() {
    let mut registry = OneWorker::new();
    for number in 0..3000 {
        registry.count(Op::Inc, "m", &format!("{number:080}"), 1.0, 1);
    }
    registry.count(Op::Inc, "n", "", 1.0, 1000);
    let mut writer = PageWriter::new(Texts::new());
    let mut page = piece(&mut writer, registry.directory(), 500);
    assert_eq!(registry.retire(500), 3000);
    registry.count(Op::Set, "m", &"9".repeat(80), 7.0, 1000);
    let kinds: Vec<Kind> = registry.directory().families().map(|view| view.family.kind).collect();
    assert_eq!(kinds, [Kind::Gauge, Kind::Counter]);
    page += &rest(&mut writer, registry.directory(), 500);
    assert!(lines_of(&page, "m").iter().all(|line| line.ends_with(" 1")));
    assert_eq!(lines_of(&page, "n").len(), 1);
    assert!(
        rest(&mut PageWriter::new(Texts::new()), registry.directory(), 500) == registry.whole()
    );
}

#[test]
fn few_and_many_newcomers_find_their_places() {
    let mut registry = OneWorker::new();
    let mut want = BTreeSet::new();
    // By turns many at once, and a few among those that stand: before, between and behind them.
    for (first, step, count) in
        [(3, 7, 3000), (0, 10_000, 3), (4, 700, 40), (5, 7, 3000), (1, 1, 1), (90_000, 1, 9)]
    {
        for number in 0..count {
            let label = format!("{:08}", first + number * step);
            registry.count(Op::Inc, "m", &label, 1.0, 1);
            want.insert(format!("m{{l=\"{label}\"}} "));
        }
        let page = rest(&mut PageWriter::new(Texts::new()), registry.directory(), 500);
        let lines = lines_of(&page, "m");
        assert!(lines.iter().map(|line| &line[..line.len() - 1]).eq(&want));
    }
}
