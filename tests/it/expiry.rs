//! `-metric-clean-up`: which series go, when, and that nothing that was counted is lost before.

use std::cell::Cell;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::ttl::{TooSlow, ttl_flag, with_ttl, within};
use crate::common::wait::until;
use crate::common::{Page, Server, inc};

fn start(ttl: Duration, more: &[&str]) -> Server {
    let ttl = ttl_flag(ttl);
    let flags = ["-metric-clean-up", "-metric-ttl", &ttl, "-source-labels=false"];
    Server::start(&[&flags, more].concat())
}

/// Scrapes until a series is gone.
fn gone(server: &Server, series: &str) {
    until("the series is gone", || match server.scrape().get(series) {
        Some(value) => Err(format!("{series} {value}")),
        None => Ok(()),
    });
}

/// Waits until so many series of each kind were deleted: a series is gone a moment before it is booked.
fn deleted(server: &Server, want: [u64; 3]) {
    until("deleted series are booked", || {
        let page = server.scrape();
        let of = |op| page.own(&format!(r#"deleted_metrics_total{{type="{op}"}}"#));
        let got = ["inc", "set", "obs"].map(of);
        if got == want { Ok(()) } else { Err(format!("{got:?}")) }
    });
}

/// Waits until a pass has told that so many series are watched.
fn watched(server: &Server, want: u64) {
    until("the number of watched series is told", || {
        let got = server.scrape().own("staled_storage_length");
        if got == want { Ok(()) } else { Err(got.to_string()) }
    });
}

/// Samples that come often enough to keep their series.
///
/// Every datagram comes from a port of its own, so the samples go to any worker; each worker alone is idle for longer
/// than the time to live now and then.
struct Samples<'a> {
    server: &'a Server,
    ttl: Duration,
    /// When the last one was about to be sent.
    last: Instant,
}

impl<'a> Samples<'a> {
    fn new(server: &'a Server, ttl: Duration) -> Self {
        Self { server, ttl, last: Instant::now() }
    }

    /// Sends one a while after the last, and returns the page on which it counts: before the time to live of the last
    /// one has passed.
    fn send(&mut self, message: &str) -> Result<Page, TooSlow> {
        // Part of what is tested: samples that come well within the time to live, but not all at once.
        sleep(self.ttl / 4);
        let now = Instant::now();
        self.server.send_udp(message);
        let page = self.server.settled();
        within(self.ttl, std::mem::replace(&mut self.last, now))?;
        Ok(page)
    }

    /// Sends one after the other until a page is as asked for.
    fn send_until(
        &mut self,
        what: &str,
        mut message: impl FnMut() -> String,
        is_it: impl Fn(&Page) -> bool,
    ) -> Result<Page, TooSlow> {
        until(what, || match self.send(&message()) {
            Ok(page) if !is_it(&page) => Err("not yet".to_owned()),
            Ok(page) => Ok(Ok(page)),
            Err(too_slow) => Ok(Err(too_slow)),
        })
    }
}

#[test]
fn each_kind_goes_without_traffic_and_not_early() {
    with_ttl(|ttl| {
        let server = start(ttl, &["-workers", "4"]);
        let before = Instant::now();
        server.send_udp(
            inc("c")
                + r#"{"name":"g","op":"set","value":1}{"name":"h","op":"obs","buckets":2,"value":1}"#,
        );
        let page = server.settled();
        within(ttl, before)?;
        let values = ["c", "g", "h_count"].map(|series| page.get(series));
        assert_eq!(values, [Some(1.0); 3]);
        for series in ["c", "g", "h_count"] {
            gone(&server, series);
            assert!(before.elapsed() >= ttl, "{series} went early");
        }
        assert_eq!(server.scrape().user(), "");
        watched(&server, 0);
        deleted(&server, [1, 1, 1]);
        server.stop();
        Ok(())
    });
}

/// A series is gone a tenth of its time to live after its deadline, and a second after it where that is less.
#[test]
fn an_idle_series_goes_soon_after_its_deadline() {
    with_ttl(|ttl| {
        let server = start(ttl, &["-workers", "4"]);
        server.send_udp(inc("c"));
        server.settled();
        let deadline = Instant::now() + ttl;
        let mut last_seen = deadline;
        let mut slowest_scrape = Duration::ZERO;
        until("the series is gone", || {
            let asked = Instant::now();
            let is_there = server.scrape().get("c").is_some();
            slowest_scrape = slowest_scrape.max(asked.elapsed());
            if is_there {
                // The page is not older than the request for it.
                last_seen = last_seen.max(asked);
                return Err("it is there".to_owned());
            }
            Ok(())
        });
        server.stop();
        let promised = (ttl / 10).min(Duration::from_secs(1));
        // What a scrape waits for the machine, a pass over idle series may wait as well.
        let late = last_seen - deadline;
        if late <= promised + slowest_scrape {
            return Ok(());
        }
        Err(TooSlow(format!("{late:?} late, and the slowest scrape took {slowest_scrape:?}")))
    });
}

#[test]
fn living_series_are_watched() {
    // Long enough for any machine.
    let server = start(Duration::from_hours(1), &[]);
    server.send_udp(inc("a") + &inc("b"));
    server.settled();
    watched(&server, 2);
    server.stop();
}

/// The time to live alone ends nothing, while a server with both flags deletes what came later.
#[test]
fn nothing_goes_without_clean_up() {
    let ttl = Duration::from_millis(500);
    let server = Server::start(&["-metric-ttl", &ttl_flag(ttl), "-source-labels=false"]);
    let deleting = start(ttl, &[]);
    server.send_udp(inc("kept"));
    server.settled();
    for series in ["first", "second"] {
        deleting.send_udp(inc(series));
        deleting.settled();
        gone(&deleting, series);
    }
    assert_eq!(server.scrape().get("kept"), Some(1.0));
    server.stop();
    deleting.stop();
}

/// Samples that come to different workers keep one series alive together, and its sum never falls.
#[test]
fn each_sample_puts_the_deadline_off() {
    with_ttl(|ttl| {
        let server = start(ttl, &["-workers", "4"]);
        let sent = Cell::new(0.0);
        let message = || {
            sent.set(sent.get() + 1.0);
            inc("c") + r#"{"name":"h","op":"obs","buckets":1,"value":0.5}"#
        };
        let mut samples = Samples::new(&server, ttl);
        // Each of these has one sample, and goes.
        for once in ["first", "second", "third", "fourth"] {
            server.send_udp(inc(once));
            samples.send_until("the other is gone", message, |page| {
                let values = ["c", "h_count", "h_sum"].map(|series| page.get(series));
                assert_eq!(values, [sent.get(), sent.get(), sent.get() / 2.0].map(Some));
                page.get(once).is_none()
            })?;
        }
        gone(&server, "c");
        gone(&server, "h_count");
        deleted(&server, [5, 0, 1]);
        server.stop();
        Ok(())
    });
}

/// A gauge that idle workers gave up shows the value that was set last.
#[test]
fn gauge_keeps_its_last_value() {
    with_ttl(|ttl| {
        let server = start(ttl, &["-workers", "4"]);
        let mut samples = Samples::new(&server, ttl);
        for value in 1..=12 {
            let page = samples.send(&format!(r#"{{"name":"g","op":"set","value":{value}}}"#))?;
            assert_eq!(page.get("g"), Some(f64::from(value)));
        }
        gone(&server, "g");
        server.stop();
        Ok(())
    });
}

/// A sample of another type is refused as long as the series stands, and does not keep it.
#[test]
fn refused_samples_keep_nothing_alive() {
    with_ttl(|ttl| {
        let server = start(ttl, &[]);
        let mut samples = Samples::new(&server, ttl);
        server.send_udp(inc("m"));
        let gauge = || r#"{"name":"m","op":"set","value":7}"#.to_owned();
        let is_gauge = |page: &Page| page.user().contains("# TYPE m gauge\nm 7\n");
        let page = samples.send_until("the counter is gone", gauge, is_gauge)?;
        assert!(page.rejected("type_conflict") > 0, "{}", page.text);
        server.stop();
        Ok(())
    });
}

/// A family that lost its last series is a new one the next time.
#[test]
fn a_name_may_come_back_as_something_else() {
    with_ttl(|ttl| {
        let server = start(ttl, &["-workers", "2"]);
        server.send_udp(r#"{"name":"m","op":"inc","value":5,"help":"old"}"#);
        server.send_udp(r#"{"name":"h","op":"obs","buckets":1,"value":1}"#);
        server.settled();
        gone(&server, "m");
        gone(&server, "h_count");
        let before = Instant::now();
        server.send_udp(r#"{"name":"m","op":"set","value":7,"help":"new","labels":{"a":"b"}}"#);
        server.send_udp(inc("h_count"));
        let page = server.settled();
        within(ttl, before)?;
        assert_eq!(page.refused(), 0);
        let user = page.user();
        assert!(user.contains("# HELP m new\n# TYPE m gauge\nm{a=\"b\"} 7\n"), "{user}");
        assert_eq!(page.get("h_count"), Some(1.0));
        server.stop();
        Ok(())
    });
}

/// Each series has a deadline of its own. With some of them gone a family stands with the others, and conflicts are
/// refused as before.
#[test]
fn a_family_stands_as_long_as_one_of_its_series() {
    // Labels that would be the same if they were written one behind the other.
    const GONE: (&str, &str) = (r#""a":"1 b 2","b":"3""#, r#"m{a="1 b 2",b="3"}"#);
    const KEPT: (&str, &str) = (r#""a":"1","b":"2 b 3""#, r#"m{a="1",b="2 b 3"}"#);
    let message = |labels| format!(r#"{{"name":"m","op":"inc","value":1,"labels":{{{labels}}}}}"#);
    with_ttl(|ttl| {
        let server = start(ttl, &["-workers", "2", "-mixed-label-sets=false"]);
        let mut samples = Samples::new(&server, ttl);
        server.send_udp(message(GONE.0));
        let mut sent = 0;
        let kept = || {
            sent += 1;
            message(KEPT.0)
        };
        let is_gone = |page: &Page| page.get(GONE.1).is_none();
        samples.send_until("the other is gone", kept, is_gone)?;
        let page = samples.send(&inc("m"))?;
        assert_eq!(page.get(KEPT.1), Some(f64::from(sent)));
        assert_eq!(page.rejected("label_set_conflict"), 1);
        server.stop();
        Ok(())
    });
}

/// Bounds are freed with the series that filled them.
#[test]
fn room_is_given_back() {
    with_ttl(|ttl| {
        let server = start(ttl, &["-lines-max", "2"]);
        server.send_udp(inc("a") + &inc("b") + &inc("c"));
        assert_eq!(server.settled().rejected("lines_limit"), 1);
        gone(&server, "a");
        gone(&server, "b");
        let before = Instant::now();
        server.send_udp(inc("c"));
        let page = server.settled();
        within(ttl, before)?;
        assert_eq!((page.get("c"), page.rejected("lines_limit")), (Some(1.0), 1));
        server.stop();
        Ok(())
    });
}
