//! Whole command lines: what they mean, and with which words they are refused.

use std::time::Duration;

use super::*;

fn parse_with(args: &[&str], env: &[(&str, &str)]) -> Result<Invocation, UsageError> {
    let lookup =
        |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    parse(args.iter().map(OsString::from), &lookup)
}

fn config(args: &[&str]) -> Config {
    match parse_with(args, &[]) {
        Ok(Invocation::Run(config)) => *config,
        other => panic!("{args:?}: {other:?}"),
    }
}

fn all(port: u16) -> GoAddr {
    GoAddr { host: String::new(), port }
}

#[test]
fn no_flags_give_the_defaults() {
    let config = config(&[]);
    let workers = config.server.ingest.workers;
    assert!((1..=4).contains(&workers));
    let ingest = IngestConfig {
        workers,
        pin: Pin::Auto,
        udp: Some(ListenUdp { text: ":9999".to_owned(), addr: all(9999) }),
        unix: vec![ListenUnix {
            path: "./metric-server.sock".to_owned(),
            flag: "uds",
            is_default: true,
        }],
        unixgram: Vec::new(),
        rcvbuf_bytes: 8 << 20,
        batch_wait: Duration::from_micros(200),
        uds_mode: 0o777,
        connections_max: 4096,
        idle_timeout: Some(Duration::from_mins(5)),
        partials_max_bytes: 64 << 20,
        message_max_bytes: 128 << 10,
        labels_max: 64,
        tag_styles: TagStyles::all(),
    };
    let limits = LimitsConfig {
        buckets_max: 1024,
        lines_max: 2_000_000,
        name_lines_max: 500_000,
        memory_max_bytes: 2 << 30,
        templates_max_bytes: 256 << 20,
        mixed_label_sets: true,
        evict_singletons: false,
        series_ttl: None,
    };
    let http = HttpConfig {
        text: ":9099".to_owned(),
        addr: all(9099),
        scrape_timeout: Duration::from_secs(30),
        connections_max: 512,
        web_config_file: None,
    };
    let queue = QueueConfig {
        memory_max_bytes: 64 << 20,
        spill_dir: String::new(),
        spill_max_bytes: 1 << 30,
        retry_max: Some(Duration::from_hours(6)),
        flush_timeout: Duration::from_secs(5),
    };
    let server = ServerConfig {
        ingest,
        labels: LabelsConfig { extra: Vec::new(), source_labels: true },
        limits,
        http,
        shutdown: ShutdownConfig { delay: Duration::ZERO, from: ShutdownFrom::Unix },
        log: LogConfig { debug: false, json: false, interval: Duration::from_secs(10) },
    };
    let sinks = SinksConfig { remote: None, loki: None, opensearch: None, scylla: None, queue };
    let expected =
        Config { check_only: false, warnings: Vec::new(), server, sinks, pyroscope: None };
    assert_eq!(config, expected);
}

#[test]
fn sinks_that_have_an_address_get_the_other_defaults() {
    let env = [("METRICS_SERVER_SEARCH_URL", "http://search:9200")];
    let args =
        ["-remote=:1", "-loki-address=http://l", "-scylladb-hosts=a", "-pyroscope-url=http://p"];
    let Ok(Invocation::Run(config)) = parse_with(&args, &env) else { panic!("no configuration") };
    let remote = RemoteConfig { addr: all(1), datagram_bytes: 1_432, instance: None, sockets: 4 };
    assert_eq!(config.sinks.remote, Some(remote));
    let loki = LokiConfig {
        address: Secret::new("http://l".to_owned()),
        ca_path: String::new(),
        cert_path: String::new(),
        key_path: String::new(),
        labels: Vec::new(),
        tenant: String::new(),
    };
    assert_eq!(config.sinks.loki, Some(loki));
    let opensearch = OpenSearchConfig {
        url: Secret::new("http://search:9200".to_owned()),
        user: String::new(),
        password: Secret::new(String::new()),
        bulk_period: Duration::from_secs(5),
        bulk_size_bytes: 20_000,
        ca_path: String::new(),
        insecure: false,
        shards: 9,
        replicas: 2,
        label_depth_max: 20,
        indices_max: 64,
    };
    assert_eq!(config.sinks.opensearch, Some(opensearch));
    let scylla = ScyllaConfig {
        hosts: vec![GoAddr { host: "a".to_owned(), port: 9042 }],
        table: CqlTable { keyspace: "tracking".to_owned(), table: "metrics".to_owned() },
        user: String::new(),
        password: Secret::new(String::new()),
        tls: false,
        ca_path: String::new(),
        create_schema: true,
    };
    assert_eq!(config.sinks.scylla, Some(scylla));
    let pyroscope =
        PyroscopeConfig { url: Secret::new("http://p".to_owned()), hostname: String::new() };
    assert_eq!(config.pyroscope, Some(pyroscope));
}

