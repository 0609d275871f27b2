//! The web configuration is read again when it changes; a broken version changes nothing.

use std::fs;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::common::authority::Authority;
use crate::common::https::HttpsClient;
use crate::common::server::{BASE, temp_dir};
use crate::common::{Page, Server, http, wait};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const FAILURES: &str = "http_web_config_reload_failures_total";
const TIMEOUTS: &str = "http_web_config_reload_timeouts_total";
const LAST_SUCCESS: &str = "http_web_config_last_reload_success_timestamp_seconds";

/// Replaces a file at once, as editors and configuration management do.
fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, path).unwrap();
}

fn start(folder: &Path) -> Server {
    Server::must_start(folder, &[&BASE[..], &["-web-config-file", "web.yml"]].concat())
}

fn user(password: &str) -> String {
    format!("basic_auth_users: {{alice: {}}}\n", bcrypt::hash(password, 4).unwrap())
}

/// Each time from another address, so that wrong passwords slow down none of them.
fn log_in(server: &Server, password: &str) -> Option<Page> {
    static LOGINS: AtomicU32 = AtomicU32::new(0);
    let from = Ipv4Addr::from(0x7f01_0000 + LOGINS.fetch_add(1, Relaxed));
    let value = format!("Basic {}", STANDARD.encode(format!("alice:{password}")));
    let headers = [("Authorization", value.as_str())];
    let reply = http::request_from(from, server.http, "/metrics", &headers).unwrap();
    (reply.status == 200).then(|| Page::parse(&reply.text()))
}

#[test]
fn changed_users_and_headers_are_taken_over_and_broken_versions_are_not() {
    let folder = temp_dir();
    let file = folder.path().join("web.yml");
    replace(&file, &user("old"));
    let server = start(folder.path());
    let at_first = log_in(&server, "old").unwrap();
    assert_eq!(at_first.own(FAILURES), 0);
    assert!(at_first.own(LAST_SUCCESS) > 1_700_000_000);

    replace(
        &file,
        &format!("{}http_server_config: {{headers: {{X-Frame-Options: deny}}}}\n", user("new")),
    );
    wait::until_true("the new password is taken", || log_in(&server, "new").is_some());
    assert!(log_in(&server, "old").is_none(), "the old password is not");
    let reply = http::get(server.http, "/metrics").unwrap();
    assert_eq!((reply.status, reply.header("X-Frame-Options")), (401, Some("deny")));

    let broken =
        ["basic_auth_users: {alice: no hash}", "basic_auth_users: [", "http_server_config: {}", ""];
    for (number, yaml) in (1..).zip(broken) {
        replace(&file, yaml);
        wait::until_true("the failure is counted", || {
            log_in(&server, "new").unwrap().own(FAILURES) == number
        });
    }
    assert!(
        server.find_line(|line| line.contains("the version read before stays in use")).is_some()
    );
    replace(&file, &user("last"));
    wait::until_true("a good version is taken again", || log_in(&server, "last").is_some());
}

#[test]
fn a_renewed_certificate_is_shown_to_the_next_connection() {
    let folder = temp_dir();
    let path = |name: &str| folder.path().join(name);
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    old.sign().write(&path("server.pem"), &path("server.key"));
    fs::write(path("web.yml"), "tls_server_config: {cert_file: server.pem, key_file: server.key}")
        .unwrap();
    let server = start(folder.path());
    let page = |authority: &Authority| {
        let reply = HttpsClient::trusting(authority).get(server.http, "/metrics", &[]).ok()?;
        Some(Page::parse(&reply.text()))
    };
    assert!(page(&old).is_some() && page(&new).is_none());

    // The certificate without its key: read in between, it would break the server.
    let renewed = new.sign();
    fs::write(path("server.pem"), &renewed.cert).unwrap();
    wait::until_true("the half is seen and refused", || page(&old).unwrap().own(FAILURES) == 1);
    fs::write(path("server.key"), &renewed.key).unwrap();
    wait::until_true("the new certificate is shown", || page(&new).is_some());
    assert!(page(&old).is_none());
}

#[test]
fn sighup_reads_it_again() {
    let folder = temp_dir();
    fs::write(folder.path().join("web.yml"), user("right")).unwrap();
    let server = start(folder.path());
    server.signal("HUP");
    assert!(
        server
            .find_line(|line| line.contains("-web-config-file web.yml: it was read again"))
            .is_some()
    );
    assert!(log_in(&server, "right").is_some());
}

/// The file becomes a FIFO, and reading it takes until somebody writes to it.
#[test]
fn a_request_does_not_wait_long_for_a_file_that_cannot_be_read_and_is_counted() {
    let folder = temp_dir();
    let path = |name: &str| folder.path().join(name);
    replace(&path("web.yml"), "");
    let server = start(folder.path());
    assert_eq!(server.scrape().own(TIMEOUTS), 0);
    let made = Command::new("mkfifo").arg(path("fifo")).status();
    assert!(made.expect("the mkfifo program").success());
    fs::rename(path("fifo"), path("web.yml")).unwrap();
    wait::until_true("a request has waited in vain", || server.scrape().own(TIMEOUTS) > 0);

    // It opens when the server is there to read.
    let mut fifo = fs::OpenOptions::new().write(true).open(path("web.yml")).unwrap();
    let deny = "http_server_config: {headers: {X-Frame-Options: deny}}";
    // Later reads find a file again.
    replace(&path("web.yml"), deny);
    fifo.write_all(deny.as_bytes()).unwrap();
    drop(fifo);
    wait::until_true("the file is taken over", || {
        let reply = http::get(server.http, "/health").unwrap();
        reply.status == 200 && reply.header("X-Frame-Options") == Some("deny")
    });
    server.stop();
}
