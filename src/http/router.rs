//! Chooses the response to a request: login, path, method, encoding.
//!
//! Runs on the thread `http`, once per request. Pages come from [`Pages`]. It must not know sockets.

use std::net::SocketAddr;
use std::rc::Rc;

use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{
    ACCEPT_ENCODING, ALLOW, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName,
    HeaderValue, RETRY_AFTER, SERVER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};

use super::accept_encoding::asks_for_gzip;
use super::body::ResponseBody;
use super::login::LoginRefusal;
use super::pages::{Encoding, PageError, Pages};
use super::progress::{Progress, ResponseGuard};
use super::refusal::Refusal;
use super::state::ServerState;

/// The media type by which scrapers know the text format of Prometheus.
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

/// The response to a request.
pub(super) async fn respond(
    shared: Rc<ServerState>,
    peer: SocketAddr,
    progress: Rc<Progress>,
    request: Request<Incoming>,
) -> Response<ResponseBody> {
    let guard = progress.begin_response();
    let (head, body) = request.into_parts();
    let has_body = !body.is_end_stream();
    drop(body); // the server reads no bodies
    let config = shared.web_config.get().await;
    let authorization = head.headers.get(AUTHORIZATION);
    let mut response = match shared.web_config.check_login(&config, peer.ip(), authorization).await
    {
        Ok(()) => {
            let gzip = wants_gzip(&head.headers);
            answer(&shared, guard, &head.method, head.uri.path(), gzip).await
        }
        Err(refusal) => {
            shared.refuse(Refusal::Login, peer);
            login_refused(refusal, guard)
        }
    };
    if has_body {
        shared.refuse(Refusal::Body, peer);
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response.headers_mut().insert(SERVER, HeaderValue::from_static("metrics-server"));
    for (name, value) in config.headers() {
        response.headers_mut().insert(name, value.clone());
    }
    response
}

fn wants_gzip(headers: &HeaderMap) -> bool {
    asks_for_gzip(headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()))
}

async fn answer(
    shared: &ServerState,
    guard: ResponseGuard,
    method: &Method,
    path: &str,
    gzip: bool,
) -> Response<ResponseBody> {
    let Some(route) = route(path) else {
        return error(StatusCode::NOT_FOUND, "404 page not found\n", guard);
    };
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut response = error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n", guard);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    if route != Route::Metrics {
        return small_page(route, &*shared.pages, guard);
    }
    let response = metrics(shared, gzip, guard.count(shared.stats.begin())).await;
    shared.stats.count_answer(response.status().as_u16());
    response
}

fn route(path: &str) -> Option<Route> {
    match path {
        "/metrics" => Some(Route::Metrics),
        "/health" => Some(Route::Health),
        "/-/healthy" => Some(Route::Healthy),
        "/-/ready" => Some(Route::Ready),
        "/" => Some(Route::Landing),
        _ => None,
    }
}

/// The page of metrics. The response begins when the first piece is there, so that a page that cannot be made is
/// answered with a status of its own.
async fn metrics(shared: &ServerState, gzip: bool, guard: ResponseGuard) -> Response<ResponseBody> {
    let encoding = if gzip { Encoding::Gzip } else { Encoding::Identity };
    let receiver = shared.pages.begin(encoding);
    match receiver.await.unwrap_or(Err(PageError::Stopping)) {
        Ok(first) => {
            let mut response = Response::new(ResponseBody::page(first, guard));
            set(&mut response, CONTENT_TYPE, METRICS_TYPE);
            if gzip {
                set(&mut response, CONTENT_ENCODING, encoding.as_str());
            }
            response
        }
        Err(PageError::Panicked) => {
            let text = "An error has occurred while serving metrics:\n\nfault in the server\n";
            error(StatusCode::INTERNAL_SERVER_ERROR, text, guard)
        }
        Err(busy) => error(StatusCode::SERVICE_UNAVAILABLE, format!("{busy}\n"), guard),
    }
}

fn small_page(route: Route, pages: &dyn Pages, guard: ResponseGuard) -> Response<ResponseBody> {
    let (live, ready) = (pages.live(), pages.ready());
    let status = |good| if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    match route {
        Route::Healthy if live => text(status(live), "metrics-server is Healthy.\n", guard),
        Route::Healthy => text(status(live), "metrics-server is not healthy.\n", guard),
        Route::Ready if ready => text(status(ready), "metrics-server is Ready.\n", guard),
        Route::Ready => text(status(ready), "metrics-server is stopping.\n", guard),
        Route::Landing => with_type(StatusCode::OK, HTML_TYPE, pages.landing(), guard),
        Route::Health | Route::Metrics => {
            let mut response = Response::new(ResponseBody::whole(Bytes::new(), guard));
            *response.status_mut() = status(ready);
            response
        }
    }
}

fn login_refused(refusal: LoginRefusal, guard: ResponseGuard) -> Response<ResponseBody> {
    let status = refusal.status();
    let text = format!("{}\n", status.canonical_reason().expect("a standard status has a text"));
    let mut response = error(status, text, guard);
    if status == StatusCode::UNAUTHORIZED {
        set(&mut response, WWW_AUTHENTICATE, "Basic");
    }
    if let Some(seconds) = refusal.retry_after_seconds() {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// A response with the text of an error. Its header forbids browsers to guess another type than plain text.
fn error(
    status: StatusCode,
    message: impl Into<Bytes>,
    guard: ResponseGuard,
) -> Response<ResponseBody> {
    let mut response = text(status, message, guard);
    set(&mut response, X_CONTENT_TYPE_OPTIONS, "nosniff");
    response
}

fn text(
    status: StatusCode,
    text: impl Into<Bytes>,
    guard: ResponseGuard,
) -> Response<ResponseBody> {
    with_type(status, TEXT_TYPE, text, guard)
}

fn with_type(
    status: StatusCode,
    media_type: &'static str,
    bytes: impl Into<Bytes>,
    guard: ResponseGuard,
) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::whole(bytes, guard));
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE, media_type);
    response
}

fn set(response: &mut Response<ResponseBody>, name: HeaderName, value: &'static str) {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
}