#[test]
fn help_and_version_need_no_good_configuration() {
    assert!(matches!(parse_with(&["-socket=", "-h"], &[]), Ok(Invocation::Help)));
    assert!(matches!(parse_with(&["-socket=", "-version"], &[]), Ok(Invocation::Version)));
    assert!(matches!(parse_with(&["-version=false"], &[]), Ok(Invocation::Run(_))));
    assert!(parse_with(&["-version", "-nope"], &[]).is_err());
}

#[test]
fn new_flags_reach_their_fields() {
    let config = config(&[
        "-workers=3",
        "-pin=off",
        "-udp-rcvbuf=0x10000",
        "-udp-batch-wait=0",
        "-uds-mode=0660",
        "-uds-connections-max=10",
        "-uds-partials-max-bytes=65536",
        "-message-max-bytes=65_536",
        "-labels-max=5",
        "-buckets-max=6",
        "-lines-max=7",
        "-name-lines-max=8",
        "-memory-max=1048576",
        "-uds-idle-timeout=0",
        "-mixed-label-sets=false",
        "-source-labels=false",
        "-shutdown-from=any",
        "-log-interval=1s",
        "-scrape-timeout=2s",
        "-check-config",
        "-debug",
    ]);
    let ingest = &config.server.ingest;
    assert_eq!((ingest.workers, ingest.pin, ingest.rcvbuf_bytes), (3, Pin::Off, 65_536));
    assert_eq!(
        (ingest.batch_wait, ingest.uds_mode, ingest.connections_max),
        (Duration::ZERO, 0o660, 10)
    );
    assert_eq!((ingest.partials_max_bytes, ingest.message_max_bytes), (65_536, 65_536));
    assert_eq!(ingest.idle_timeout, None);
    let limits = &config.server.limits;
    assert_eq!((ingest.labels_max, limits.buckets_max), (5, 6));
    assert_eq!((limits.lines_max, limits.name_lines_max, limits.memory_max_bytes), (7, 8, 1 << 20));
    assert!(!limits.mixed_label_sets && !config.server.labels.source_labels);
    assert!(config.check_only && config.server.log.debug);
    assert_eq!(config.server.shutdown.from, ShutdownFrom::Any);
    assert_eq!(
        (config.server.log.interval, config.server.http.scrape_timeout),
        (Duration::from_secs(1), Duration::from_secs(2))
    );
}

#[test]
fn clean_up_turns_the_ttl_on() {
    for (args, expiry) in [
        (&["-metric-ttl", "0"][..], None),
        (&["-metric-ttl", "-1s", "-metric-clean-up=false"], None),
        (&["-metric-clean-up"], Some(86_400)),
        (&["-metric-clean-up", "-metric-ttl", "1m"], Some(60)),
    ] {
        assert_eq!(
            config(args).server.limits.series_ttl,
            expiry.map(Duration::from_secs),
            "{args:?}"
        );
    }
}

