//! The server's own families, as text, each ready to be put in its place on the page.
//!
//! Names, types and help come from the tables of `stats`; this file knows where the numbers are. Runs on the
//! thread `exporter`, once per page.

use crate::exporter::expiry_timer::{ExpiryTotals, PASS_BOUNDS_SECONDS};
use crate::exporter::process;
use crate::exporter::scrape::ScrapeStats;
use crate::exporter::udp_sockets::UdpSocketReading;
use crate::exposition::page;
use crate::exposition::page_writer::Texts;
use crate::http::pages::Encoding;
use crate::http::web_config::WebConfigStats;
use crate::http::{Evicted, HttpStats, Refusal};
use crate::logger;
use crate::metric::{Coercion, Kind, Op, OpType, Rejection};
use crate::registry::Registry;
use crate::stats::{
    CloseReason, LOOP_LAG_BOUNDS_SECONDS, OwnFamily, StandardFamily, Stats, Transport,
};

mod counters;
mod own_page;
mod sinks;

pub(crate) use counters::OwnCounters;
use own_page::{OwnPage, sums};

/// All of the server's own families but the number of series, with their present values.
pub(crate) fn texts(counters: &OwnCounters, registry: &Registry, expiry: &ExpiryTotals) -> Texts {
    let mut own = OwnPage::new(Texts::new());
    own.messages(&counters.workers, counters.sinks.forwards);
    sinks::families(&mut own, &counters.sinks);
    own.transports(&counters.workers, &counters.udp_sockets.read());
    own.one(OwnFamily::Unread, counters.udp_sockets.unread());
    own.registry(counters, registry);
    own.expiry(expiry);
    own.server(counters);
    own.process();
    own.http(&counters.http);
    own.into_texts()
}

/// Adds the number of series: counters, gauges, histograms.
pub(crate) fn add_series(texts: Texts, series: [u64; 3]) -> Texts {
    let mut own = OwnPage::new(texts);
    let kinds = [Kind::Counter, Kind::Gauge, Kind::Histogram].map(Kind::as_str);
    own.own(OwnFamily::Series, kinds.into_iter().zip(series.map(|count| count as f64)));
    own.into_texts()
}

impl OwnPage {
    fn by_worker(&mut self, own: OwnFamily, values: impl Iterator<Item = f64>) {
        let numbered: Vec<(String, f64)> =
            values.enumerate().map(|(worker, value)| (worker.to_string(), value)).collect();
        self.own(own, numbered.iter().map(|(worker, value)| (worker.as_str(), *value)));
    }

