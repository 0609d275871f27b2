//! With the programs that people use: Prometheus scrapes, promtool judges, PHP, nc and socat send.
//!
//! A program that is missing fails the test: `make deps` installs all of them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::common::authority::Authority;
use crate::common::server::{BASE, temp_dir};
use crate::common::wait::until;
use crate::common::{Server, http, inc, ports};

/// A command of a program that must be installed.
fn program(name: &str) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|dir| dir.join(name).is_file());
    assert!(found, "{name} is not installed: `make deps` does it");
    Command::new(name)
}

/// Runs to the end with text on its standard input.
fn run_with_input(command: &mut Command, input: &str) -> Output {
    let dir = temp_dir();
    let file = dir.path().join("input");
    fs::write(&file, input).unwrap();
    let output = command.stdin(fs::File::open(&file).unwrap()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    output
}

/// A program that runs until it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Messages of every kind, with all that is escaped.
const ALL_KINDS: &str = r#"{"name":"real_total","help":"a \\ and a\nline","op":"inc","value":41,"labels":{"path":"C:\\x","quote":"\"","line":"a\nb","word":"naïve"}}
{"name":"real_total","op":"inc","value":1.5,"labels":{"path":"C:\\x","quote":"\"","line":"a\nb","word":"naïve"}}
{"name":"real_gauge","help":"A gauge.","op":"set","value":-1e-7}
{"name":"real_big","help":"A large one.","op":"set","value":1e21}
{"name":"real_seconds","help":"A histogram.","op":"obs","value":0.3,"bucket_custom":[0.1,0.5,1]}
{"name":"real_default_seconds","help":"With default buckets.","op":"obs","value":15}
"#;

#[test]
fn promtool_takes_the_page() {
    let server = Server::start(&["-workers", "4"]);
    server.send_unix(ALL_KINDS);
    assert_eq!(server.settled().accepted(), 6);
    // What was once refused must not break the page either.
    for name in ["real_seconds_count", "metrics_server_x", "a b"] {
        server.send_udp(inc(name));
    }
    let page = server.settled();
    let dir = temp_dir();
    let file = dir.path().join("page");
    fs::write(&file, &page.text).unwrap();
    let mut promtool = program("promtool");
    let output =
        promtool.args(["check", "metrics"]).stdin(fs::File::open(&file).unwrap()).output().unwrap();
    // 3 is advice on names, about which users decide; 1 is a page that cannot be read.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(!said.contains("error while linting"), "{said}");
    let ours = said.lines().find(|line| line.starts_with("metrics_server_"));
    assert!(
        ours.is_none_or(|line| KEPT_NAMES.iter().any(|name| line.starts_with(name))),
        "{ours:?}"
    );
    server.stop();
}

/// Names that promtool would have chosen otherwise, and that dashboards of the original Go metrics-server use.
const KEPT_NAMES: [&str; 1] = ["metrics_server_staled"];

#[test]
fn prometheus_scrapes() {
    let server = Server::start(&["-workers", "4"]);
    server.send_unix(ALL_KINDS);
    server.settled();
    let dir = temp_dir();
    let (_prometheus, api) = prometheus(dir.path(), server.http, "");
    let total = r#"real_total{path="C:\\x",quote="\"",line="a\nb",word="naïve"}"#;
    for (query, value) in [
        (total, "42.5"),
        ("real_gauge", "-1e-7"),
        ("real_big", "1e+21"),
        (r#"real_seconds_bucket{le="0.5"}"#, "1"),
        ("real_seconds_sum", "0.3"),
        (r#"metrics_server_messages_accepted_total{op="inc"}"#, "2"),
        ("sum(metrics_server_messages_framed_total)", "6"),
    ] {
        let got = until("Prometheus knows it", || ask(api, query));
        assert_eq!(
            got.parse::<f64>().unwrap().to_string(),
            value.parse::<f64>().unwrap().to_string(),
            "{query}"
        );
    }
    assert_eq!(until("Prometheus knows whether we are up", || ask(api, "up")), "1");
    // What comes later is seen later.
    server.send_udp(inc("later"));
    server.settled();
    assert_eq!(until("the next scrape has it", || ask(api, "later")), "1");
    server.stop();
}

#[test]
fn prometheus_scrapes_over_tls_with_a_certificate_and_a_login() {
    let (dir, authority) = (temp_dir(), Authority::new("ours"));
    let path = |name: &str| dir.path().join(name);
    fs::write(path("ca.pem"), &authority.pem).unwrap();
    authority.sign().write(&path("server.pem"), &path("server.key"));
    authority.sign_for(&["prometheus.example"], &[]).write(&path("own.pem"), &path("own.key"));
    let hash = bcrypt::hash("s:cret", 10).unwrap();
    let web = format!(
        "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n  client_ca_file: ca.pem\n  \
         client_auth_type: RequireAndVerifyClientCert\n  client_allowed_sans: [prometheus.example]\n\
         basic_auth_users:\n  prometheus: {hash}\n"
    );
    fs::write(path("web.yml"), web).unwrap();
    let args = [&BASE[..], &["-web-config-file", "web.yml"]].concat();
    let server = Server::must_start(dir.path(), &args);
    let more = "  scheme: https\n  tls_config: {ca_file: ca.pem, cert_file: own.pem, key_file: own.key}\n  \
                basic_auth: {username: prometheus, password: 's:cret'}\n";
    let (_prometheus, api) = prometheus(dir.path(), server.http, more);
    until("Prometheus scrapes", || {
        ask(api, "up").and_then(|up| if up == "1" { Ok(()) } else { Err(up) })
    });
    server.stop();
}

/// The value that Prometheus gives for a query of one series.
fn ask(api: u16, query: &str) -> Result<String, String> {
    let mut encoded = String::new();
    for byte in query.bytes() {
        write!(encoded, "%{byte:02X}").expect("a String takes everything");
    }
    let reply = http::get(api, &format!("/api/v1/query?query={encoded}"))
        .map_err(|error| error.to_string())?;
    let answer: Value = serde_json::from_str(&reply.text()).map_err(|error| error.to_string())?;
    match &answer["data"]["result"][0]["value"][1] {
        Value::String(value) => Ok(value.clone()),
        _ => Err(answer.to_string()),
    }
}

/// Starts Prometheus on a port of its own; it scrapes the server five times a second, with more lines for its job.
fn prometheus(dir: &Path, target: u16, more: &str) -> (Running, u16) {
    let config = format!(
        "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\n\
         scrape_configs:\n- job_name: server\n  honor_labels: true\n  static_configs:\n  - targets: ['127.0.0.1:{target}']\n{more}"
    );
    let file = dir.join("prometheus.yml");
    fs::write(&file, config).unwrap();
    let port = ports::free();
    let mut command = program("prometheus");
    command.arg(format!("--config.file={}", file.display()));
    command.arg(format!("--storage.tsdb.path={}", dir.join("data").display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    (Running(child), port)
}

/// A file of the repository's examples.
fn example(path: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(path);
    assert!(file.is_file(), "{} is missing", file.display());
    file
}

#[test]
fn php_client() {
    for (transport, source) in [("udp", "127.0.0.1:0"), ("unix", "ms.sock")] {
        let server = Server::start(&[]);
        let address = match transport {
            "udp" => format!("127.0.0.1:{}", server.udp),
            _ => server.path("ms.sock").display().to_string(),
        };
        let mut php = program("php");
        run_with_input(php.arg(example("php/send.php")).args([transport, &address]), "");
        let page = until("what PHP sent is counted", || {
            let page = server.scrape();
            if page.accepted() == 5 { Ok(page) } else { Err(page.text) }
        });
        assert_eq!((page.refused(), page.own_sum("messages_coerced_total")), (0, 0));
        let app = source.strip_suffix(".sock").unwrap_or(source);
        let from = format!(r#"data_source="{source}",method="GET",source_app="{app}""#);
        assert_eq!(page.get(&format!(r#"php_requests_total{{code="200",{from}}}"#)), Some(3.0));
        assert_eq!(page.get(&format!("php_request_duration_seconds_sum{{{from}}}")), Some(0.25));
        assert_eq!(
            page.get(&format!(r#"php_workers{{data_source="{source}",source_app="{app}"}}"#)),
            Some(4.0)
        );
        server.stop();
    }
}

/// Whatever a program passes as a value, the client must not end it.
#[test]
fn php_client_counts_what_is_no_number() {
    let server = Server::start(&["-source-labels=false"]);
    let script = r"
        declare(strict_types=1);
        [, $client, $address] = $argv;
        require $client;
        set_error_handler(function (int $level, string $text): never { throw new ErrorException($text); });
        $metrics = new MetricsClient($address);
        $metrics->set('text', '5');
        $metrics->inc('texts_total', by: '1.5');
        $metrics->observe('seconds', 0.25);
        $metrics->set('switch', true);
        $metrics->set('nothing', null);
        $metrics->add('jobs', '2');
        $metrics->add('jobs', -3);
        foreach (['five', '', [], new stdClass(), NAN, INF, '1e999'] as $value) {
            $metrics->set('bad', $value);
            $metrics->inc('bad', by: $value);
            $metrics->observe('bad', $value);
        }
        $metrics->set('bad', 1, ['label' => []]);
        $metrics->set('bad', 1, ['label' => new stdClass()]);
        $metrics->flush();
        echo $metrics->dropped();
    ";
    let mut php = program("php");
    let address = format!("unix://{}", server.path("ms.sock").display());
    php.args(["-r", script]).arg(example("php/MetricsClient.php")).arg(address);
    let output = run_with_input(&mut php, "");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "23", "{output:?}");
    let page = until("what PHP sent is counted", || {
        let page = server.scrape();
        if page.framed() == 7 { Ok(page) } else { Err(page.text) }
    });
    assert_eq!(page.accepted(), 7, "{}", page.text);
    assert_eq!((page.get("text"), page.get("texts_total")), (Some(5.0), Some(1.5)));
    assert_eq!((page.get("switch"), page.get("nothing")), (Some(1.0), Some(0.0)));
    assert_eq!(page.get("jobs"), Some(-1.0));
    server.stop();
}

/// PHP without a client: the two calls that people write, and what `json_encode` makes of PHP's values.
#[test]
fn php_by_hand() {
    let server = Server::start(&["-source-labels=false"]);
    let script = r#"
        [, $udp, $unix] = $argv;
        $line = fn (array $fields) => json_encode($fields + ['op' => 'inc', 'value' => '2']) . "\n";
        $socket = socket_create(AF_INET, SOCK_DGRAM, SOL_UDP);
        $text = $line(['name' => 'by_hand', 'labels' => []]);
        socket_sendto($socket, $text, strlen($text), 0, '127.0.0.1', (int) $udp);
        $stream = stream_socket_client("unix://$unix");
        fwrite($stream, $line(['name' => 'by_hand', 'value' => 3.0]));
        fwrite($stream, $line(['name' => 'kinds', 'labels' => ['number' => 5, 'bool' => true, 'none' => null]]));
        fwrite($stream, $line(['name' => 'big', 'value' => PHP_INT_MAX]));
        fclose($stream);
    "#;
    let mut php = program("php");
    php.args(["-r", script, &server.udp.to_string()]).arg(server.path("ms.sock"));
    run_with_input(&mut php, "");
    let page = until("what PHP sent is counted", || {
        let page = server.scrape();
        if page.framed() == 4 { Ok(page) } else { Err(page.text) }
    });
    assert_eq!(page.refused(), 0, "{}", page.text);
    assert_eq!(page.get("by_hand"), Some(5.0));
    assert_eq!(page.get(r#"kinds{bool="true",none="",number="5"}"#), Some(2.0));
    assert!(page.user().contains("\nbig 9.223372036854776e+18\n"), "{}", page.user());
    assert_eq!(
        (page.coerced("number"), page.coerced("labels"), page.coerced("label_value")),
        (2, 1, 1)
    );
    server.stop();
}

#[test]
fn netcat_and_socat() {
    let server = Server::start(&["-source-labels=false"]);
    let udp = server.udp.to_string();
    let path = server.path("ms.sock").display().to_string();
    let message = inc("c") + "\n";
    run_with_input(program("nc").args(["-u", "-w", "0", "127.0.0.1", &udp]), &message);
    run_with_input(program("nc").args(["-U", "-N", &path]), &message);
    run_with_input(program("socat").args(["-", &format!("UDP:127.0.0.1:{udp}")]), &message);
    run_with_input(program("socat").args(["-", &format!("UNIX-CONNECT:{path}")]), &message);
    let page = until("all four are counted", || {
        let page = server.scrape();
        if page.accepted() == 4 { Ok(page) } else { Err(page.text) }
    });
    assert_eq!(page.get("c"), Some(4.0));
    let bytes = message.len() as u64;
    server.sent.note_udp(2, 2 * bytes);
    server.sent.note_unix(2 * bytes);
    server.settled();
    server.stop();
}
