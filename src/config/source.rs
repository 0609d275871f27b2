//! The application that a data source is named after: the label `source_app`.
//!
//! A pure function; it must not know listeners.

/// The name in a unix socket's path, or the whole text where it holds none.
///
/// The name is the longest run of ASCII word characters, joined by single dashes, that ends directly before
/// a final `.sock`: `./metric-server.sock` gives `metric-server`.
pub(crate) fn source_app(data_source: &str) -> String {
    name_in(data_source).unwrap_or(data_source).to_owned()
}

fn name_in(data_source: &str) -> Option<&str> {
    let stem = data_source.strip_suffix(".sock")?;
    let bytes = stem.as_bytes();
    let is_word = |at: usize| bytes[at].is_ascii_alphanumeric() || bytes[at] == b'_';
    let mut start = bytes.len();
    while start > 0 {
        let joined =
            bytes[start - 1] == b'-' && start < bytes.len() && start > 1 && is_word(start - 2);
        // A dash goes only together with the word before it, so a run never begins with one.
        match (is_word(start - 1), joined) {
            (true, _) => start -= 1,
            (false, true) => start -= 2,
            (false, false) => break,
        }
    }
    (start < bytes.len()).then(|| &stem[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_original() {
        for (data_source, app) in [
            ("./metric-server.sock", "metric-server"),
            ("ms.sock", "ms"),
            ("a b.sock", "b"),
            ("a--b.sock", "b"),
            ("my.app.sock", "app"),
            ("-lead.sock", "lead"),
            ("/run/x/-a-b_c-9.sock", "a-b_c-9"),
            ("@abstract.sock", "abstract"),
            ("a.sock.sock", "sock"),
            ("éa.sock", "a"),
            ("é-a.sock", "a"),
            ("noext", "noext"),
            ("x.sock.1", "x.sock.1"),
            ("tr-.sock", "tr-.sock"),
            ("-.sock", "-.sock"),
            (".sock", ".sock"),
            ("café.sock", "café.sock"),
            ("X.SOCK", "X.SOCK"),
            ("", ""),
            (":9999", ":9999"),
            ("127.0.0.1:9999", "127.0.0.1:9999"),
        ] {
            assert_eq!(source_app(data_source), app, "{data_source}");
        }
    }
}
