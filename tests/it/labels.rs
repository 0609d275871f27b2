//! Labels that the messages do not bring: those of the source and those of the flags.

use std::fs;

use crate::common::server::{BASE, temp_dir};
use crate::common::{Server, inc};

#[test]
fn sources_of_unix_paths() {
    let paths = [
        "./metric-server.sock",
        "a b.sock",
        "a--b.sock",
        "my.app.sock",
        "-lead.sock",
        "noext",
        "x.sock.1",
        ".sock",
    ];
    let apps = ["metric-server", "b", "b", "app", "lead", "noext", "x.sock.1", ".sock"];
    let args = ["-socket", "127.0.0.1:0", "-udp", "", "-uds", "", "-uds-pool", &paths.join(",")];
    let server = Server::start_exact(&args);
    for path in paths {
        server.connect(path).send(inc("a").as_bytes());
    }
    let page = server.settled();
    for (path, app) in paths.iter().zip(apps) {
        let series = format!(r#"a{{data_source="{path}",source_app="{app}"}}"#);
        assert_eq!(page.get(&series), Some(1.0), "{series} is not on:\n{}", page.user());
    }
    server.stop();
}

#[test]
fn source_labels_switched_off() {
    let server = Server::start(&["-source-labels=false"]);
    server.send_udp(r#"{"name":"a","op":"inc","value":1,"labels":{"data_source":"mine"}}"#);
    assert_eq!(server.settled().get(r#"a{data_source="mine"}"#), Some(1.0));
    server.stop();
}

/// A deploy that adds a label must count: on every worker, before and after the other label set is born.
#[test]
fn a_label_may_be_added_to_a_metric_that_stands() {
    let server = Server::start(&["-source-labels=false", "-workers", "2"]);
    let with =
        |labels: &str| format!(r#"{{"name":"a","op":"inc","value":1,"labels":{{{labels}}}}}"#);
    for _ in 0..20 {
        for labels in ["", r#""l":"x""#, r#""k":"x""#, r#""k":"x","l":"y""#] {
            server.send_udp(with(labels));
        }
        server.settled(); // so that the page's order is grown, not made at once
    }
    let page = server.settled();
    for series in ["a", r#"a{l="x"}"#, r#"a{k="x"}"#, r#"a{k="x",l="y"}"#] {
        assert_eq!(page.get(series), Some(20.0), "{series}");
    }
    server.stop();
}

#[test]
fn other_label_sets_are_refused_where_that_is_asked_for() {
    let server = Server::start(&["-mixed-label-sets=false", "-source-labels=false"]);
    server.send_udp(inc("a") + r#"{"name":"a","op":"inc","value":2,"labels":{"l":"x"}}"#);
    let page = server.settled();
    assert_eq!((page.get("a"), page.get(r#"a{l="x"}"#)), (Some(1.0), None));
    assert_eq!(page.rejected("label_set_conflict"), 1);
    server.stop();
}

#[test]
fn flag_labels_beat_file_and_message() {
    let dir = temp_dir();
    fs::write(dir.path().join("f"), "a=file\nb=file\n").unwrap();
    let more = ["-extra-labels", "a:flag", "-extra-labels-file-path", "f", "-source-labels=false"];
    let server = Server::must_start(dir.path(), &[&BASE[..], &more].concat());
    server.send_udp(
        r#"{"name":"m","op":"inc","value":1,"labels":{"a":"message","b":"message","c":"message"}}"#,
    );
    assert_eq!(server.settled().get(r#"m{a="flag",b="file",c="message"}"#), Some(1.0));
    server.stop();
}
