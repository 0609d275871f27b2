//! TLS of the HTTP port: who gets the page, with which certificate, version and name.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::common::authority::{Authority, Identity};
use crate::common::http;
use crate::common::https::HttpsClient;
use crate::common::server::{BASE, temp_dir};
use crate::common::{Page, Server, wait};
use rcgen::SanType;
use rustls::version::{TLS12, TLS13};
use tempfile::TempDir;

/// A server with a certificate of `servers`, which knows `clients`.
struct Port {
    servers: Authority,
    clients: Authority,
    server: Server,
    _folder: TempDir,
}

impl Port {
    /// With more lines in the section of TLS, and more sections behind it.
    fn open(lines: &str) -> Self {
        let (folder, servers, clients) =
            (temp_dir(), Authority::new("servers"), Authority::new("clients"));
        let path = |name: &str| folder.path().join(name);
        servers.sign().write(&path("server.pem"), &path("server.key"));
        fs::write(path("clients-ca.pem"), &clients.pem).unwrap();
        let yaml =
            format!("tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n{lines}");
        fs::write(path("web.yml"), yaml).unwrap();
        let args = [&BASE[..], &["-web-config-file", "web.yml"]].concat();
        let server = Server::must_start(folder.path(), &args);
        Self { servers, clients, server, _folder: folder }
    }

    fn client(&self) -> HttpsClient {
        HttpsClient::trusting(&self.servers)
    }

    fn is_open_to(&self, client: &HttpsClient) -> bool {
        client.get(self.server.http, "/metrics", &[]).is_ok_and(|reply| reply.status == 200)
    }

    fn is_open_to_bearer(&self, identity: &Identity) -> bool {
        self.is_open_to(&HttpsClient::showing(&self.servers, identity))
    }

    /// One of the clients' authority for this DNS name.
    fn client_named(&self, name: &str) -> Identity {
        self.clients.sign_for(&[name], &[])
    }

    /// The page, for a client without a certificate.
    fn page(&self) -> Page {
        Page::parse(&self.client().get(self.server.http, "/metrics", &[]).unwrap().text())
    }
}

#[test]
fn the_page_comes_over_tls_to_who_trusts_its_authority_and_headers_are_set() {
    let port = Port::open(
        "http_server_config:\n  headers:\n    X-Frame-Options: sameorigin\n    Strict-Transport-Security: max-age=60\n",
    );
    assert!(port.server.find_line(|line| line.contains("Expose metrics on https://")).is_some());
    for path in ["/metrics", "/-/healthy", "/-/ready", "/health", "/"] {
        let reply = port.client().get(port.server.http, path, &[]).unwrap();
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(reply.header("X-Frame-Options"), Some("sameorigin"), "{path}");
        assert_eq!(reply.header("Strict-Transport-Security"), Some("max-age=60"), "{path}");
    }
    assert_eq!(
        port.client().get(port.server.http, "/none", &[]).unwrap().header("X-Frame-Options"),
        Some("sameorigin")
    );
    assert!(!port.is_open_to(&HttpsClient::trusting(&port.clients)), "another authority");
}

#[test]
fn versions_below_the_least_and_above_the_last_get_no_connection() {
    for (line, version, other) in
        [("min_version: TLS13", &TLS13, &TLS12), ("max_version: TLS12", &TLS12, &TLS13)]
    {
        let port = Port::open(&format!("  {line}\n"));
        let speaks = |version| port.is_open_to(&HttpsClient::new(&port.servers, None, &[version]));
        assert!(speaks(version) && !speaks(other), "{line}");
    }
}

#[test]
fn a_suite_that_is_not_listed_is_not_spoken_in_tls_1_2() {
    // The server's key is one of elliptic curves, so this suite fits nothing.
    let port = Port::open("  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n");
    let speaks = |version| port.is_open_to(&HttpsClient::new(&port.servers, None, &[version]));
    assert!(speaks(&TLS13) && !speaks(&TLS12));
}

