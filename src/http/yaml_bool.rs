//! A key of the web configuration that is `true` or `false`, read as the exporter-toolkit reads it.
//!
//! YAML has texts in quotes beside plain words, and the toolkit takes no text for a bool. The parser would take both,
//! so that a file with `"true"` would start this server and be refused by everything else that reads such files.

use std::fmt;

use serde::Deserializer;
use serde::de::{Error, Visitor};

/// Reads the value of this key; `None` where it is null.
///
/// # Errors
/// It is neither a bool nor null. The message names the key, and shows no text, which may be a secret in the wrong
/// place.
pub(super) fn read<'de, D: Deserializer<'de>>(
    key: &'static str,
    deserializer: D,
) -> Result<Option<bool>, D::Error> {
    deserializer.deserialize_any(BoolVisitor(key))
}

struct BoolVisitor(&'static str);

impl Visitor<'_> for BoolVisitor {
    type Value = Option<bool>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: true or false", self.0)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(value))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E: Error>(self, _text: &str) -> Result<Self::Value, E> {
        let key = self.0;
        Err(E::custom(format_args!("{key}: this is no bool; write true or false without quotes")))
    }
}