#[test]
fn a_negative_shutdown_delay_is_none() {
    assert_eq!(config(&["-shutdown-delay", "-1s"]).server.shutdown.delay, Duration::ZERO);
    assert_eq!(
        config(&["-shutdown-delay", "1.5s"]).server.shutdown.delay,
        Duration::from_millis(1500)
    );
}

#[test]
fn shutdown_is_obeyed_from_listed_users() {
    let from = |args: &[&str]| config(args).server.shutdown.from;
    let users = |ids: &[u32]| ShutdownFrom::UnixUsers(ids.into());
    assert_eq!(from(&["-shutdown-uid", "0"]), users(&[0]));
    assert_eq!(from(&["-shutdown-uid= 33, 4294967294,"]), users(&[33, 4_294_967_294]));
    assert_eq!(from(&["-shutdown-uid=0", "-shutdown-from=none"]), ShutdownFrom::None);
}

#[test]
fn lists_of_users_are_refused_with_the_cause() {
    let no_id = |item: &str| format!("\"{item}\" is no user id; id -u shows the number of a name");
    for (list, from, cause) in [
        ("0,www-data", "uds", no_id("www-data")),
        ("+1", "uds", no_id("+1")),
        ("4294967295", "uds", no_id("4294967295")),
        ("x", "none", no_id("x")),
        ("", "uds", "there is no user id in it".to_owned()),
        (" ,", "uds", "there is no user id in it".to_owned()),
        (
            "0",
            "any",
            "-shutdown-from any obeys udp as well, and a datagram tells no user".to_owned(),
        ),
    ] {
        let error = parse_with(&["-shutdown-uid", list, "-shutdown-from", from], &[]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let line = format!("invalid value {list:?} for flag -shutdown-uid: {cause}\n");
        assert!(error.to_string().starts_with(&line), "{error}");
    }
}

#[test]
fn udp_and_uds_can_be_switched_off() {
    let config = config(&["-udp", "", "-uds", ""]);
    assert_eq!((config.server.ingest.udp, config.server.ingest.unix), (None, Vec::new()));
}

#[test]
fn the_flag_wins_over_the_file_of_labels() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("f");
    std::fs::write(&path, "b=file\na=file\n# c=file\n").expect("a file");
    let file = path.to_string_lossy();
    let labels = config(&["-extra-labels", "b:flag,z:", "-extra-labels-file-path", &file])
        .server
        .labels
        .extra;
    let expected = [("a", "file"), ("b", "flag"), ("z", "")];
    assert_eq!(labels, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn sinks_are_kept_as_given() {
    let config = config(&["-remote", "far.example:1", "-scylladb-hosts", " a,b:9043,"]);
    let addr = |host: &str, port| GoAddr { host: host.to_owned(), port };
    assert_eq!(config.sinks.remote.unwrap().addr, addr("far.example", 1));
    assert_eq!(config.sinks.scylla.unwrap().hosts, [addr("a", 9042), addr("b", 9043)]);
}

#[test]
fn a_negative_size_of_bulks_is_none() {
    let env = [("METRICS_SERVER_SEARCH_URL", "http://search:9200")];
    let parsed = parse_with(&["-opensearch-bulk-size-bytes=-1"], &env);
    let Ok(Invocation::Run(config)) = parsed else { panic!("no configuration") };
    assert_eq!(config.sinks.opensearch.unwrap().bulk_size_bytes, 0);
}

#[test]
fn tables_and_hosts_of_scylladb_are_judged_at_start() {
    for (flag, value) in [("-scylladb-table", "a.b;c"), ("-scylladb-hosts", "a,b:c")] {
        let error = parse_with(&[flag, value], &[]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains(&format!("for flag {flag}: ")), "{error}");
    }
}

#[test]
fn secrets_come_from_the_environment_and_are_not_shown() {
    let env = [
        ("METRICS_SERVER_SEARCH_URL", "https://joe:hunter1@search"),
        ("METRICS_SERVER_SEARCH_USER", "joe"),
        ("METRICS_SERVER_SEARCH_PASSWORD", "hunter2"),
        ("METRICS_SERVER_SCYLLADB_PASSWORD", "hunter3"),
        ("HOSTNAME", "box"),
    ];
    let args = [
        "-scylladb-hosts=a",
        "-pyroscope-url=http://u:hunter4@p",
        "-loki-address=http://u:hunter5@l",
    ];
    let Ok(Invocation::Run(config)) = parse_with(&args, &env) else { panic!("no configuration") };
    let search = config.sinks.opensearch.as_ref().unwrap();
    assert_eq!((search.password.expose(), search.user.as_str()), ("hunter2", "joe"));
    assert_eq!(search.url.expose(), "https://joe:hunter1@search");
    assert_eq!(config.sinks.scylla.as_ref().unwrap().password.expose(), "hunter3");
    assert_eq!(config.pyroscope.as_ref().unwrap().hostname, "box");
    let shown = format!("{config:?}");
    assert!(!shown.contains("hunter") && shown.contains("(redacted)"), "{shown}");
}

#[test]
fn refusals_name_flag_value_and_cause() {
    for (args, line) in [
        (&["-socket", ""][..], "invalid value \"\" for flag -socket: missing port in address"),
        (
            &["-socket", "nocolon"],
            "invalid value \"nocolon\" for flag -socket: missing port in address",
        ),
        (&["-udp", "bad"], "invalid value \"bad\" for flag -udp: missing port in address"),
        (&["-udp", ":70000"], "invalid value \":70000\" for flag -udp: the port is above 65535"),
        (
            &["-remote", "127.0.0.1"],
            "invalid value \"127.0.0.1\" for flag -remote: missing port in address",
        ),
        (
            &["-remote", ":0"],
            "invalid value \":0\" for flag -remote: nothing can be sent to port 0",
        ),
        (
            &["-metric-clean-up", "-metric-ttl", "0"],
            "invalid value \"0s\" for flag -metric-ttl: with -metric-clean-up it must be above 0",
        ),
        (
            &["-metric-clean-up", "-metric-ttl", "-1s"],
            "invalid value \"-1s\" for flag -metric-ttl: with -metric-clean-up it must be above 0",
        ),
        (
            &["-opensearch-bulk-period", "0"],
            "invalid value \"0\" for flag -opensearch-bulk-period: value out of range",
        ),
        (
            &["-extra-labels", "app"],
            "invalid value \"app\" for flag -extra-labels: \"app\" has no colon",
        ),
        (&["-pin", "maybe"], "invalid value \"maybe\" for flag -pin: no such choice"),
        (
            &["-uds-mode", "999"],
            "invalid value \"999\" for flag -uds-mode: no octal number from 0 to 0777",
        ),
        (
            &["-uds-partials-max-bytes=65536"],
            "invalid value \"65536\" for flag -uds-partials-max-bytes: less than one message of -message-max-bytes 131072",
        ),
    ] {
        let error = parse_with(args, &[]).expect_err("a refusal");
        assert_eq!(error.exit_code(), 2, "{args:?}");
        let text = error.to_string();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some(line), "{args:?}");
        assert!(lines.next().is_some_and(|takes| takes.contains(" takes ")), "{text}");
        assert_eq!(lines.next(), Some("metrics-server -h lists all flags"));
        assert_eq!(lines.next(), None);
    }
}

#[test]
fn a_bad_file_of_labels_is_no_matter_of_usage() {
    let error =
        parse_with(&["-extra-labels-file-path", "/nonexistent/f"], &[]).expect_err("a refusal");
    assert_eq!(error.exit_code(), 1);
    let text = error.to_string();
    assert!(text.ends_with("\nmetrics-server -h lists all flags"), "{text}");
    assert!(
        text.starts_with(
            "invalid file \"/nonexistent/f\" for flag -extra-labels-file-path: No such file"
        ),
        "{text}"
    );
}
