//! The shapes of load.

use std::fmt::Write as _;
use std::thread::sleep;
use std::time::Duration;

use crate::common::load::{Load, SHORT};
use crate::common::send::Client;
use crate::common::wait;
use crate::common::{Server, ports};

/// Loads a server. Clients that are returned stay connected.
type Feed = fn(&Server) -> Vec<Client>;

/// A shape of load.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) name: String,
    /// The server's flags beside the ports.
    pub(crate) flags: Vec<String>,
    pub(crate) feed: Feed,
    /// The bound of `-memory-max`, if the load goes past it.
    pub(crate) memory_max: Option<u64>,
}

/// The bound of shapes that go past it.
const MEMORY_MAX: u64 = 16 << 20;
/// Templates are made of messages that come again. Their table is as large as they may become from the start, but
/// untouched, so it is kept small where none is meant to be weighed.
const FEW_TEMPLATES: &str = "-shapes-max-bytes 1000000";
const EXPIRE: &str = "-shapes-max-bytes 1000000 -metric-clean-up -metric-ttl 1s";
const WORKERS: &str = "-shapes-max-bytes 1000000 -workers 4";

const FAMILIES: Load = Load { series: 50_000, per_name: 1, labels: 0, ..SHORT };
const LONG_NAMES: Load = Load { series: 600, per_name: 1, name: 50_000, ..SHORT };
const LONG_HELPS: Load = Load { series: 500, per_name: 1, help: 60_000, ..SHORT };
const MANY_LABELS: Load = Load { series: 6_000, labels: 62, label: 60, ..SHORT };
const LONG_VALUES: Load = Load { series: 500, labels: 1, label: 60_000, ..SHORT };
const HISTOGRAMS: Load = Load { op: "obs", series: 40_000, bounds: 10, ..SHORT };
const WIDE: Load = Load { op: "obs", series: 3_000, bounds: 1_024, ..SHORT };
const HISTOGRAM_FAMILIES: Load =
    Load { op: "obs", series: 10_000, per_name: 1, bounds: 5, ..SHORT };
const LONG_HISTOGRAM_NAMES: Load =
    Load { op: "obs", series: 300, per_name: 1, name: 50_000, bounds: 5, ..SHORT };
const COUNTERS: Load = Load { series: 60_000, ..SHORT };

/// Shapes that can grow past any bound: name, flags, load.
const GROWING: [(&str, &str, Feed); 20] = [
    ("counters", FEW_TEMPLATES, |s| sent(s, COUNTERS, 1)),
    ("gauges", FEW_TEMPLATES, |s| sent(s, Load { op: "set", ..COUNTERS }, 1)),
    ("gauges that are added to", FEW_TEMPLATES, |s| sent(s, Load { op: "add", ..COUNTERS }, 1)),
    ("gauges that are set and added to on 4 workers", WORKERS, set_and_added_to),
    ("histograms of 10 buckets", FEW_TEMPLATES, |s| sent(s, HISTOGRAMS, 1)),
    ("histograms of 1,024 buckets", FEW_TEMPLATES, |s| sent(s, WIDE, 1)),
    ("histograms of 60 sizes", FEW_TEMPLATES, many_sizes),
    ("families", FEW_TEMPLATES, |s| sent(s, FAMILIES, 1)),
    ("families of histograms", FEW_TEMPLATES, |s| sent(s, HISTOGRAM_FAMILIES, 1)),
    ("names of 50 KB", FEW_TEMPLATES, |s| sent(s, LONG_NAMES, 1)),
    ("names of 50 KB of histograms", FEW_TEMPLATES, |s| sent(s, LONG_HISTOGRAM_NAMES, 1)),
    ("helps of 60 KB", FEW_TEMPLATES, |s| sent(s, LONG_HELPS, 1)),
    ("62 labels", FEW_TEMPLATES, |s| sent(s, MANY_LABELS, 1)),
    ("label values of 60 KB", FEW_TEMPLATES, |s| sent(s, LONG_VALUES, 1)),
    ("mixed label sets", FEW_TEMPLATES, mixed_label_sets),
    ("counters on 4 workers", WORKERS, |s| sent(s, Load { series: 50_000, ..SHORT }, 4)),
    ("histograms of 1,024 buckets on 4 workers", WORKERS, |s| {
        sent(s, Load { series: 1_500, ..WIDE }, 4)
    }),
    ("families on 4 workers", WORKERS, |s| sent(s, Load { series: 40_000, ..FAMILIES }, 3)),
    ("names of 50 KB on 4 workers", WORKERS, |s| sent(s, LONG_NAMES, 2)),
    ("messages that come again", "-shapes-max-bytes 24000000", |s| sent(s, COUNTERS, 3)),
];

