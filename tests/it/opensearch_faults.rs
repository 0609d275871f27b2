//! OpenSearch that is away, slow, full, or of another mind: no document is lost, none is stored twice, and the
//! rest of the server does not notice.

use std::collections::BTreeSet;
use std::net::TcpListener;

use crate::common::peer::{Peer, Reply, Request};
use crate::common::search::{
    self, Books, Document, SOON, bulk_inserts, bulks, documents, error, is_bulk, items, message,
    rejected, settled, well,
};
use crate::common::server::temp_dir;
use crate::common::{Server, inc, ports, wait};

/// Answers bulk requests one after another as scripted, then well.
fn scripted(answers: Vec<Reply>) -> impl FnMut(&Request) -> Reply + Send + 'static {
    let mut answers = answers.into_iter();
    move |request| {
        if is_bulk(request) {
            answers.next().unwrap_or_else(|| well(request))
        } else {
            well(request)
        }
    }
}

/// Messages with these values in one datagram, so that they come as one batch.
fn send(server: &Server, values: std::ops::Range<u32>) {
    server.send_udp(values.map(|value| message("", value)).collect::<String>());
}

fn values(documents: &[Document]) -> Vec<u64> {
    documents.iter().map(|document| document.get("value").as_u64().expect("a count")).collect()
}

/// The server counts, serves its page and is in good health.
fn rest_is_untouched(server: &Server) {
    server.send_udp(inc("beside"));
    let page = server.settled();
    assert!(page.user().contains("beside{"), "{}", page.user());
    assert_eq!(server.health(), Some(200));
}

#[test]
fn only_documents_that_may_yet_be_stored_are_sent_again() {
    let answers =
        vec![items(&[201, 400, 429, 503, 500, 413]), items(&[201, 409, 429]), items(&[200])];
    let peer = Peer::start(scripted(answers));
    let server = search::server(&peer, &SOON);
    send(&server, 0..6);
    let page = settled(&server, 6);
    let bulks = bulks(&peer);
    let sent: Vec<_> = bulks.iter().map(|bulk| values(bulk)).collect();
    assert_eq!(sent, [vec![0, 1, 2, 3, 4, 5], vec![2, 3, 4], vec![4]]);
    assert_eq!(bulks[1], bulks[0][2..5], "a document is the same in each request");
    assert_eq!(bulks[2][0], bulks[0][4]);
    assert_eq!(Books::of(&page).delivered, 4);
    assert_eq!((rejected(&page, "refused"), rejected(&page, "too_long")), (1, 1));
    assert_eq!((bulk_inserts(&page, "failed"), bulk_inserts(&page, "success")), (2, 1));
    let told = |line: &str| {
        line.contains("5 of 6 documents were not stored") && line.contains("type_of_400")
    };
    server.find_line(told).expect("a line");
}