/// Whether there is a page: without a certificate, with one of the clients' authority, with one of another.
fn by_certificate(client_auth_type: &str) -> [bool; 3] {
    let authority =
        if client_auth_type.contains("Verify") { "  client_ca_file: clients-ca.pem\n" } else { "" };
    let port = Port::open(&format!("  client_auth_type: {client_auth_type}\n{authority}"));
    let stranger = Authority::new("strangers").sign();
    [
        port.is_open_to(&port.client()),
        port.is_open_to_bearer(&port.client_named("a.example")),
        port.is_open_to_bearer(&stranger),
    ]
}

#[test]
fn each_type_of_client_authentication_means_what_it_means_in_go() {
    for (client_auth_type, expected) in [
        ("NoClientCert", [true, true, true]),
        ("RequestClientCert", [true, true, true]),
        ("RequireAnyClientCert", [false, true, true]),
        ("VerifyClientCertIfGiven", [true, true, false]),
        ("RequireAndVerifyClientCert", [false, true, false]),
    ] {
        assert_eq!(by_certificate(client_auth_type), expected, "{client_auth_type}");
    }
}

#[test]
fn a_certificate_must_bear_one_of_the_allowed_names() {
    let port = Port::open(
        "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: clients-ca.pem\n  client_allowed_sans:\n  \
         - prometheus.example\n  - 2001:db8::1\n  - 192.0.2.7\n  - ops@example.com\n  - spiffe://example/prometheus\n",
    );
    let sign = |names: &[&str], others: &[SanType]| port.clients.sign_for(names, others);
    let email = |text: &str| SanType::Rfc822Name(text.try_into().unwrap());
    let uri = |text: &str| SanType::URI(text.try_into().unwrap());
    for allowed in [
        sign(&["prometheus.example"], &[]),
        sign(&["other.example", "prometheus.example"], &[]),
        sign(&["2001:db8::1"], &[]),
        sign(&["192.0.2.7"], &[]),
        sign(&[], &[email("ops@example.com")]),
        sign(&[], &[uri("spiffe://example/prometheus")]),
    ] {
        assert!(port.is_open_to_bearer(&allowed));
    }
    for other in [
        sign(&[], &[]),
        sign(&["sub.prometheus.example", "PROMETHEUS.example", "192.0.2.8"], &[]),
        sign(&[], &[email("dev@example.com"), uri("spiffe://example/other")]),
        Authority::new("strangers").sign_for(&["prometheus.example"], &[]),
    ] {
        assert!(!port.is_open_to_bearer(&other));
    }
}

#[test]
fn plain_text_on_the_tls_port_is_told_so_and_counted() {
    let port = Port::open("");
    let reply = http::get(port.server.http, "/metrics").unwrap();
    assert_eq!(reply.status, 400);
    assert_eq!(reply.text(), "Client sent an HTTP request to an HTTPS server.\n");
    assert_eq!(port.page().own(r#"http_refused_total{reason="tls"}"#), 1);
}

#[test]
fn a_tls_hello_on_the_plain_port_ends_and_is_counted() {
    let server = Server::start(&[]);
    let client = HttpsClient::trusting(&Authority::new("servers"));
    assert!(client.get(server.http, "/metrics", &[]).is_err());
    assert_eq!(server.scrape().own(r#"http_refused_total{reason="syntax"}"#), 1);
}

#[test]
fn a_handshake_that_ends_in_the_middle_is_counted_and_harms_nobody() {
    let port = Port::open("");
    let mut socket = TcpStream::connect(("127.0.0.1", port.server.http)).unwrap();
    socket.write_all(b"\x16\x03\x01\x02\x00\x01garbage").unwrap();
    socket.shutdown(std::net::Shutdown::Write).unwrap();
    socket.read_to_end(&mut Vec::new()).ok();
    wait::until_true("the handshake is counted", || {
        port.page().own(r#"http_refused_total{reason="tls"}"#) == 1
    });
}
