//! `-web-config-file`: what is accepted and refused, and that promtool sees it the same way.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::common::authority::Authority;
use crate::common::server::temp_dir;
use tempfile::TempDir;

/// Keys that the toolkit did not have yet when Debian 12 was made.
const KEYS_NEWER_THAN_DEBIAN_12: [&str; 4] = ["cert", "key", "client_ca", "client_allowed_sans"];

/// Each is a section `tls_server_config` beside certificate and key.
const TLS: [&str; 12] = [
    "min_version: TLS13",
    "max_version: TLS12",
    "{min_version: TLS12, max_version: TLS13, prefer_server_cipher_suites: false}",
    "cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]",
    "cipher_suites: [TLS_AES_128_GCM_SHA256]",
    "curve_preferences: [X25519, CurveP256, CurveP384]",
    "client_auth_type: NoClientCert",
    "client_auth_type: RequestClientCert",
    "client_auth_type: RequireAnyClientCert",
    "{client_auth_type: VerifyClientCertIfGiven, client_ca_file: clients-ca.pem}",
    "{client_auth_type: RequireAndVerifyClientCert, client_ca_file: clients-ca.pem}",
    "{client_auth_type: RequireAndVerifyClientCert, client_ca_file: clients-ca.pem, client_allowed_sans: [a.example]}",
];

/// Each is a file.
const OTHERS: [&str; 11] = [
    "",
    "tls_server_config:\nhttp_server_config:\nbasic_auth_users:\n",
    "http_server_config:\n  http2: false\n",
    "http_server_config:\n  http2: true\n",
    "http_server_config:\n  http2: yes\n",
    "http_server_config:\n  http2: Off\n",
    "http_server_config:\n  http2: ~\n",
    "http_server_config:\n  http2: !!bool \"true\"\n",
    "http_server_config:\n  headers:\n    Strict-Transport-Security: max-age=31536000\n    X-XSS-Protection: \"1\"\n",
    "basic_auth_users:\n  a: $2a$10$gkJNWYY4/XW.LfFVAr5gcuJg6YX7jTHRJdkPiuov2Ds8eNIpTgDPS\n",
    "basic_auth_users: {b: $2b$04$gkJNWYY4/XW.LfFVAr5gcuJg6YX7jTHRJdkPiuov2Ds8eNIpTgDPS, c: $2y$12$gkJNWYY4/XW.LfFVAr5gcuJg6YX7jTHRJdkPiuov2Ds8eNIpTgDPS}\n",
];

/// Files that promtool refuses.
const REFUSED: [&str; 18] = [
    "tls_server_config: {cert_file: server.pem}",
    "tls_server_config: {cert_file: absent.pem, key_file: server.key}",
    "tls_server_config: {cert_file: server.pem, key_file: server.key, keyfile: server.key}",
    "tls_server_config: {cert_file: server.pem, key_file: server.key, min_version: TLS14}",
    "tls_server_config: {cert_file: server.pem, key_file: server.key, client_ca_file: clients-ca.pem}",
    "tls_server_config: {cert_file: server.pem, key_file: server.key, client_auth_type: Never}",
    "tls_server_config: {cert_file: server.pem, key_file: server.key, cipher_suites: [AES]}",
    "basic_auth_users: {a: secret}",
    "http_server_config: {headers: {X-Frame-Options: allow}}",
    "http_server_config: {headers: {Server: mine}}",
    "http_server_config: {http2: \"true\"}",
    "http_server_config: {http2: \"yes\"}",
    "http_server_config: {http2: 'no'}",
    "http_server_config: {http2: !!str true}",
    "http_server_config: {http2: 1}",
    "tls_server_config: {cert_file: server.pem, key_file: server.key, prefer_server_cipher_suites: \"false\"}",
    "tls_server_config: {cert_file: server.pem, key_file: server.key, prefer_server_cipher_suites: \"\"}",
    "rate_limit:",
];

/// A folder with the files that the configurations name.
fn folder() -> TempDir {
    let (folder, servers, clients) =
        (temp_dir(), Authority::new("servers"), Authority::new("clients"));
    let path = |name: &str| folder.path().join(name);
    servers.sign().write(&path("server.pem"), &path("server.key"));
    fs::write(path("clients-ca.pem"), clients.pem).unwrap();
    folder
}

