//! Spellings, defaults and errors of the command line.

use super::{Command, Destination, Duration, FLAGS, Options, help, parse};

fn options(line: &str) -> Result<Options, String> {
    match parse(line.split_whitespace().map(Into::into)) {
        Ok(Command::Run(options)) => Ok(*options),
        Ok(other) => Err(format!("{other:?}")),
        Err(error) => Err(format!("{error:#}")),
    }
}

#[test]
fn all_spellings_mean_the_same() {
    for line in
        ["-udp=:9 -rate=5 -gso", "--udp :9 --rate 5 --gso=true", "-udp 0.0.0.0:9 -gso -rate 5"]
    {
        let options = options(line).unwrap();
        assert_eq!(options.to, Destination::Udp("127.0.0.1:9".to_owned()));
        assert_eq!(options.rate, Some(5.0));
        assert!(options.gso && !options.json);
    }
}

#[test]
fn a_run_is_always_bounded() {
    assert_eq!(options("-udp :9").unwrap().time, Duration::from_secs(10));
    assert_eq!(options("-udp :9 -seconds 0.5").unwrap().time, Duration::from_millis(500));
    let counted = options("-udp :9 -count 5").unwrap();
    assert_eq!((counted.count, counted.time), (Some(5), Duration::MAX));
}

#[test]
fn lists_and_durations_are_read() {
    let options = options("-uds s -pin 0,1 -settle-timeout 1500ms -http :1").unwrap();
    assert_eq!(options.pin, [0, 1]);
    assert_eq!(options.settle, Duration::from_millis(1500));
    assert_eq!(options.http.as_deref(), Some("127.0.0.1:1"));
}

#[test]
fn errors_name_the_flag() {
    for (line, part) in [
        ("", "-udp"),
        ("-udp :9 -uds s", "-uds"),
        ("-udp :9 -nope", "-nope"),
        ("-udp", "-udp"),
        ("-udp :9 -rate x", "-rate"),
        ("-udp :9 -rate -1", "-rate"),
        ("-udp :9 -seconds NaN", "-seconds"),
        ("-udp :9 -threads 0", "-threads"),
        ("-udp :9 -gso=yes", "-gso"),
        ("-udp :9 -order up", "-order"),
        ("-udp :9 -mix summary", "-mix"),
        ("-udp :9 -mix counter:99 -series 5", "-series"),
        ("-udp :9 -settle-timeout 10", "-settle-timeout"),
        ("-udp :9 -pin a", "-pin"),
        ("-uds s -gso", "-gso"),
        ("-udp :9 word", "word"),
    ] {
        let error = options(line).unwrap_err();
        assert!(error.contains(part), "{line:?}: {error}");
    }
}

#[test]
fn help_tells_of_every_flag_in_order() {
    assert!(FLAGS.is_sorted_by_key(|flag| flag.name));
    assert!(FLAGS.iter().all(|flag| help().contains(&format!("\n  -{}", flag.name))));
    assert!(matches!(parse(["-h".into()]), Ok(Command::Help)));
    assert!(matches!(parse(["--version".into()]), Ok(Command::Version)));
}
