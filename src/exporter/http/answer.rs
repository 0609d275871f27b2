//! Which answer a method and a target get: the routes, apart from the library that reads and sends.
//!
//! Runs on a receiving thread. Knows nothing of sockets.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::body::{Body, Content};
use super::stats::HttpStats;

/// What the server shows; called by several threads at once.
pub trait Pages: Send + Sync {
    /// The page of metrics, gzip-coded if asked.
    fn metrics(&self, gzip: bool) -> Content<'_>;
    /// Whether the process is well (`/-/healthy`).
    fn live(&self) -> bool;
    /// Whether traffic should be sent here (`/health`, `/-/ready`); `false` from the begin of a stop.
    fn ready(&self) -> bool;
    /// The landing page, as HTML.
    fn landing(&self) -> String;
}

/// The media type of the text format, as scrapers look for it.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
const TEXT_TYPE: &str = "text/plain; charset=utf-8";
const HTML_TYPE: &str = "text/html; charset=utf-8";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Metrics,
    Health,
    Healthy,
    Ready,
    Landing,
}

/// A status, headers and a body.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, &'static str)>,
    pub(super) body: Content<'a>,
}

impl<'a> Answer<'a> {
    fn new(status: u16, media_type: &'static str, body: Body) -> Self {
        let body = Content::Whole(Arc::new(body));
        Self { status, headers: vec![("Content-Type", media_type)], body }
    }

    fn text(status: u16, text: &str) -> Self {
        Self::new(status, TEXT_TYPE, text.into())
    }

    /// A text that no browser may take for something else.
    fn error(status: u16, text: &str) -> Self {
        let mut answer = Self::text(status, text);
        answer.headers.push(("X-Content-Type-Options", "nosniff"));
        answer
    }

    fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Content::Whole(Arc::default()) }
    }

    /// The answer to a request; a panic of a page becomes a 500.
    pub(super) fn to(
        pages: &'a dyn Pages,
        stats: &HttpStats,
        method: &str,
        target: &str,
        gzip: bool,
    ) -> Self {
        let Some(route) = route(target) else { return Self::error(404, "404 page not found\n") };
        if !matches!(method, "GET" | "HEAD") {
            let mut answer = Self::error(405, "Method Not Allowed\n");
            answer.headers.push(("Allow", "GET, HEAD"));
            return answer;
        }
        let answer =
            catch_unwind(AssertUnwindSafe(|| page(route, pages, gzip))).unwrap_or_else(|_| {
                stats.count_panic();
                Self::error(
                    500,
                    "An error has occurred while serving metrics:\n\nfault in the server\n",
                )
            });
        if route == Route::Metrics {
            stats.count_answer(answer.status);
        }
        answer
    }
}

/// Whether a request for this target is one for the page of metrics.
pub(super) fn is_metrics(target: &str) -> bool {
    route(target) == Some(Route::Metrics)
}

fn route(target: &str) -> Option<Route> {
    match path(target) {
        "/metrics" => Some(Route::Metrics),
        "/health" => Some(Route::Health),
        "/-/healthy" => Some(Route::Healthy),
        "/-/ready" => Some(Route::Ready),
        "/" => Some(Route::Landing),
        _ => None,
    }
}

/// The path of `/path?query` or `http://host/path?query`.
fn path(target: &str) -> &str {
    let target = target.split_once(['?', '#']).map_or(target, |(path, _)| path);
    match target.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => {
            rest.find('/').map_or("/", |at| &rest[at..])
        }
        _ => target,
    }
}

fn page(route: Route, pages: &dyn Pages, gzip: bool) -> Answer<'_> {
    match route {
        Route::Metrics => {
            let mut headers = vec![("Content-Type", METRICS_TYPE)];
            headers.extend(gzip.then_some(("Content-Encoding", "gzip")));
            Answer { status: 200, headers, body: pages.metrics(gzip) }
        }
        Route::Health => Answer::empty(if pages.ready() { 200 } else { 503 }),
        Route::Healthy if pages.live() => Answer::text(200, "metrics-server is Healthy.\n"),
        Route::Healthy => Answer::text(503, "metrics-server is not healthy.\n"),
        Route::Ready if pages.ready() => Answer::text(200, "metrics-server is Ready.\n"),
        Route::Ready => Answer::text(503, "metrics-server is stopping.\n"),
        Route::Landing => Answer::new(200, HTML_TYPE, pages.landing().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_find_their_route() {
        let table = [
            ("/metrics", Some(Route::Metrics)),
            ("/metrics?foo=bar", Some(Route::Metrics)),
            ("/metrics?x=http://a/b", Some(Route::Metrics)),
            ("http://host:9099/metrics?x", Some(Route::Metrics)),
            ("HTTPS://host", Some(Route::Landing)),
            ("/", Some(Route::Landing)),
            ("/?", Some(Route::Landing)),
            ("/health", Some(Route::Health)),
            ("/-/healthy", Some(Route::Healthy)),
            ("/-/ready", Some(Route::Ready)),
            ("/metrics/", None),
            ("/METRICS", None),
            ("//metrics", None),
            ("/a/../metrics", None),
            ("/health/", None),
            ("/debug/vars", None),
            ("*", None),
            ("", None),
            ("?", None),
            ("/x://host/metrics", None),
        ];
        for (target, expected) in table {
            assert_eq!(route(target), expected, "{target}");
        }
    }
}
