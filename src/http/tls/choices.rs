//! Translates Go's names of TLS versions, cipher suites and curves into the values of rustls.
//!
//! Errors name the key that a name belongs to. It must not know more of the configuration.

use anyhow::{bail, ensure};
use rustls::crypto::SupportedKxGroup;
use rustls::crypto::ring::{ALL_CIPHER_SUITES, kx_group};
use rustls::version::{TLS12, TLS13};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

/// The TLS versions that rustls supports, the oldest first.
const VERSIONS: [(&str, &SupportedProtocolVersion); 2] = [("TLS12", &TLS12), ("TLS13", &TLS13)];

/// The TLS versions from `min` to `max`. Without a `min` they begin with TLS 1.2, without a `max` they end with TLS 1.3.
///
/// # Errors
/// rustls does not support a version, a name is unknown, or `max` is below `min`.
pub(super) fn versions(
    min: Option<&str>,
    max: Option<&str>,
) -> anyhow::Result<Vec<&'static SupportedProtocolVersion>> {
    let lowest = min.map_or(Ok(0), |name| version("min_version", name))?;
    let highest = max.map_or(Ok(VERSIONS.len() - 1), |name| version("max_version", name))?;
    ensure!(lowest <= highest, "max_version is lower than min_version");
    Ok(VERSIONS[lowest..=highest].iter().map(|(_, version)| *version).collect())
}

fn version(key: &str, name: &str) -> anyhow::Result<usize> {
    if matches!(name, "TLS10" | "TLS11") {
        bail!("{key}: {name} is broken and not supported; write TLS12 or TLS13");
    }
    match VERSIONS.iter().position(|(known, _)| *known == name) {
        Some(index) => Ok(index),
        None => bail!("{key}: {name:?} is no TLS version; write TLS12 or TLS13"),
    }
}

/// All cipher suites of TLS 1.3, then those of TLS 1.2 with these names, in the order of the names. As in Go, the list
/// does not affect TLS 1.3.
///
/// # Errors
/// rustls does not support a suite.
pub(super) fn cipher_suites(names: &[String]) -> anyhow::Result<Vec<SupportedCipherSuite>> {
    let mut suites: Vec<_> =
        ALL_CIPHER_SUITES.iter().copied().filter(|suite| suite.tls13().is_some()).collect();
    for name in names {
        let known = ALL_CIPHER_SUITES.iter().find(|suite| go_name(suite).as_ref() == Some(name));
        let Some(suite) = known else {
            let all: Vec<_> = ALL_CIPHER_SUITES.iter().filter_map(go_name).collect();
            bail!("cipher_suites: {name:?} is not supported; choose among {}", all.join(", "));
        };
        if suite.tls13().is_none() {
            suites.push(*suite);
        }
    }
    Ok(suites)
}

/// The suite's name in Go, which is IANA's. rustls differs where a suite is of TLS 1.3: it writes `TLS13_` for `TLS_`.
fn go_name(suite: &SupportedCipherSuite) -> Option<String> {
    suite.suite().as_str().map(|name| name.replacen("TLS13_", "TLS_", 1))
}

/// The curves with these names, in the order of the names.
///
/// # Errors
/// rustls does not support a curve.
pub(super) fn curves(names: &[String]) -> anyhow::Result<Vec<&'static dyn SupportedKxGroup>> {
    names.iter().map(|name| curve(name)).collect()
}

fn curve(name: &str) -> anyhow::Result<&'static dyn SupportedKxGroup> {
    match name {
        "X25519" => Ok(kx_group::X25519),
        "CurveP256" => Ok(kx_group::SECP256R1),
        "CurveP384" => Ok(kx_group::SECP384R1),
        _ => bail!(
            "curve_preferences: {name:?} is not supported; choose among X25519, CurveP256, CurveP384"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_a_span() {
        let spans = [
            (None, None, vec![&TLS12, &TLS13]),
            (Some("TLS13"), None, vec![&TLS13]),
            (None, Some("TLS12"), vec![&TLS12]),
            (Some("TLS12"), Some("TLS13"), vec![&TLS12, &TLS13]),
        ];
        for (min, max, expected) in spans {
            assert_eq!(versions(min, max).unwrap(), expected, "{min:?} {max:?}");
        }
    }

    #[test]
    fn versions_that_cannot_be_are_errors_that_say_what_to_write() {
        for (min, max, expected) in [
            (
                Some("TLS10"),
                None,
                "min_version: TLS10 is broken and not supported; write TLS12 or TLS13",
            ),
            (
                Some("TLS11"),
                None,
                "min_version: TLS11 is broken and not supported; write TLS12 or TLS13",
            ),
            (
                None,
                Some("TLS11"),
                "max_version: TLS11 is broken and not supported; write TLS12 or TLS13",
            ),
            (None, Some("tls13"), "max_version: \"tls13\" is no TLS version; write TLS12 or TLS13"),
            (Some("TLS13"), Some("TLS12"), "max_version is lower than min_version"),
        ] {
            assert_eq!(versions(min, max).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn a_list_of_suites_decides_over_tls_1_2_only() {
        let listed = ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"];
        let suites = cipher_suites(&listed.map(str::to_owned)).unwrap();
        let names: Vec<_> = suites.iter().filter_map(go_name).collect();
        assert_eq!(
            names,
            [
                "TLS_AES_256_GCM_SHA384",
                "TLS_AES_128_GCM_SHA256",
                "TLS_CHACHA20_POLY1305_SHA256",
                "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            ]
        );
    }

    #[test]
    fn suites_and_curves_that_rustls_lacks_are_errors_that_say_what_there_is() {
        let error =
            cipher_suites(&["TLS_RSA_WITH_AES_128_CBC_SHA".to_owned()]).unwrap_err().to_string();
        assert!(
            error.starts_with("cipher_suites: \"TLS_RSA_WITH_AES_128_CBC_SHA\" is not supported"),
            "{error}"
        );
        assert!(error.contains("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"), "{error}");
        let error = curves(&["X25519".to_owned(), "CurveP521".to_owned()]).unwrap_err().to_string();
        assert!(error.starts_with("curve_preferences: \"CurveP521\" is not supported"), "{error}");
    }
}
