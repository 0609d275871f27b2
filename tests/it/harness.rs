//! The harness itself: a comparison that finds no difference where there is one would make every other test worthless.

use crate::common::Page;
use crate::common::http;
use crate::common::page::compare;
use crate::common::peer::{Peer, Reply};

const WANT: &str =
    "# HELP a \n# TYPE a counter\na 0.3\n# HELP b \n# TYPE b counter\nb{l=\"x y\"} 2\n";

#[test]
fn equal_pages_are_equal() {
    assert_eq!(compare(WANT, WANT, 0), Ok(()));
    assert_eq!(compare("", "", 0), Ok(()));
}

#[test]
fn every_difference_is_found() {
    for (from, to) in [
        ("b{l=\"x y\"} 2", "b{l=\"x y\"} 3"),
        ("b{l=\"x y\"} 2", "b{l=\"xy\"} 2"),
        ("b{l=\"x y\"} 2", "b{l=\"x y\"} 2.0"),
        ("# HELP a \n", "# HELP a\n"),
        ("# TYPE a counter", "# TYPE a gauge"),
        ("a 0.3\n", ""),
        ("a 0.3\n", "a 0.3\na2 1\n"),
        ("2\n", "2"),
    ] {
        let got = WANT.replacen(from, to, 1);
        assert_ne!(got, WANT);
        for ulp in [0, 4] {
            assert!(compare(WANT, &got, ulp).is_err(), "{from:?} became {to:?}");
            assert!(compare(&got, WANT, ulp).is_err(), "{to:?} became {from:?}");
        }
    }
    assert!(compare(WANT, "", 4).is_err());
}

#[test]
fn only_fractions_may_be_off_in_the_last_place() {
    let near = WANT.replace("0.3", "0.30000000000000004");
    assert!(compare(WANT, &near, 0).is_err());
    assert_eq!(compare(WANT, &near, 4), Ok(()));
    let far = WANT.replace("0.3", "0.3000000000000004");
    assert!(compare(WANT, &far, 4).is_err());
    let whole = WANT.replace("} 2", "} 2.0000000000000004");
    assert!(compare(WANT, &whole, 4).is_err());
    let negative = WANT.replace("0.3", "-0.3");
    assert!(compare(WANT, &negative, 4).is_err());
}

#[test]
fn own_families_are_set_aside_and_go_names_are_not() {
    let text = "# HELP go_x \n# TYPE go_x gauge\ngo_x 1\n\
                # HELP metrics_server_y help\n# TYPE metrics_server_y counter\nmetrics_server_y 2\n\
                # HELP process_z help\n# TYPE process_z gauge\nprocess_z 3\n\
                # HELP zz \n# TYPE zz gauge\nzz 4\n";
    let page = Page::parse(text);
    let want = "# HELP go_x \n# TYPE go_x gauge\ngo_x 1\n# HELP zz \n# TYPE zz gauge\nzz 4\n";
    assert_eq!(page.user(), want);
    assert_eq!((page.own("y"), page.get("process_z")), (2, Some(3.0)));
}

#[test]
fn pages_that_prometheus_would_refuse_are_refused() {
    for bad in [
        "a 1\n",
        "# HELP a \na 1\n",
        "# HELP a \n# TYPE a summary\n",
        "# HELP a \n# TYPE b counter\n",
        "# HELP a \n# TYPE a counter\na 1",
        "# HELP a \n# TYPE a counter\na 1\na 1\n",
        "# HELP a \n# TYPE a counter\nb 1\n",
        "# HELP a \n# TYPE a counter\na x\n",
        "# HELP a \n# TYPE a counter\n\na 1\n",
        "# HELP a \n# TYPE a counter\na 1\n# HELP a \n# TYPE a counter\n",
    ] {
        assert!(std::panic::catch_unwind(|| Page::parse(bad)).is_err(), "{bad:?} was taken");
    }
}

#[test]
fn answers_are_taken_apart() {
    let reply = http::parse(b"HTTP/1.1 200 OK\r\nA: b:c\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    let reply = reply.unwrap();
    assert_eq!(
        (reply.status, reply.header("a"), &reply.body[..]),
        (200, Some("b:c"), &b"abcde"[..])
    );
    let torn = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nd";
    assert!(http::parse(torn).is_err());
    assert!(http::parse(b"HTTP/1.1 200 OK\r\nA: b\r\n").is_err());
}

#[test]
fn a_peer_keeps_what_it_was_sent_and_answers_by_its_script() {
    let peer =
        Peer::start(|request| Reply::status(if request.path == "/a" { 204 } else { 503 }, "x"));
    let ask = |path| http::request(peer.port, "PUT", path, &[("Content-Length", "0")]).unwrap();
    assert_eq!(ask("/a").status, 204);
    assert_eq!((ask("/b").status, ask("/b").text()), (503, "x".to_owned()));
    peer.script(|_| Reply::CutInBody("halved".to_owned()));
    assert_eq!(ask("/b").text(), "hal");
    peer.script(|_| Reply::Reset);
    assert!(http::get(peer.port, "/c").is_err());
    let seen: Vec<_> =
        peer.requests().into_iter().map(|request| request.method + &request.path).collect();
    assert_eq!(seen, ["PUT/a", "PUT/b", "PUT/b", "PUT/b", "GET/c"]);
}