    fn messages(&mut self, stats: &Stats, forwards: bool) {
        // With -remote the server forwards messages instead of processing them.
        let found = sums(stats, OpType::NAMES, |worker| &worker.op_types);
        let none = |(name, _): &(&'static str, f64)| (*name, 0.0);
        if forwards {
            let forwarded = |(name, count): &(&'static str, f64)| {
                let passed_on = *name != Op::Shutdown.as_str();
                (*name, if passed_on { *count } else { 0.0 })
            };
            self.own(OwnFamily::Forwarded, found.iter().map(forwarded));
            self.own(OwnFamily::Processed, found.iter().map(none));
        } else {
            self.own(OwnFamily::Forwarded, found.iter().map(none));
            self.own(OwnFamily::Processed, found);
        }
        self.sum(OwnFamily::Framed, stats, |worker| worker.framed.get());
        let ops = Op::ALL.map(Op::as_str);
        self.sums(OwnFamily::Accepted, stats, ops, |worker| &worker.accepted);
        let reasons = Rejection::ALL.iter().map(|reason| reason.as_str());
        self.sums(OwnFamily::Rejected, stats, reasons, |worker| &worker.rejected);
        let coercions = Coercion::ALL.iter().map(|reason| reason.as_str());
        self.sums(OwnFamily::Coerced, stats, coercions, |worker| &worker.coerced);
        self.sum(OwnFamily::Parsed, stats, |worker| worker.parsed.get());
        self.sum(OwnFamily::Templates, stats, |worker| worker.templates.get());
        self.sum(OwnFamily::TemplateBytes, stats, |worker| worker.template_bytes.get());
        self.sum(OwnFamily::Garbage, stats, |worker| worker.garbage_bytes.get());
        self.sum(OwnFamily::Panics, stats, |worker| worker.panics.get());
    }

    fn transports(&mut self, stats: &Stats, udp_sockets: &[UdpSocketReading]) {
        self.sum(OwnFamily::Datagrams, stats, |worker| worker.datagrams.get());
        self.sum(OwnFamily::UnixDatagrams, stats, |worker| worker.unix_datagrams.get());
        self.sum(OwnFamily::Truncated, stats, |worker| worker.truncated.get());
        self.sums(OwnFamily::ReceivedBytes, stats, Transport::NAMES, |worker| &worker.bytes);
        self.by_worker(
            OwnFamily::KernelDrops,
            udp_sockets.iter().map(|socket| socket.drops as f64),
        );
        self.by_worker(
            OwnFamily::QueueBytes,
            udp_sockets.iter().map(|socket| socket.queued_bytes.into()),
        );
        self.by_worker(
            OwnFamily::BufferBytes,
            udp_sockets.iter().map(|socket| socket.buffer_bytes.into()),
        );
        self.by_worker(
            OwnFamily::Connections,
            stats.iter().map(|worker| worker.connections.get() as f64),
        );
        self.sum(OwnFamily::ConnectionsAccepted, stats, |worker| worker.connections_accepted.get());
        let reasons = CloseReason::ALL.iter().map(|reason| reason.as_str());
        self.sums(OwnFamily::ConnectionsClosed, stats, reasons, |worker| {
            &worker.connections_closed
        });
        self.sum(OwnFamily::ConnectionsHandedOver, stats, |worker| {
            worker.connections_handed_over.get()
        });
        self.sum(OwnFamily::ConnectionsRefused, stats, |worker| worker.connections_refused.get());
        self.sum(OwnFamily::AcceptPauses, stats, |worker| worker.accept_pauses.get());
        self.sum(OwnFamily::AcceptErrors, stats, |worker| worker.accept_errors.get());
        self.sum(OwnFamily::PartialBytes, stats, |worker| worker.partial_bytes.get());
        self.loop_lag(stats);
        self.by_worker(OwnFamily::Wakeups, stats.iter().map(|worker| worker.wakeups.get() as f64));
    }

    fn loop_lag(&mut self, stats: &Stats) {
        let family = OwnFamily::LoopLag.family();
        self.family(family, |text| {
            for (number, worker) in stats.iter().enumerate() {
                let labels = format!("{}=\"{number}\"", family.label);
                let (buckets, sum) = (worker.loop_lag.buckets(), worker.loop_lag.sum_seconds());
                let bounds = &LOOP_LAG_BOUNDS_SECONDS;
                page::histogram(text, family.name, labels.as_bytes(), bounds, &buckets, sum);
            }
        });
    }

    fn registry(&mut self, counters: &OwnCounters, registry: &Registry) {
        self.one(OwnFamily::ExposedLines, registry.lines());
        self.one(OwnFamily::ExposedLinesLimit, registry.limits().lines_max());
        let accounted = registry.bytes() + counters.bytes_beside_series();
        self.one(OwnFamily::Memory, accounted);
        self.one(OwnFamily::MemoryFragmented, registry.fragmented_bytes());
        self.one(OwnFamily::MemoryLimit, counters.memory_max_bytes);
    }

    fn expiry(&mut self, totals: &ExpiryTotals) {
        let [inc, set, obs] = totals.deleted.map(|count| count as f64);
        self.own(OwnFamily::Deleted, [("inc", inc), ("obs", obs), ("set", set)]);
        let kinds = [Kind::Counter, Kind::Gauge, Kind::Histogram].map(Kind::as_str);
        self.own(
            OwnFamily::Evicted,
            kinds.into_iter().zip(totals.evicted.map(|count| count as f64)),
        );
        self.one(OwnFamily::StaledLength, totals.watched);
        let family = OwnFamily::CleanUpDuration.family();
        self.family(family, |text| {
            let ExpiryTotals { counts, seconds, .. } = totals;
            page::histogram(text, family.name, b"", &PASS_BOUNDS_SECONDS, counts, *seconds);
        });
    }

    fn server(&mut self, counters: &OwnCounters) {
        self.own(OwnFamily::BuildInfo, [(env!("CARGO_PKG_VERSION"), 1.0)]);
        self.scrapes(&counters.scrapes);
        self.one(OwnFamily::LogSuppressed, logger::suppressed());
        self.one(OwnFamily::HttpPanics, counters.http.panics() + counters.scrapes.panics());
        self.connections(&counters.http);
        self.web_config(&counters.web_config);
    }

    fn scrapes(&mut self, scrapes: &ScrapeStats) {
        let (time, bytes) = scrapes.last_page();
        self.own(OwnFamily::ScrapeDuration, [("", time.as_secs_f64())]);
        self.one(OwnFamily::ScrapeSize, bytes);
        let begun = |encoding: Encoding| (encoding.as_str(), scrapes.begun(encoding) as f64);
        self.own(OwnFamily::ScrapePages, Encoding::ALL.map(begun));
    }

    fn connections(&mut self, http: &HttpStats) {
        self.one(OwnFamily::HttpAcceptErrors, http.accept_errors());
        self.one(OwnFamily::HttpConnections, http.connections());
        self.one(OwnFamily::HttpConnectionsAccepted, http.accepted());
        let evicted = |state: Evicted| (state.as_str(), http.evicted(state) as f64);
        self.own(OwnFamily::HttpEvicted, Evicted::ALL.map(evicted));
        self.one(OwnFamily::HttpIdleTimeouts, http.idle_timeouts());
        let refused = |reason: Refusal| (reason.as_str(), http.refused(reason) as f64);
        self.own(OwnFamily::HttpRefused, Refusal::ALL.map(refused));
        self.one(OwnFamily::HttpSlow, http.slow_readers());
    }

    fn web_config(&mut self, stats: &WebConfigStats) {
        let refused = stats.refused_logins().by_reason();
        self.own(
            OwnFamily::HttpLoginsRefused,
            refused.map(|(reason, count)| (reason, count as f64)),
        );
        let forgotten = stats.forgotten_logins().by_table();
        self.own(
            OwnFamily::HttpLoginsForgotten,
            forgotten.map(|(table, count)| (table, count as f64)),
        );
        self.one(OwnFamily::HttpWebConfigFailures, stats.read_failures());
        self.one(OwnFamily::HttpWebConfigTimeouts, stats.read_timeouts());
        let last_success = stats.last_success_unix_seconds();
        self.own(OwnFamily::HttpWebConfigSuccess, last_success.map(|seconds| ("", seconds as f64)));
    }

    fn process(&mut self) {
        for process::ProcessSample { family, value } in process::read() {
            let family = family.family();
            self.family(family, |text| page::sample(text, family.name, b"", value));
        }
    }

    fn http(&mut self, http: &HttpStats) {
        let family = StandardFamily::ScrapesInFlight.family();
        self.family(family, |text| {
            page::sample(text, family.name, b"", http.in_flight() as f64);
        });
        let family = StandardFamily::Scrapes.family();
        self.family(family, |text| {
            for (code, count) in http.requests() {
                let labels = format!("{}=\"{code}\"", family.label);
                page::sample(text, family.name, labels.as_bytes(), count as f64);
            }
        });
    }
}
