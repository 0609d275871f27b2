//! Flags and variables that are given and change nothing, each with the reason.
//!
//! Pure. All of it follows from the needs in the table of flags; it must not know a single flag, but for
//! those that say what is received.

use super::convert::list;
use super::environment::Environment;
use super::flag::{FlagKind, Need, ValueSlot};
use super::table::Flag;
use super::table::{self, FLAGS, Values};
use super::variables::VARIABLES;

/// One line for each flag or variable without effect, in the order of the table.
pub(super) fn of(values: &mut Values, env: &Environment<'_>) -> Vec<String> {
    let mut lines = nothing_received(values);
    for flag in FLAGS {
        if asks_for_something(flag, values) {
            let name = format!("-{}", flag.name);
            lines.extend(line(&name, flag.needs, values, env));
        }
    }
    for variable in VARIABLES {
        if !text(variable.name, values, env).is_empty() {
            lines.extend(line(variable.name, variable.needs, values, env));
        }
    }
    lines
}

/// All listeners are switched off.
fn nothing_received(values: &Values) -> Vec<String> {
    let listeners = [&values.udp, &values.uds, &values.uds_pool, &values.unixgram];
    let off = listeners.iter().all(|listener| listener.is_empty());
    let line =
        "nothing is received: -udp and -uds are empty, and there is no -uds-pool or -unixgram";
    if off { vec![line.to_owned()] } else { Vec::new() }
}

/// Whether the command line gives the flag, and with a value that would change something.
fn asks_for_something(flag: &Flag, values: &mut Values) -> bool {
    let given = values.given.contains(flag.name);
    given
        && match ((flag.slot)(values), &flag.kind) {
            (ValueSlot::Bool(value), FlagKind::Bool(default)) => value != default,
            (ValueSlot::Text(value), _) => !value.is_empty(),
            _ => true,
        }
}

/// The warning, if a need is not met.
fn line(name: &str, needs: &[Need], values: &mut Values, env: &Environment<'_>) -> Option<String> {
    let unmet = needs.iter().find(|need| !is_met(**need, values, env))?;
    Some(match *unmet {
        Need::Any(names) => format!("{name} has no effect without {}", alternatives(names)),
        Need::Without(other) => format!("{name} has no effect with {}", shown(other)),
        Need::Not(other, value) => format!("{name} has no effect with {}={value}", shown(other)),
        Need::Https(url) => {
            format!("{name} has no effect: {} does not begin with https://", shown(url))
        }
        Need::NoLogin(url) => {
            format!("{name} has no effect: {} has a login of its own", shown(url))
        }
        Need::SocketFile(_) => format!("{name} has no effect: abstract sockets are no files"),
    })
}

fn is_met(need: Need, values: &mut Values, env: &Environment<'_>) -> bool {
    let mut is_set = |name: &str| !text(name, values, env).is_empty();
    match need {
        Need::Any(names) => names.iter().any(|name| is_set(name)),
        Need::Without(name) => !is_set(name),
        Need::Not(name, value) => text(name, values, env) != value,
        Need::Https(name) => {
            let url = text(name, values, env);
            url.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"))
        }
        Need::NoLogin(name) => !has_login(&text(name, values, env)),
        Need::SocketFile(names) => names
            .iter()
            .any(|name| list(&text(name, values, env)).iter().any(|path| !path.starts_with('@'))),
    }
}

/// Whether a user stands before the URL's host.
fn has_login(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
}

/// What a flag or a variable says; empty where it is off or absent.
fn text(name: &str, values: &mut Values, env: &Environment<'_>) -> String {
    let Some(flag) = table::find(name) else { return env(name).unwrap_or_default() };
    match (flag.slot)(values) {
        ValueSlot::Text(value) => value.clone(),
        ValueSlot::Bool(false) | ValueSlot::Int(0) | ValueSlot::Duration(0) => String::new(),
        ValueSlot::Bool(_) | ValueSlot::Int(_) | ValueSlot::Duration(_) => "on".to_owned(),
    }
}