/// The others.
const OTHERS: [(&str, &str, Feed); 16] = [
    ("long messages that come again", "-shapes-max-bytes 60000000", |s| {
        sent(s, Load { series: 10_000, labels: 10, label: 100, ..SHORT }, 3)
    }),
    ("expired counters", EXPIRE, |s| expired(s, COUNTERS)),
    ("expired histograms of other sizes", EXPIRE, |s| {
        expired(s, Load { series: 10_000, per_name: 100, ..HISTOGRAMS })
    }),
    ("expired families", EXPIRE, |s| expired(s, Load { series: 20_000, ..FAMILIES })),
    ("expired helps of 60 KB", EXPIRE, |s| expired(s, LONG_HELPS)),
    (
        "expired counters on 4 workers",
        "-shapes-max-bytes 1000000 -metric-clean-up -metric-ttl 1s -workers 4",
        |s| expired(s, COUNTERS),
    ),
    (
        "expired counters that came again",
        "-shapes-max-bytes 24000000 -metric-clean-up -metric-ttl 1s",
        expired_again,
    ),
    (
        "one of 20 counters lives on",
        "-shapes-max-bytes 1000000 -metric-clean-up -metric-ttl 30s",
        survivors,
    ),
    (
        "one of 20 histograms lives on",
        "-shapes-max-bytes 1000000 -metric-clean-up -metric-ttl 30s",
        surviving_histograms,
    ),
    ("refused by type", FEW_TEMPLATES, refused_by_type),
    ("refused past -lines-max", "-shapes-max-bytes 1000000 -lines-max 10", |s| {
        sent(s, FAMILIES, 1)
    }),
    ("unfinished messages", FEW_TEMPLATES, |s| unfinished(s, 300)),
    ("unfinished messages on 4 workers", WORKERS, |s| unfinished(s, 300)),
    ("unfinished messages of clients that have gone", FEW_TEMPLATES, |s| {
        drop(unfinished(s, 300));
        Vec::new()
    }),
    ("messages of one byte after long ones", FEW_TEMPLATES, |s| short_after_long(s, 300)),
    ("idle connections", FEW_TEMPLATES, idle_connections),
];

/// All shapes: each by itself, and those that can grow also against a bound.
pub(crate) fn all() -> Vec<Shape> {
    let shape = |(name, flags, feed): (&str, &str, Feed)| Shape::new(name, flags, feed);
    let mut shapes: Vec<Shape> = GROWING.into_iter().chain(OTHERS).map(shape).collect();
    shapes.extend(GROWING.map(|row| shape(row).bounded()));
    let unfinished: (_, _, Feed) = ("unfinished messages", FEW_TEMPLATES, |s| unfinished(s, 900));
    shapes.push(shape(unfinished).bounded());
    let away = format!("-loki-address http://127.0.0.1:{}/loki/api/v1/push", ports::free());
    for (name, more) in
        [("queue of a sink", ""), ("queue of a sink that is full", " -sink-queue-bytes 8000000")]
    {
        shapes.push(Shape::new(name, &format!("{FEW_TEMPLATES} {away}{more}"), queued));
    }
    shapes
}

impl Shape {
    fn new(name: &str, flags: &str, feed: Feed) -> Self {
        let flags = ["-scrape-timeout", "10m"].into_iter().chain(flags.split_whitespace());
        let flags = flags.map(str::to_owned).collect();
        Self { name: name.to_owned(), flags, feed, memory_max: None }
    }

    /// The same load against a bound.
    fn bounded(mut self) -> Self {
        self.name.push_str(", bounded");
        self.flags.extend(["-memory-max".to_owned(), MEMORY_MAX.to_string()]);
        self.memory_max = Some(MEMORY_MAX);
        self
    }
}

/// The same series so many times.
fn sent(server: &Server, load: Load, times: usize) -> Vec<Client> {
    (0..times).for_each(|_| load.send(server, 0));
    Vec::new()
}

fn many_sizes(server: &Server) -> Vec<Client> {
    for round in 0..60 {
        Load { series: 150, bounds: 1 + 16 * round, ..HISTOGRAMS }.send(server, round);
    }
    Vec::new()
}

