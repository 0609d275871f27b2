//! Whether a client asks for gzip in its header `Accept-Encoding`.
//!
//! It must not know connections.

/// Whether one of the values of `Accept-Encoding` names gzip with a weight above 0. A weight that is no number counts
/// as 0.
///
/// The value `*` does not ask for gzip: it allows every coding, and plain text is one of them.
pub(super) fn asks_for_gzip<'a>(values: impl IntoIterator<Item = &'a str>) -> bool {
    values.into_iter().flat_map(|value| value.split(',')).any(names_gzip)
}

fn names_gzip(item: &str) -> bool {
    let mut parts = item.split(';').map(str::trim);
    let coding = parts.next().expect("a split text has a first part");
    (coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip"))
        && parts.find_map(weight).is_none_or(|weight| weight > 0.0)
}

/// The weight, if the parameter is one: `q=` and a number. `None` for any other parameter.
fn weight(parameter: &str) -> Option<f32> {
    let (name, number) = parameter.split_once('=')?;
    name.trim().eq_ignore_ascii_case("q").then(|| number.trim().parse().unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_used_where_it_is_asked_for() {
        let table: [(&[&str], bool); 18] = [
            (&[], false),
            (&[""], false),
            (&["gzip"], true),
            (&["GZIP"], true),
            (&["x-gzip"], true),
            (&["deflate, gzip;q=1.0"], true),
            (&["gzip, deflate, br"], true),
            (&["br;q=1.0,gzip;q=0.001"], true),
            (&["br", "gzip"], true),
            (&["gzip ; q = 0.5"], true),
            (&["gzip;level=9"], true),
            (&["identity"], false),
            (&["gzip;q=0"], false),
            (&["gzip;q=0.000, br"], false),
            (&["gzip;Q=0"], false),
            (&["gzip;q=much"], false),
            (&["*"], false),
            (&["br, zstd, gzipped"], false),
        ];
        for (values, expected) in table {
            assert_eq!(asks_for_gzip(values.iter().copied()), expected, "{values:?}");
        }
    }
}