/// `-a, -b or C`.
fn alternatives(names: &[&str]) -> String {
    let shown: Vec<String> = names.iter().map(|name| shown(name)).collect();
    match shown.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// A flag with its dash, a variable as it is.
fn shown(name: &str) -> String {
    if table::find(name).is_some() { format!("-{name}") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::args::{self, Words};
    use super::*;
    use std::ffi::OsString;

    fn warned(args: &[&str], env: &[(&str, &str)]) -> Vec<String> {
        let Ok(Words::Flags(mut values)) = args::read(args.iter().map(OsString::from)) else {
            panic!("{args:?} cannot be read")
        };
        of(&mut values, &|name| {
            env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn flags_with_an_effect_are_not_warned_of() {
        let search = [("METRICS_SERVER_SEARCH_URL", "https://s"), ("HOSTNAME", "h")];
        for (args, env) in [
            (&[][..], &[][..]),
            (&["-metric-ttl=1h", "-metric-clean-up"], &[]),
            (&["-udp=", "-uds=a.sock", "-uds-mode=0600"], &[]),
            (&["-udp=", "-uds=", "-uds-pool=a.sock", "-uds-mode=0600"], &[]),
            (&["-udp=", "-uds=", "-unixgram=a.sock", "-uds-mode=0600"], &[]),
            (&["-uds=@a", "-uds-pool=@b, c.sock", "-uds-mode=0600"], &[]),
            (&["-remote=:1", "-remote-sockets=1", "-sink-retry-max=1h"], &[]),
            (&["-loki-address=HTTPS://l", "-loki-ca-path=f", "-spill-dir=d"], &[]),
            (&["-opensearch-ca-path=f", "-spill-dir=d", "-spill-max-bytes=16777216"], &search),
            (&["-scylladb-hosts=a", "-scylladb-tls", "-scylladb-ca-path=f"], &[]),
            // What is off or empty asks for nothing.
            (&["-scylladb-tls=false", "-loki-ca-path=", "-metric-clean-up=false"], &[]),
        ] {
            assert_eq!(warned(args, env), [""; 0], "{args:?}");
        }
    }

    #[test]
    fn flags_without_effect_are_named_with_the_reason() {
        for (args, line) in [
            (&["-metric-ttl=1h"][..], "-metric-ttl has no effect without -metric-clean-up"),
            (
                &["-udp=", "-uds="],
                "nothing is received: -udp and -uds are empty, and there is no -uds-pool or -unixgram",
            ),
            (&["-udp=", "-udp-rcvbuf=8192"], "-udp-rcvbuf has no effect without -udp"),
            (
                &["-uds=", "-uds-mode=0600"],
                "-uds-mode has no effect without -uds, -uds-pool or -unixgram",
            ),
            (
                &["-uds=@a", "-uds-pool=@b, @c", "-uds-mode=0600"],
                "-uds-mode has no effect: abstract sockets are no files",
            ),
            (
                &["-shutdown-uid=0", "-shutdown-from=none"],
                "-shutdown-uid has no effect with -shutdown-from=none",
            ),
            (
                &["-remote=:1", "-loki-address=https://l"],
                "-loki-address has no effect with -remote",
            ),
            (&["-remote=:1", "-metric-clean-up"], "-metric-clean-up has no effect with -remote"),
            (&["-loki-cert-path=/nope"], "-loki-cert-path has no effect without -loki-address"),
            (
                &["-loki-address=http://l", "-loki-cert-path=/nope"],
                "-loki-cert-path has no effect: -loki-address does not begin with https://",
            ),
            (&["-scylladb-ca-path=f"], "-scylladb-ca-path has no effect without -scylladb-hosts"),
            (
                &["-opensearch-insecure"],
                "-opensearch-insecure has no effect without METRICS_SERVER_SEARCH_URL",
            ),
            (
                &["-spill-dir=d"],
                "-spill-dir has no effect without -loki-address, METRICS_SERVER_SEARCH_URL or -scylladb-hosts",
            ),
            (&["-spill-max-bytes=16777216"], "-spill-max-bytes has no effect without -spill-dir"),
            (&["-remote-sockets=4"], "-remote-sockets has no effect without -remote"),
        ] {
            assert_eq!(warned(args, &[]), [line], "{args:?}");
        }
    }

    #[test]
    fn variables_are_warned_of_without_their_text() {
        let env = [("METRICS_SERVER_SCYLLADB_PASSWORD", "hunter2")];
        let line = "METRICS_SERVER_SCYLLADB_PASSWORD has no effect without -scylladb-hosts";
        assert_eq!(warned(&[], &env), [line]);
    }

    #[test]
    fn a_login_beside_a_url_that_has_one_is_warned_of() {
        for (url, warns) in [
            ("https://joe:hunter2@s", true),
            ("https://joe@s:9200/prefix", true),
            ("https://s/a@b", false),
            ("https://s", false),
        ] {
            let env = [
                ("METRICS_SERVER_SEARCH_URL", url),
                ("METRICS_SERVER_SEARCH_USER", "ann"),
                ("METRICS_SERVER_SEARCH_PASSWORD", "hunter3"),
            ];
            let line = |name: &str| {
                format!("{name} has no effect: METRICS_SERVER_SEARCH_URL has a login of its own")
            };
            let lines = [env[1].0, env[2].0].map(line);
            let expected = if warns { lines.as_slice() } else { &[] };
            assert_eq!(warned(&[], &env), expected, "{url}");
        }
    }
}
