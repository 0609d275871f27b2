//! Where to listen: turns the texts of the listening flags into listeners, and refuses what cannot work.
//!
//! Nothing is opened or looked up here.

use super::GoAddr;
use super::error::UsageError;
use super::go;
use super::table::Values;

/// A unix socket's address holds 108 bytes, of which the kernel's interface takes one for the end.
const PATH_MAX_BYTES: usize = 107;

/// A UDP address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListenUdp {
    /// The flag's text, verbatim: the label `data_source`.
    pub text: String,
    /// The same, read.
    pub addr: GoAddr,
}

/// A unix socket to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListenUnix {
    /// The path, verbatim: the label `data_source`. `@x` is an abstract socket.
    pub path: String,
    /// The flag that asked for it: `uds`, `uds-pool` or `unixgram`.
    pub flag: &'static str,
    /// Whether nobody asked for it: failing to open the default of `-uds` is only warned about.
    pub is_default: bool,
}

/// The address of a flag, which must be there.
pub(super) fn address(name: &'static str, text: &str) -> Result<GoAddr, UsageError> {
    GoAddr::parse(text).map_err(|cause| UsageError::value(name, text, cause))
}

/// The UDP listener; `None` where it is switched off.
pub(super) fn udp(values: &Values) -> Result<Option<ListenUdp>, UsageError> {
    if values.udp.is_empty() {
        return Ok(None);
    }
    let addr = address("udp", &values.udp)?;
    Ok(Some(ListenUdp { text: values.udp.clone(), addr }))
}

/// The unix listeners: that of `-uds`, then those of `-uds-pool` in their order.
pub(super) fn unix(values: &Values) -> Result<Vec<ListenUnix>, UsageError> {
    let mut listeners: Vec<ListenUnix> = Vec::new();
    if !values.uds.is_empty() {
        check_path("uds", &values.uds, &values.uds)?;
        let is_default = !values.given.contains("uds");
        listeners.push(ListenUnix { path: values.uds.clone(), flag: "uds", is_default });
    }
    for path in values.uds_pool.split(',').map(str::trim).filter(|path| !path.is_empty()) {
        check_path("uds-pool", &values.uds_pool, path)?;
        if let Some(same) = listeners.iter().find(|listener| plain(&listener.path) == plain(path)) {
            return Err(twice("uds-pool", &values.uds_pool, path, same));
        }
        listeners.push(ListenUnix { path: path.to_owned(), flag: "uds-pool", is_default: false });
    }
    Ok(listeners)
}

/// The unix datagram sockets, in their order. None may be one of `unix`, the stream sockets.
pub(super) fn unixgram(
    values: &Values,
    unix: &[ListenUnix],
) -> Result<Vec<ListenUnix>, UsageError> {
    let (flag, text) = ("unixgram", &values.unixgram);
    let mut listeners: Vec<ListenUnix> = Vec::new();
    for path in text.split(',').map(str::trim).filter(|path| !path.is_empty()) {
        check_path(flag, text, path)?;
        let is_same = |listener: &&ListenUnix| plain(&listener.path) == plain(path);
        if let Some(same) = unix.iter().chain(&listeners).find(is_same) {
            return Err(twice(flag, text, path, same));
        }
        listeners.push(ListenUnix { path: path.to_owned(), flag, is_default: false });
    }
    Ok(listeners)
}

fn twice(name: &'static str, text: &str, path: &str, first: &ListenUnix) -> UsageError {
    let owner =
        if first.is_default { "it is the default of -uds" } else { "it is listened on already" };
    let path = go::quote(path);
    UsageError::value(name, text, &format!("{path} is named twice: {owner} (flag -{})", first.flag))
}

/// The path without the `./` that changes nothing; `./@x` is a file, `@x` is none.
fn plain(path: &str) -> &str {
    let plain = path.trim_start_matches("./");
    if plain.starts_with('@') { path } else { plain }
}

