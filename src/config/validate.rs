//! From what was typed to what it means: the only way from [`Values`] to a [`Config`].
//!
//! Whatever passes here can be started as far as the command line tells; it must not open anything.

use std::path::Path;
use std::thread;
use std::time::Duration;

use super::error::UsageError;
use super::labels::{self, Labels};
use super::listen;
use super::table::{Nanos, Values};
use super::{
    Config, CqlTable, GoAddr, HttpConfig, IngestConfig, Limits, Pin, Secret, ShutdownFrom,
    SinkFlags, cql,
};

/// Workers beyond this many must be asked for.
const DEFAULT_WORKERS_MAX: usize = 4;

/// Judges the values and builds the configuration. `env` looks up an environment variable.
pub(super) fn config(
    values: &Values,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, UsageError> {
    Ok(Config {
        debug: values.debug,
        check_only: values.check_config,
        ingest: ingest(values)?,
        limits: limits(values)?,
        http: http(values)?,
        expiry: expiry(values)?,
        shutdown_delay: duration(values.shutdown_delay),
        shutdown_from: shutdown_from(&values.shutdown_from)?,
        log_interval: duration(values.log_interval),
        labels: extra_labels(values)?,
        source_labels: values.source_labels,
        sinks: sinks(values, env)?,
    })
}

fn ingest(values: &Values) -> Result<IngestConfig, UsageError> {
    Ok(IngestConfig {
        workers: workers(values.workers),
        pin: pin(&values.pin)?,
        udp: listen::udp(values)?,
        unix: listen::unix(values)?,
        rcvbuf_bytes: size(values.udp_rcvbuf),
        batch_wait: duration(values.udp_batch_wait),
        uds_mode: mode(&values.uds_mode)?,
        connections_max: size(values.uds_connections_max),
        partials_max_bytes: size(values.uds_partials_max_bytes),
        message_max_bytes: size(values.message_max_bytes),
    })
}

fn limits(values: &Values) -> Result<Limits, UsageError> {
    if values.uds_partials_max_bytes < values.message_max_bytes {
        let text = values.uds_partials_max_bytes.to_string();
        let cause =
            format!("less than one message of -message-max-bytes {}", values.message_max_bytes);
        return Err(UsageError::value("uds-partials-max-bytes", &text, &cause));
    }
    Ok(Limits {
        message_max_bytes: size(values.message_max_bytes),
        labels_max: size(values.labels_max),
        buckets_max: size(values.buckets_max),
        lines_max: size(values.lines_max),
        name_lines_max: size(values.name_lines_max),
        memory_max_bytes: size(values.memory_max),
        shapes_max_bytes: size(values.shapes_max_bytes),
        mixed_label_sets: values.mixed_label_sets,
    })
}

fn http(values: &Values) -> Result<HttpConfig, UsageError> {
    Ok(HttpConfig {
        text: values.socket.clone(),
        addr: listen::address("socket", &values.socket)?,
        scrape_timeout: duration(values.scrape_timeout),
    })
}

fn expiry(values: &Values) -> Result<Option<Duration>, UsageError> {
    if !values.metric_clean_up {
        return Ok(None);
    }
    if values.metric_ttl <= 0 {
        let text = super::duration::text(values.metric_ttl);
        return Err(UsageError::value(
            "metric-ttl",
            &text,
            "with -metric-clean-up it must be above 0",
        ));
    }
    Ok(Some(duration(values.metric_ttl)))
}

fn extra_labels(values: &Values) -> Result<Vec<(String, String)>, UsageError> {
    let mut labels = Labels::new();
    let path = &values.extra_labels_file_path;
    if !path.is_empty() {
        labels::add_from_file("extra-labels-file-path", Path::new(path), &mut labels)?;
    }
    // After the file, since the flag wins.
    labels::add_from_flag("extra-labels", &values.extra_labels, &mut labels)?;
    Ok(labels.into_iter().collect())
}

fn sinks(values: &Values, env: &dyn Fn(&str) -> Option<String>) -> Result<SinkFlags, UsageError> {
    let variable = |name| env(name).unwrap_or_default();
    Ok(SinkFlags {
        remote: remote(&values.remote)?,
        remote_datagram_bytes: size(values.remote_datagram_bytes),
        remote_sockets: size(values.remote_sockets),
        loki_address: values.loki_address.clone(),
        loki_ca_path: values.loki_ca_path.clone(),
        loki_cert_path: values.loki_cert_path.clone(),
        loki_key_path: values.loki_key_path.clone(),
        loki_labels: list(&values.loki_labels),
        loki_tenant: values.loki_tenant.clone(),
        opensearch_bulk_period: duration(values.opensearch_bulk_period),
        opensearch_bulk_size_bytes: size(values.opensearch_bulk_size_bytes),
        opensearch_ca_path: values.opensearch_ca_path.clone(),
        opensearch_insecure: values.opensearch_insecure,
        opensearch_shards: size(values.opensearch_shards),
        opensearch_replicas: size(values.opensearch_replicas),
        opensearch_indices_max: size(values.opensearch_indices_max),
        search_url: Secret(variable("METRICS_SERVER_SEARCH_URL")),
        search_user: variable("METRICS_SERVER_SEARCH_USER"),
        search_password: Secret(variable("METRICS_SERVER_SEARCH_PASSWORD")),
        scylladb_hosts: scylladb_hosts(&values.scylladb_hosts)?,
        scylladb_table: CqlTable::parse(&values.scylladb_table)
            .map_err(|cause| UsageError::value("scylladb-table", &values.scylladb_table, &cause))?,
        scylladb_user: values.scylladb_user.clone(),
        scylladb_password: Secret(variable("METRICS_SERVER_SCYLLADB_PASSWORD")),
        scylladb_tls: values.scylladb_tls,
        scylladb_ca_path: values.scylladb_ca_path.clone(),
        scylladb_create_schema: values.scylladb_create_schema,
        pyroscope_url: values.pyroscope_url.clone(),
        queue_bytes: size(values.sink_queue_bytes),
        spill_dir: values.spill_dir.clone(),
        spill_max_bytes: size(values.spill_max_bytes) as u64,
        retry_max: Some(duration(values.sink_retry_max)).filter(|longest| !longest.is_zero()),
        flush_timeout: duration(values.sink_flush_timeout),
        hostname: variable("HOSTNAME"),
    })
}

fn remote(text: &str) -> Result<Option<GoAddr>, UsageError> {
    if text.is_empty() {
        return Ok(None);
    }
    let addr = listen::address("remote", text)?;
    if addr.port == 0 {
        return Err(UsageError::value("remote", text, "nothing can be sent to port 0"));
    }
    Ok(Some(addr))
}

fn scylladb_hosts(text: &str) -> Result<Vec<GoAddr>, UsageError> {
    let hosts = list(text);
    let read = hosts.iter().map(|host| cql::host(host));
    read.map(|host| host.map_err(|cause| UsageError::value("scylladb-hosts", text, cause)))
        .collect()
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

fn workers(asked: i64) -> usize {
    match size(asked) {
        0 => {
            thread::available_parallelism().map_or(1, |cores| cores.get().min(DEFAULT_WORKERS_MAX))
        }
        workers => workers,
    }
}

fn pin(text: &str) -> Result<Pin, UsageError> {
    match text {
        "auto" => Ok(Pin::Auto),
        "on" => Ok(Pin::On),
        "off" => Ok(Pin::Off),
        _ => Err(UsageError::value("pin", text, "no such choice")),
    }
}

fn shutdown_from(text: &str) -> Result<ShutdownFrom, UsageError> {
    match text {
        "uds" => Ok(ShutdownFrom::Unix),
        "any" => Ok(ShutdownFrom::Any),
        "none" => Ok(ShutdownFrom::None),
        _ => Err(UsageError::value("shutdown-from", text, "no such choice")),
    }
}

fn mode(text: &str) -> Result<u32, UsageError> {
    let octal = !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    let mode = if octal { u32::from_str_radix(text, 8).ok() } else { None };
    mode.filter(|mode| *mode <= 0o777)
        .ok_or_else(|| UsageError::value("uds-mode", text, "no octal number from 0 to 0777"))
}

/// A length of time; what is negative is none.
fn duration(nanos: Nanos) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

/// A number of things; what is negative is none. The table keeps the others within a 64-bit usize.
fn size(value: i64) -> usize {
    usize::try_from(value.max(0)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal() {
        for (text, bits) in [("0777", 0o777), ("660", 0o660), ("0", 0), ("00000700", 0o700)] {
            assert_eq!(mode(text), Ok(bits), "{text}");
        }
        for text in [
            "",
            "0o777",
            "888",
            "1777",
            "-1",
            "+7",
            "rwx",
            "99999999999999999999",
            "7777777777777777777777",
        ] {
            let error = mode(text).unwrap_err().to_string();
            assert!(
                error.contains(
                    " for flag -uds-mode: no octal number from 0 to 0777\n-uds-mode takes "
                ),
                "{error}"
            );
        }
    }

    #[test]
    fn choices_are_exact() {
        assert_eq!(
            (pin("auto"), pin("on"), pin("off")),
            (Ok(Pin::Auto), Ok(Pin::On), Ok(Pin::Off))
        );
        assert_eq!(shutdown_from("uds"), Ok(ShutdownFrom::Unix));
        assert_eq!(shutdown_from("any"), Ok(ShutdownFrom::Any));
        assert_eq!(shutdown_from("none"), Ok(ShutdownFrom::None));
        for text in ["", "Auto", "true", "yes"] {
            assert!(pin(text).unwrap_err().to_string().ends_with("\n-pin takes auto, on or off"));
            assert!(
                shutdown_from(text)
                    .unwrap_err()
                    .to_string()
                    .ends_with("\n-shutdown-from takes uds, any or none")
            );
        }
    }

    #[test]
    fn lists_are_trimmed_and_without_gaps() {
        assert_eq!(list(" a, b:9042 ,,"), ["a", "b:9042"]);
        assert!(list("").is_empty());
    }

    #[test]
    fn workers_follow_the_cores_up_to_four() {
        assert!((1..=4).contains(&workers(0)));
        assert_eq!(workers(7), 7);
    }
}
