//! Files that are accepted, files that are refused with what the message must say, and files that change.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use super::file::WebConfig;
use super::open;

const HASH: &str = "$2y$04$KFPjWdxVgwEWHTBAUGxQ..qsoSVmeCEhdhbbSDjeIpJ1ZXZBTPTKm";

/// A folder with a certificate, its key, and a key that is not the certificate's.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write_certificate();
        fs::write(folder.path("other.key"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
        fs::write(folder.path("empty.pem"), "").unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write_certificate(&self) {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        fs::write(self.path("server.pem"), certificate.pem()).unwrap();
        fs::write(self.path("server.key"), key.serialize_pem()).unwrap();
    }

    fn write(&self, yaml: &str) -> PathBuf {
        let path = self.path("web.yml");
        fs::write(&path, yaml).unwrap();
        path
    }

    fn read(&self, yaml: &str) -> anyhow::Result<WebConfig> {
        WebConfig::read(&self.write(yaml))
    }

    /// What the message says behind the path.
    fn refusal(&self, yaml: &str) -> String {
        let error = self.read(yaml).err().unwrap_or_else(|| panic!("accepted: {yaml}"));
        let text = format!("{error:#}");
        let head = format!("-web-config-file {}: ", self.path("web.yml").display());
        text.strip_prefix(&head).unwrap_or_else(|| panic!("{text}")).to_owned()
    }

    /// The section with a certificate, and these lines.
    fn tls(lines: &str) -> String {
        format!("tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n{lines}")
    }
}

#[test]
fn nothing_is_asked_for_by_an_empty_file_nor_by_empty_sections() {
    let folder = Folder::new();
    let nothing = [
        "",
        "# only words\n",
        "{}",
        "tls_server_config:\nhttp_server_config:\nbasic_auth_users:\n",
        "tls_server_config: {}\nhttp_server_config:\n  http2: false\n  headers: {}\nbasic_auth_users: {}\n",
        "tls_server_config:\n  cert_file: ''\n  key_file: ''\n  client_auth_type: ''\n",
        "http_server_config:\n  http2: ~\ntls_server_config:\n  prefer_server_cipher_suites:\n",
        "http_server_config:\n  http2: yes\n  headers:\n    X-XSS-Protection: ''\n",
    ];
    for yaml in nothing {
        let config = folder.read(yaml).unwrap_or_else(|error| panic!("{yaml}: {error:#}"));
        assert!(config.tls().is_none() && config.users().is_none(), "{yaml}");
        assert!(config.headers().is_empty(), "{yaml}");
    }
}

#[test]
fn tls_of_every_kind_that_rustls_has_is_accepted() {
    let folder = Folder::new();
    let inline =
        |name: &str| fs::read_to_string(folder.path(name)).unwrap().replace('\n', "\n    ");
    let (cert, key) = (inline("server.pem"), inline("server.key"));
    let accepted = [
        Folder::tls(""),
        Folder::tls("  client_auth_type: NoClientCert\n"),
        Folder::tls("  client_auth_type: RequestClientCert\n"),
        Folder::tls(
            "  client_auth_type: RequireAnyClientCert\n  client_allowed_sans: [a.example]\n",
        ),
        Folder::tls("  client_auth_type: RequireClientCert\n"),
        Folder::tls("  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: server.pem\n"),
        Folder::tls(
            "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: server.pem\n  client_allowed_sans:\n  - a\n",
        ),
        Folder::tls(
            "  min_version: TLS12\n  max_version: TLS13\n  prefer_server_cipher_suites: false\n",
        ),
        Folder::tls("  min_version: TLS13\n"),
        Folder::tls("  cipher_suites: []\n  curve_preferences: [CurveP384, X25519, CurveP256]\n"),
        Folder::tls(
            "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n  max_version: TLS12\n",
        ),
        format!("tls_server_config:\n  cert: |\n    {cert}\n  key: |\n    {key}\n"),
        format!("tls_server_config:\n  cert_file: server.pem\n  key: |\n    {key}\n"),
        format!(
            "tls_server_config: {{cert_file: {0}/server.pem, key_file: {0}/server.key}}",
            folder.0.path().display()
        ),
    ];
    for yaml in accepted {
        let config = folder.read(&yaml).unwrap_or_else(|error| panic!("{yaml}: {error:#}"));
        assert!(config.tls().is_some(), "{yaml}");
    }
}

#[test]
fn headers_and_users_are_read() {
    let folder = Folder::new();
    let yaml = format!(
        "http_server_config:\n  headers:\n    X-Frame-Options: deny\n    Content-Security-Policy: default-src 'self'\n\
         basic_auth_users:\n  alice: {HASH}\n  4711: {HASH}\n"
    );
    let config = folder.read(&yaml).unwrap();
    let headers: Vec<_> = config
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    assert_eq!(
        headers,
        [("content-security-policy", "default-src 'self'"), ("x-frame-options", "deny")]
    );
    assert!(config.users().is_some());
}

#[test]
fn what_is_wrong_with_the_form_is_named_with_its_place_and_shows_no_secret() {
    let folder = Folder::new();
    for (yaml, said) in [
        (
            "tls_server_config:\n  cert_file: server.pem\n  keyfile: secret\n",
            ["unknown field `keyfile`", "line 3"],
        ),
        ("tls_config: secret\n", ["unknown field `tls_config`", "line 1"]),
        ("basic_auth_users:\n  a: secret\n  a: secret\n", ["duplicate", "line 3"]),
        ("basic_auth_users: [secret]\n", ["mapping", "line 1"]),
        ("tls_server_config: secret\n", ["mapping", "line 1"]),
        ("tls_server_config: {cipher_suites: secret}\n", ["sequence", "line 1"]),
        ("http_server_config:\n  http2: secret\n", ["http2: this is no bool", "line 2"]),
        ("http_server_config:\n  http2: \"true\"\n", ["http2: this is no bool", "line 2"]),
        ("http_server_config:\n  http2: 'no'\n", ["http2: this is no bool", "line 2"]),
        ("http_server_config:\n  http2: 1\n", ["expected http2: true or false", "line 2"]),
        (
            "tls_server_config:\n  prefer_server_cipher_suites: \"false\"\n",
            ["prefer_server_cipher_suites: this is no bool", "line 2"],
        ),
        ("basic_auth_users:\n  a: [secret\n", ["this is no web configuration", "line"]),
    ] {
        let refusal = folder.refusal(yaml);
        for said in said {
            assert!(refusal.contains(said), "{yaml}: {refusal}");
        }
        assert!(!refusal.contains("secret"), "{refusal}");
    }
}

#[test]
fn what_cannot_be_had_is_refused_by_its_key() {
    let folder = Folder::new();
    let tls = Folder::tls;
    for (yaml, said) in [
        (
            tls("  min_version: TLS10\n"),
            "tls_server_config: min_version: TLS10 is broken and not supported; write TLS12",
        ),
        (
            tls("  cipher_suites: [TLS_RSA_WITH_AES_128_GCM_SHA256]\n"),
            "tls_server_config: cipher_suites: \"TLS_RSA_WITH_AES_128_GCM_SHA256\" is not supported; choose among",
        ),
        (
            tls("  cipher_suites: [TLS_AES_128_GCM_SHA256]\n  max_version: TLS12\n"),
            "cipher_suites: no suite is left",
        ),
        (
            tls("  curve_preferences: [CurveP521]\n"),
            "curve_preferences: \"CurveP521\" is not supported",
        ),
        ("rate_limit:\n  burst: 1\n".into(), "rate_limit is not supported"),
        ("rate_limit:\n".into(), "rate_limit is not supported"),
        ("rate_limit: ~\n".into(), "rate_limit is not supported"),
        (
            "http_server_config: {headers: {Server: me}}".into(),
            "http_server_config: headers: \"Server\" cannot be set; choose among Strict-Transport-Security",
        ),
        (
            "http_server_config: {headers: {x-frame-options: deny}}".into(),
            "\"x-frame-options\" cannot be set",
        ),
        (
            "http_server_config: {headers: {X-Frame-Options: DENY}}".into(),
            "X-Frame-Options cannot be \"DENY\"; write deny or sameorigin",
        ),
        (
            "http_server_config: {headers: {X-XSS-Protection: \"1\\n2\"}}".into(),
            "the value of X-XSS-Protection has a line break",
        ),
        (
            "basic_auth_users: {bob: hunter2}".into(),
            "basic_auth_users: the hash of \"bob\" cannot be used",
        ),
        (
            format!("basic_auth_users: {{bob: {}}}", HASH.replace("$2y$04", "$2x$04")),
            "$2x$ marks hashes of a broken bcrypt",
        ),
        (
            format!("basic_auth_users: {{bob: {}}}", HASH.replace("$2y$04", "$2y$19")),
            "its cost is 19",
        ),
        (
            format!("basic_auth_users: {{bob: {}}}", HASH.replace("$2y$04", "$2y$03")),
            "its cost is 3",
        ),
    ] {
        let refusal = folder.refusal(&yaml);
        assert!(refusal.contains(said), "{yaml}: {refusal}");
        assert!(!refusal.contains("hunter2"), "{refusal}");
    }
}

#[test]
fn keys_that_contradict_each_other_are_refused() {
    let folder = Folder::new();
    let tls = Folder::tls;
    for (yaml, said) in [
        (
            "tls_server_config: {cert_file: server.pem}".to_owned(),
            "one of key_file and key is missing",
        ),
        (
            "tls_server_config: {key_file: server.key}".to_owned(),
            "one of cert_file and cert is missing",
        ),
        (
            "tls_server_config: {client_auth_type: NoClientCert}".to_owned(),
            "one of cert_file and cert is missing",
        ),
        (
            "tls_server_config: {min_version: TLS13}".to_owned(),
            "min_version is given, but without cert_file and key_file there is no TLS",
        ),
        (
            "tls_server_config: {client_allowed_sans: [a]}".to_owned(),
            "client_allowed_sans is given, but without",
        ),
        (
            "tls_server_config: {cert_file: none.pem, key_file: server.key}".to_owned(),
            "none.pem: cannot read it",
        ),
        (
            "tls_server_config: {cert_file: empty.pem, key_file: server.key}".to_owned(),
            "there is no certificate in PEM form",
        ),
        (
            "tls_server_config: {cert_file: server.pem, key_file: server.pem}".to_owned(),
            "there is no unencrypted private key in PEM form",
        ),
        (
            "tls_server_config: {cert_file: server.pem, key_file: other.key}".to_owned(),
            "the certificate and its key cannot be used together",
        ),
        (tls("  client_ca_file: server.pem\n"), "client_auth_type asks for no certificate"),
        (
            tls("  client_ca_file: empty.pem\n  client_auth_type: RequireAndVerifyClientCert\n"),
            "client_ca_file",
        ),
        (tls("  client_auth_type: Sometimes\n"), "client_auth_type: \"Sometimes\" is not known"),
        (
            tls(
                "  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: server.pem\n  client_allowed_sans: [a]\n",
            ),
            "client_allowed_sans needs a client_auth_type",
        ),
        (tls("  client_allowed_sans: []\n"), "client_allowed_sans needs a client_auth_type"),
        (
            tls("  min_version: TLS13\n  max_version: TLS12\n"),
            "max_version is lower than min_version",
        ),
    ] {
        let refusal = folder.refusal(&yaml);
        assert!(refusal.starts_with("it cannot be used: tls_server_config: "), "{refusal}");
        assert!(refusal.contains(said), "{yaml}: {refusal}");
    }
    let absent = WebConfig::read(Path::new("/nonexistent/web.yml")).err().unwrap();
    assert!(
        format!("{absent:#}")
            .starts_with("-web-config-file /nonexistent/web.yml: cannot read it: ")
    );
}

#[test]
fn a_good_version_replaces_another_and_a_broken_one_does_not() {
    let folder = Folder::new();
    let users = |headers: &str| format!("{headers}basic_auth_users: {{alice: {HASH}}}\n");
    let path = folder.write(&Folder::tls(&users("")));
    let opened = open(Some(&path)).unwrap();
    let stats = Arc::clone(opened.stats());
    let (shared, _worker) = opened.into_parts();
    let at_first = shared.current();

    folder.write_certificate();
    shared.read_again();
    let after = shared.current();
    assert!(!Arc::ptr_eq(after.tls().unwrap(), at_first.tls().unwrap()), "a new certificate");
    assert_eq!(stats.read_failures(), 0);

    let broken = [
        "tls_server_config: [".to_owned(),
        Folder::tls("  min_version: TLS13\n"), // nobody has to log in any more
        users(""),                             // no TLS any more
        String::new(),
    ];
    for (number, yaml) in broken.into_iter().enumerate() {
        folder.write(&yaml);
        shared.read_again();
        assert_eq!(stats.read_failures(), number as u64 + 1, "{yaml}");
        assert!(Arc::ptr_eq(&shared.current(), &after), "{yaml}");
    }

    folder.write(&Folder::tls(&users("http_server_config: {headers: {X-Frame-Options: deny}}\n")));
    shared.read_again();
    assert_eq!(shared.current().headers().len(), 1);
}