fn check_path(name: &'static str, text: &str, path: &str) -> Result<(), UsageError> {
    let cause = if path.len() > PATH_MAX_BYTES {
        format!(
            "{} has {} bytes, a unix socket's path at most {PATH_MAX_BYTES}",
            go::quote(path),
            path.len()
        )
    } else if path == "@" {
        "an abstract socket needs a name after the @".to_owned()
    } else {
        return Ok(());
    };
    Err(UsageError::value(name, text, &cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(uds: Option<&str>, pool: &str) -> Result<Vec<(String, &'static str, bool)>, String> {
        let mut values = Values { uds_pool: pool.to_owned(), ..Values::default() };
        if let Some(uds) = uds {
            uds.clone_into(&mut values.uds);
            values.given.insert("uds");
        }
        let listeners = unix(&values).map_err(|error| error.to_string())?;
        Ok(listeners
            .into_iter()
            .map(|listener| (listener.path, listener.flag, listener.is_default))
            .collect())
    }

    fn owned(items: &[(&str, &'static str, bool)]) -> Vec<(String, &'static str, bool)> {
        items.iter().map(|&(path, flag, is_default)| (path.to_owned(), flag, is_default)).collect()
    }

    #[test]
    fn unix_listeners_are_the_one_and_the_pool() {
        let default = ("./metric-server.sock", "uds", true);
        for (uds, pool, listeners) in [
            (None, "", &[default][..]),
            (Some("./metric-server.sock"), "", &[("./metric-server.sock", "uds", false)]),
            (Some(""), "", &[]),
            (Some(""), "a.sock", &[("a.sock", "uds-pool", false)]),
            (Some(" x.sock"), "", &[(" x.sock", "uds", false)]),
            (Some("@app"), "./@app", &[("@app", "uds", false), ("./@app", "uds-pool", false)]),
            (
                None,
                "a.sock, b.sock,, ,",
                &[default, ("a.sock", "uds-pool", false), ("b.sock", "uds-pool", false)],
            ),
        ] {
            assert_eq!(paths(uds, pool), Ok(owned(listeners)), "{uds:?} {pool}");
        }
    }

    #[test]
    fn a_path_is_not_listened_on_twice() {
        for (uds, pool, named) in [
            (Some("ms.sock"), "a.sock, b.sock,,a.sock", r#""a.sock" is named twice"#),
            (
                Some("ms.sock"),
                "./ms.sock",
                r#""./ms.sock" is named twice: it is listened on already (flag -uds)"#,
            ),
            (
                None,
                "a,././a",
                r#""././a" is named twice: it is listened on already (flag -uds-pool)"#,
            ),
            (
                None,
                "metric-server.sock",
                r#""metric-server.sock" is named twice: it is the default of -uds"#,
            ),
        ] {
            let error = paths(uds, pool).unwrap_err();
            assert!(
                error.starts_with("invalid value ") && error.contains(" for flag -uds-pool: "),
                "{error}"
            );
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn a_path_fits_into_an_address() {
        let longest = "x".repeat(107);
        let overlong = "x".repeat(108);
        assert!(paths(Some(&longest), &format!("./{}", "y".repeat(105))).is_ok());
        for (uds, pool, flag) in [
            (Some(overlong.as_str()), "", "-uds:"),
            (None, overlong.as_str(), "-uds-pool:"),
            (Some("@"), "", "-uds:"),
        ] {
            assert!(paths(uds, pool).unwrap_err().contains(flag));
        }
    }

    #[test]
    fn udp_is_an_address_or_off() {
        let listen = |text: &str| udp(&Values { udp: text.to_owned(), ..Values::default() });
        assert_eq!(listen(""), Ok(None));
        let addr = GoAddr { host: String::new(), port: 1 };
        assert_eq!(listen("0.0.0.0:1"), Ok(Some(ListenUdp { text: "0.0.0.0:1".to_owned(), addr })));
        let error = listen("nonsense").unwrap_err().to_string();
        assert!(error.starts_with(
            "invalid value \"nonsense\" for flag -udp: missing port in address\n-udp takes "
        ));
    }
}