/// From ever new ports, so on all workers.
fn set_and_added_to(server: &Server) -> Vec<Client> {
    for op in ["set", "add"].repeat(4) {
        for batch in 0..200 {
            let mut text = String::new();
            for number in 100 * batch..100 * (batch + 1) {
                let labels = format!(r#"{{"series":"{number:020}"}}"#);
                writeln!(text, r#"{{"name":"s_gauge","op":"{op}","value":1,"labels":{labels}}}"#)
                    .expect("a string takes all");
            }
            server.send_udp(text);
        }
        server.settled();
    }
    Vec::new()
}

/// Under one name, all at once.
fn mixed_label_sets(server: &Server) -> Vec<Client> {
    for labels in 1..10 {
        Load { series: 6_000, labels, ..SHORT }.send(server, 0);
    }
    Vec::new()
}

/// Waits until as many series have expired.
fn wait_expired(server: &Server, count: usize) {
    wait::until("series have expired", || {
        sleep(Duration::from_millis(200));
        let page = server.own_families();
        let deleted = page.own_sum("deleted_metrics_total");
        if deleted == count as u64 {
            Ok(())
        } else {
            Err(format!("{deleted} of {count} have:\n{}", page.text))
        }
    });
}

/// Three times series of other sizes, each time until they are gone.
fn expired(server: &Server, load: Load) -> Vec<Client> {
    for round in 0..3 {
        load.send(server, round);
        wait_expired(server, load.series * (round + 1));
    }
    Vec::new()
}

fn expired_again(server: &Server) -> Vec<Client> {
    let load = Load { series: 50_000, ..SHORT };
    (0..3).for_each(|_| load.send(server, 0));
    wait::until("all have expired", || {
        sleep(Duration::from_millis(200));
        let left = server.own_families().own("exposed_lines");
        if left == 0 { Ok(()) } else { Err(format!("{left} are left")) }
    });
    Vec::new()
}

/// Some series, evenly among many, are sent until all others are gone.
fn survive(server: &Server, load: Load) -> Vec<Client> {
    const EVERY: usize = 20;
    let mut text = String::new();
    (0..load.series).step_by(EVERY).for_each(|number| load.message(0, number, &mut text));
    load.send(server, 0);
    let left = load.series.div_ceil(EVERY);
    wait::until("all others have expired", || {
        server.send_unix(&text);
        sleep(Duration::from_millis(200));
        let deleted = server.own_families().own_sum("deleted_metrics_total");
        if deleted >= (load.series - left) as u64 { Ok(()) } else { Err(format!("{deleted} have")) }
    });
    Vec::new() // what is left is judged within its time to live
}

fn survivors(server: &Server) -> Vec<Client> {
    survive(server, Load { series: 100_000, ..SHORT })
}

fn surviving_histograms(server: &Server) -> Vec<Client> {
    survive(server, Load { series: 14_000, bounds: 30, ..HISTOGRAMS })
}

fn refused_by_type(server: &Server) -> Vec<Client> {
    FAMILIES.send(server, 0);
    let text = (0..200_000).fold(String::new(), |mut text, number| {
        let _ =
            writeln!(text, r#"{{"name":"s_inc0_10_{number}_nnnnnnnnnn","op":"set","value":1}}"#);
        text
    });
    server.send_unix(text);
    Vec::new()
}

fn unfinished(server: &Server, connections: usize) -> Vec<Client> {
    let open = format!(r#"{{"op":"inc","value":1,"help":"{}"#, "h".repeat(100_000));
    let connect = |_| {
        let mut client = server.connect("ms.sock");
        client.send(open.as_bytes());
        client
    };
    (0..connections).map(connect).collect()
}

/// Each connection once needed room for a long message, and then keeps the first byte of another.
fn short_after_long(server: &Server, connections: usize) -> Vec<Client> {
    let long = format!(r#"{{"op":"inc","name":"a","value":1,"help":"{}"#, "h".repeat(130_000));
    let connect = |_| {
        let mut client = server.connect("ms.sock");
        client.send(long.as_bytes());
        server.settled_own_families();
        client.send(b"\"}{");
        client
    };
    (0..connections).map(connect).collect()
}

fn idle_connections(server: &Server) -> Vec<Client> {
    let connect = |_| {
        let mut client = server.connect("ms.sock");
        client.send(b"{\"op\":\"inc\",\"name\":\"a\",\"value\":1}\n");
        client
    };
    (0..800).map(connect).collect()
}

fn queued(server: &Server) -> Vec<Client> {
    let event = format!(r#"{{"op":"event","name":"e","labels":{{"a":"{}"}}}}"#, "v".repeat(500));
    let text = format!("{event}\n").repeat(1_000);
    (0..40).for_each(|_| server.send_unix(&text));
    Vec::new()
}