fn accepted(folder: &Path) -> Vec<String> {
    let beside = |section: &str| {
        let keys = section.trim_matches(['{', '}']).to_owned();
        format!("tls_server_config: {{cert_file: server.pem, key_file: server.key, {keys}}}\n")
    };
    let inline =
        |name: &str| fs::read_to_string(folder.join(name)).unwrap().replace('\n', "\n    ");
    let inline = format!(
        "tls_server_config:\n  cert: |\n    {}\n  key: |\n    {}\n",
        inline("server.pem"),
        inline("server.key")
    );
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/web-config.yml");
    let mut all: Vec<String> = TLS.into_iter().map(beside).collect();
    all.extend(OTHERS.map(str::to_owned));
    all.extend([inline, fs::read_to_string(example).unwrap()]);
    all
}

fn check(file: &Path) -> Output {
    let mut server = Command::new(env!("CARGO_BIN_EXE_metrics-server"));
    server.arg("-check-config").arg("-web-config-file").arg(file).output().unwrap()
}

/// What promtool says against a file; `None` if it is content.
fn promtool(file: &Path) -> Option<String> {
    let output = Command::new("promtool").args(["check", "web-config"]).arg(file).output();
    let output = output.expect("promtool is missing: tests/install-deps.sh installs it");
    let said = [output.stdout, output.stderr].concat();
    (!output.status.success()).then(|| String::from_utf8_lossy(&said).into_owned())
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

#[test]
fn promtool_accepts_what_is_accepted() {
    let folder = folder();
    for (number, yaml) in accepted(folder.path()).into_iter().enumerate() {
        let file = folder.path().join(format!("{number}.yml"));
        fs::write(&file, &yaml).unwrap();
        let own = check(&file);
        assert!(own.status.success(), "{yaml}\n{}", text(&own));
        if let Some(said) = promtool(&file) {
            let is_new = |key: &&str| said.contains(&format!("field {key} not found in type"));
            assert!(KEYS_NEWER_THAN_DEBIAN_12.iter().any(is_new), "{yaml}\n{said}");
        }
    }
}

#[test]
fn what_promtool_refuses_is_refused() {
    let folder = folder();
    for (number, yaml) in REFUSED.into_iter().enumerate() {
        let file = folder.path().join(format!("{number}.yml"));
        fs::write(&file, yaml).unwrap();
        assert!(promtool(&file).is_some(), "promtool accepts {yaml}");
        let own = check(&file);
        assert_eq!(own.status.code(), Some(1), "{yaml}");
        let head = format!("-web-config-file {}: ", file.display());
        assert!(text(&own).contains(&head), "{yaml}\n{}", text(&own));
    }
}

#[test]
fn the_server_does_not_start_with_a_file_that_check_config_refuses() {
    let folder = folder();
    fs::write(folder.path().join("web.yml"), "tls_server_config: {cert_file: server.pem}").unwrap();
    let args = [&crate::common::server::BASE[..], &["-web-config-file", "web.yml"]].concat();
    let exit = crate::common::Server::try_start(folder.path(), &args).unwrap_err();
    assert_eq!(exit.code, Some(1));
    assert!(exit.stderr.contains("-web-config-file web.yml: "), "{}", exit.stderr);
    assert!(exit.stderr.contains("one of key_file and key is missing"), "{}", exit.stderr);
}

#[test]
fn a_key_of_a_wrong_kind_is_named() {
    let folder = folder();
    for (yaml, said) in [
        ("http_server_config: {http2: \"true\"}", "http2: this is no bool"),
        (
            "tls_server_config: {prefer_server_cipher_suites: 'no'}",
            "prefer_server_cipher_suites: this is no bool",
        ),
        ("rate_limit:", "rate_limit is not supported"),
        ("rate_limit: {burst: 1}", "rate_limit is not supported"),
    ] {
        let file = folder.path().join("web.yml");
        fs::write(&file, yaml).unwrap();
        let own = check(&file);
        assert_eq!(own.status.code(), Some(1), "{yaml}");
        assert!(text(&own).contains(said), "{yaml}\n{}", text(&own));
    }
}

/// The server speaks HTTP/1.1 all the same, and says so.
#[test]
fn a_file_that_asks_for_http2_is_told_that_it_has_no_effect() {
    let folder = folder();
    let args = [&crate::common::server::BASE[..], &["-web-config-file", "web.yml"]].concat();
    for (value, lines) in [("true", 1), ("false", 0), ("~", 0)] {
        let yaml = format!("http_server_config: {{http2: {value}}}");
        fs::write(folder.path().join("web.yml"), yaml).unwrap();
        let server = crate::common::Server::must_start(folder.path(), &args);
        assert_eq!(crate::common::http::get(server.http, "/health").unwrap().status, 200);
        let stderr = server.stop().stderr;
        let told = "-web-config-file web.yml: http2: true has no effect: the port speaks HTTP/1.1";
        assert_eq!(stderr.matches(told).count(), lines, "{value}\n{stderr}");
    }
}
