//! The response headers that the configuration may set. They are those that the exporter-toolkit allows.
//!
//! It must not know which responses there are.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use hyper::header::{
    CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS, X_XSS_PROTECTION,
};

/// The headers that may be set: the name as it must be written in the file, the name in a response, and the values that
/// are allowed. An empty list allows every value.
const ALLOWED: [(&str, HeaderName, &[&str]); 5] = [
    ("Strict-Transport-Security", STRICT_TRANSPORT_SECURITY, &[]),
    ("X-Content-Type-Options", X_CONTENT_TYPE_OPTIONS, &["nosniff"]),
    ("X-Frame-Options", X_FRAME_OPTIONS, &["deny", "sameorigin"]),
    ("X-XSS-Protection", X_XSS_PROTECTION, &[]),
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY, &[]),
];

/// The headers to send. A header with an empty value is not sent.
///
/// # Errors
/// A name or a value is not allowed. The message names it.
pub(super) fn checked(
    headers: &BTreeMap<String, String>,
) -> anyhow::Result<Vec<(HeaderName, HeaderValue)>> {
    let checked = headers.iter().map(|(name, value)| header(name, value));
    let mut headers = checked.collect::<anyhow::Result<Vec<_>>>()?;
    headers.retain(|(_, value)| !value.is_empty());
    Ok(headers)
}

fn header(name: &str, value: &str) -> anyhow::Result<(HeaderName, HeaderValue)> {
    let known = ALLOWED.into_iter().find(|(known, ..)| *known == name);
    let Some((_, header, values)) = known else {
        let names = ALLOWED.map(|(name, ..)| name).join(", ");
        bail!("headers: {name:?} cannot be set; choose among {names}");
    };
    if !values.is_empty() && !values.contains(&value) {
        bail!("headers: {name} cannot be {value:?}; write {}", values.join(" or "));
    }
    let value = HeaderValue::from_str(value).with_context(|| {
        format!("headers: the value of {name} has a line break or another control character")
    })?;
    Ok((header, value))
}