/// Two at a time, since each failure doubles the wait.
#[test]
fn a_request_that_is_not_taken_is_sent_again_as_it_was() {
    let answers = [
        [Reply::status(429, ""), Reply::status(503, "busy")],
        [
            Reply::Answer(502, "Retry-After: 0\r\n".to_owned(), "<html>".to_owned()),
            Reply::status(403, r#"{"error":{"type":"cluster_block_exception"}}"#),
        ],
        [Reply::status(404, ""), Reply::status(302, "")],
        [
            Reply::status(400, "<html>plain HTTP was sent to an HTTPS port</html>"),
            Reply::status(200, "<html>log in</html>"),
        ],
        [Reply::status(401, ""), items(&[201])], // one result for two documents
    ];
    for answers in answers {
        let peer = Peer::start(scripted(answers.to_vec()));
        let server = search::server(&peer, &SOON);
        send(&server, 0..2);
        let page = settled(&server, 2);
        assert_eq!(Books::of(&page).delivered, 2);
        let bulks = bulks(&peer);
        assert_eq!(bulks.len(), 3);
        assert!(bulks.iter().all(|bulk| *bulk == bulks[0]));
        assert_eq!((bulk_inserts(&page, "failed"), bulk_inserts(&page, "success")), (2, 1));
        assert_eq!(page.own(r#"sink_up{sink="opensearch"}"#), 1);
    }
}

#[test]
fn what_is_logged_of_a_document_has_no_login() {
    let peer = Peer::start(|request| {
        let login = request.header("authorization").unwrap_or_default();
        let reason = format!("hunter22, {login}, no such field");
        let error = serde_json::json!({"type": "mapper_parsing_exception", "reason": reason});
        let item = serde_json::json!({"create": {"status": 400, "error": error}});
        let answer = serde_json::json!({ "items": [item] }).to_string();
        if is_bulk(request) { Reply::status(200, &answer) } else { well(request) }
    });
    let url = format!("http://user:hunter22@127.0.0.1:{}", peer.port);
    let server = Server::start_with_env(&SOON, &[(search::URL, &url)]);
    send(&server, 0..1);
    settled(&server, 1);
    let line = server.find_line(|line| line.contains("no such field")).expect("a line");
    assert!(line.contains("(hidden), Basic (hidden), no such field"), "{line}");
}

/// An index of which no document is taken does not make the far end one that takes nothing.
#[test]
fn it_is_up_as_long_as_it_takes_documents_of_others() {
    let ill = |request: &Request| is_bulk(request) && request.body.contains("\"ill-");
    let peer = Peer::start(move |request| {
        if ill(request) { items(&vec![503; documents(request).len()]) } else { well(request) }
    });
    let server = search::server(&peer, &SOON);
    server.send_udp(message("well", 1));
    settled(&server, 1);
    server.send_udp(message("ill", 2));
    let up = || server.scrape().own(r#"sink_up{sink="opensearch"}"#);
    wait::until_true("it was tried some times", || {
        assert_eq!(up(), 1, "{}", server.stderr());
        peer.requests().iter().filter(|request| ill(request)).count() >= 3
    });
    assert_eq!(up(), 1);
    peer.script(|_| Reply::Reset);
    server.send_udp(message("well", 3));
    wait::until_true("it is seen down", || up() == 0);
    peer.script(well);
    settled(&server, 3);
    assert_eq!(up(), 1);
}

#[test]
fn a_request_that_is_too_large_is_sent_in_halves() {
    let peer = Peer::start(|request| {
        // Two at most, and not that one.
        let large = is_bulk(request)
            && (documents(request).len() > 2 || request.body.contains("\"value\":1000"));
        if large { Reply::status(413, "") } else { well(request) }
    });
    let server = search::server(&peer, &SOON);
    send(&server, 995..1_005);
    let page = settled(&server, 10);
    assert_eq!(rejected(&page, "too_long"), 1);
    let taken: Vec<_> = bulks(&peer)
        .into_iter()
        .filter(|bulk| bulk.len() <= 2)
        .flat_map(|bulk| values(&bulk))
        .filter(|value| *value != 1_000)
        .collect();
    let once: BTreeSet<_> = taken.iter().copied().collect();
    assert_eq!(once, (995..1_005).filter(|value| *value != 1_000).collect());
    assert_eq!(Books::of(&page).delivered, 9);
}

#[test]
fn a_document_that_spoils_a_request_is_found() {
    let peer = Peer::start(|request| {
        let bad = is_bulk(request) && request.body.contains("\"value\":5");
        if bad { error(400, "illegal_argument_exception") } else { well(request) }
    });
    let server = search::server(&peer, &SOON);
    send(&server, 0..9);
    let page = settled(&server, 9);
    assert_eq!((Books::of(&page).delivered, rejected(&page, "refused")), (8, 1));
    server.find_line(|line| line.contains("illegal_argument_exception")).expect("a line");
}

#[test]
fn a_cluster_that_takes_no_indices_is_waited_for() {
    // Whatever index it is, also one that never was while others are served.
    let peer = Peer::start(well);
    let server = search::server(&peer, &SOON);
    server.send_udp(message("old", 1));
    settled(&server, 1);
    let mut answers = vec![error(403, "cluster_block_exception"); 3];
    peer.script(move |request| match answers.pop() {
        Some(answer) if !is_bulk(request) => answer,
        _ => well(request),
    });
    server.send_udp(message("new", 2));
    let page = settled(&server, 2);
    assert_eq!(Books::of(&page).delivered, 2);
    server.find_line(|line| line.contains("cluster_block_exception")).expect("a line");
}

/// Whatever the creation of the index `ill` gets in place of an answer, others take their documents. Both cases wait side
/// by side.
#[test]
fn an_index_whose_creation_hangs_or_gets_a_404_of_a_proxy_holds_up_no_other() {
    let replies = [Reply::Stall, Reply::status(404, "<html>404 Not Found</html>")];
    let cases = replies.map(|reply| {
        let peer = Peer::start(move |request| {
            let ill = !is_bulk(request) && request.path.starts_with("/ill-");
            if ill { reply.clone() } else { well(request) }
        });
        let server = search::server(&peer, &SOON);
        (peer, server)
    });
    for round in 0..2 {
        for (_, server) in &cases {
            let index = |value| if value % 2 == 0 { "ill" } else { "well" };
            server.send_udp((0..10).map(|value| message(index(value), value)).collect::<String>());
        }
        for (_, server) in &cases {
            wait::until("those for other indices arrive", || {
                let books = Books::of(&server.scrape());
                let all = books.delivered == 5 * (round + 1) && books.close();
                if all { Ok(()) } else { Err(format!("{books:?}\n{}", server.stderr())) }
            });
        }
    }
    for (peer, server) in &cases {
        assert_eq!(Books::of(&server.scrape()).queued, 10);
        let told = |line: &str| line.contains("index ill-") && line.contains("cannot be created");
        server.find_line(told).expect("a line");
        peer.script(well);
    }
    for (_, server) in &cases {
        assert_eq!(Books::of(&settled(server, 20)).delivered, 20);
    }
}

#[test]
fn labels_of_too_many_parts_do_not_leave() {
    let peer = Peer::start(well);
    let server = search::server(&peer, &SOON);
    let labelled = |parts: usize| {
        let name = vec!["a"; parts].join(".");
        format!(r#"{{"name":"e","op":"index","labels":{{"{name}":"x"}},"value":{parts}}}"#)
    };
    server.send_unix([labelled(20), labelled(21), labelled(1_500)].concat());
    let page = settled(&server, 3);
    assert_eq!((Books::of(&page).delivered, rejected(&page, "label_depth")), (1, 2));
    assert_eq!(values(&bulks(&peer).concat()), [20]);
}

#[test]
fn a_connection_that_is_reset_costs_a_repetition() {
    let peer = Peer::start(scripted(vec![Reply::Reset]));
    let server = search::server(&peer, &SOON);
    send(&server, 0..3);
    let page = settled(&server, 3);
    assert_eq!(Books::of(&page).delivered, 3);
    assert!(bulk_inserts(&page, "failed") >= 1);
    assert_eq!(bulk_inserts(&page, "success"), 1);
    let bulks = bulks(&peer);
    assert!(bulks.len() >= 2 && bulks.iter().all(|bulk| *bulk == bulks[0]), "{bulks:?}");
}

#[test]
fn a_service_that_is_not_there_yet_gets_every_document() {
    let port = ports::free();
    let dir = temp_dir();
    let server = search::spilling(dir.path(), &format!("http://127.0.0.1:{port}"), &SOON);
    send(&server, 0..1);
    let line = server.find_line(|line| line.contains("does not answer")).expect("a line");
    assert!(line.contains(&format!("http://127.0.0.1:{port}")), "{line}");
    send(&server, 1..2);
    rest_is_untouched(&server);
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    let peer = Peer::start_on(listener, None, well);
    let page = settled(&server, 2);
    assert_eq!(values(&bulks(&peer).concat()), [0, 1]);
    assert_eq!(peer.requests()[0].method, "PUT");
    assert_eq!(page.own("index_connections"), 1);
    assert!(bulk_inserts(&page, "failed") >= 1);
}

/// A far end that takes a request and does this, then is stopped for; what it may have is sent again by the
/// next server, as it was.
fn stops_for(reply: Reply) {
    let peer = Peer::start(scripted(vec![reply]));
    let dir = temp_dir();
    let url = format!("http://127.0.0.1:{}", peer.port);
    let flags = [&SOON[..], &["-sink-flush-timeout", "300ms"]].concat();
    let server = search::spilling(dir.path(), &url, &flags);
    send(&server, 0..3);
    wait::until_true("a request hangs", || bulks(&peer).len() == 1);
    send(&server, 3..5);
    rest_is_untouched(&server);
    let books = Books::of(&server.scrape());
    assert_eq!((books.queued, books.close()), (5, true), "{books:?}");
    server.stop();
    let server = search::spilling(dir.path(), &url, &flags);
    let page = settled(&server, 5);
    assert_eq!(page.own(r#"sink_rows_recovered_total{sink="opensearch"}"#), 5);
    let all = bulks(&peer);
    let later = all[1..].concat();
    assert_eq!(values(&later), [0, 1, 2, 3, 4]);
    assert_eq!(later[..3], all[0], "with the same ids");
    server.stop();
}

#[test]
fn a_request_without_an_answer_does_not_stop_the_end() {
    stops_for(Reply::Stall);
}

#[test]
fn half_an_answer_does_not_stop_the_end() {
    stops_for(Reply::StallInBody(r#"{"items":[{"create":{"status":201}}]}"#.to_owned()));
}

#[test]
fn past_the_bound_of_the_queue_documents_are_dropped_and_counted() {
    let peer = Peer::start(|_| Reply::status(503, ""));
    let flags = [&SOON[..], &["-sink-queue-bytes", "1048576"]].concat();
    let server = search::server(&peer, &flags);
    let mut client = server.connect("ms.sock");
    for value in 0..20_000 {
        client.send(message("", value).as_bytes());
    }
    drop(client);
    server.settled();
    let page = wait::until("all rows are in the books", || {
        let page = server.scrape();
        let books = Books::of(&page);
        let all = books.enqueued == 20_000 && books.close() && books.dropped > 0;
        if all { Ok(page) } else { Err(format!("{books:?}")) }
    });
    let held = page.own(r#"sink_queue_bytes{sink="opensearch"}"#);
    assert!(held <= 1_048_576, "{held}");
    assert_eq!(
        page.own(r#"sink_rows_dropped_total{reason="queue_full",sink="opensearch"}"#),
        Books::of(&page).dropped
    );
    let line = server.find_line(|line| line.contains("queue_full")).expect("a line");
    assert!(line.contains("opensearch: ") && line.contains("-sink-queue-bytes"), "{line}");
}

/// Rows for an index of which none is taken have a quarter of the queue, and past it the oldest of them are given up.
#[test]
fn however_many_documents_of_one_index_are_not_taken_those_of_others_are() {
    let ill = |document: &Document| document.index.starts_with("ill-");
    let peer = Peer::start(move |request| {
        if !is_bulk(request) {
            return well(request);
        }
        let status = |document: &Document| if ill(document) { 503 } else { 201 };
        items(&documents(request).iter().map(status).collect::<Vec<_>>())
    });
    let flags = [&SOON[..], &["-sink-queue-bytes", "1048576"]].concat();
    let server = search::server(&peer, &flags);
    server.send_udp(message("well", 0));
    settled(&server, 1);
    let long = "x".repeat(2_000);
    let (rounds, ill_rows) = (4, 50);
    for round in 1..=rounds {
        let ill = |value| message("ill", value).replace("event", &long);
        server.send_unix((0..ill_rows).map(ill).collect::<String>());
        server.send_unix(message("well", round));
        wait::until("the others arrive", || {
            let books = Books::of(&server.scrape());
            let all = books.delivered == u64::from(round) + 1 && books.close();
            if all { Ok(()) } else { Err(format!("{round}: {books:?}\n{}", server.stderr())) }
        });
    }
    let page = wait::until("none is left in the queue but those that wait aside", || {
        let page = server.scrape();
        let held = page.own(r#"sink_queue_bytes{sink="opensearch"}"#);
        if held <= 1_048_576 / 4 { Ok(page) } else { Err(held.to_string()) }
    });
    let dropped = page.own(r#"sink_rows_dropped_total{reason="aside_full",sink="opensearch"}"#);
    assert_eq!(dropped, Books::of(&page).dropped);
    let books = Books::of(&page);
    assert_eq!(dropped + books.queued, u64::from(rounds * ill_rows));
    assert!(dropped > 0 && books.queued > 0, "{books:?}");
    peer.script(well);
    let page = settled(&server, u64::from(rounds * (ill_rows + 1)) + 1);
    assert_eq!(Books::of(&page).delivered, u64::from(rounds) + 1 + books.queued);
}

#[test]
fn a_disk_that_fails_is_told_at_once() {
    let peer = Peer::start(|_| Reply::status(503, ""));
    let dir = temp_dir();
    let url = format!("http://127.0.0.1:{}", peer.port);
    let flags = [&SOON[..], &["-sink-queue-bytes", "1048576"]].concat();
    let server = search::spilling(dir.path(), &url, &flags);
    // A file where the directory was: nothing can be written below it.
    let folder = dir.path().join("spill/opensearch");
    std::fs::remove_dir_all(&folder).expect("it is there");
    std::fs::write(&folder, "").expect("a file");
    let mut client = server.connect("ms.sock");
    for value in 0..20_000 {
        client.send(message("", value).as_bytes());
    }
    drop(client);
    let line = server.find_line(|line| line.contains("cannot keep rows of opensearch on disk"));
    assert!(line.expect("a line").contains("Not a directory"));
    server.settled();
    let books = Books::of(&server.scrape());
    assert!(books.close() && books.dropped > 0, "{books:?}");
}

#[test]
fn documents_that_nobody_takes_for_too_long_are_given_up() {
    let peer = Peer::start(|request| {
        if !is_bulk(request) {
            return well(request);
        }
        items(&vec![403; documents(request).len()])
    });
    let flags = [&SOON[..], &["-sink-retry-max", "300ms"]].concat();
    let server = search::server(&peer, &flags);
    send(&server, 0..3);
    let page = settled(&server, 3);
    assert_eq!(page.own(r#"sink_rows_dropped_total{reason="too_old",sink="opensearch"}"#), 3);
    send(&server, 3..4); // the log tells of drops when rows come, or after a while
    server.find_line(|line| line.contains("3 rows dropped, too_old")).expect("a line");
}
