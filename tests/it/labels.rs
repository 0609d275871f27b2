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

#[test]
fn mixed_label_sets() {
    let server = Server::start(&["-mixed-label-sets", "-source-labels=false"]);
    server.send_udp(inc("a") + r#"{"name":"a","op":"inc","value":2,"labels":{"l":"x"}}"#);
    let page = server.settled();
    assert_eq!((page.get("a"), page.get(r#"a{l="x"}"#)), (Some(1.0), Some(2.0)));
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
