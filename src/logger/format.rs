//! How a log line is written: as the original's text, or as one JSON object.
//!
//! Runs on the thread that writes log lines. A record may have fields beside its text. The text says all
//! that they say, so only JSON shows them; there the field `summary` stands in place of the text, so that
//! nothing in it is escaped twice.

use std::fmt;
use std::io::{self, Write};

use env_logger::fmt::Formatter;
use log::kv::{self, Key, Source, ToValue, Value, VisitSource};
use log::{Level, Record};

/// The field that JSON shows as `msg` in place of the text.
const SUMMARY: &str = "summary";

/// The fields of a record that waits to be written.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<(String, Field)>);

/// A value of a field.
#[derive(Debug)]
enum Field {
    Number(u64),
    Text(String),
}

impl Fields {
    /// Those of a record.
    pub(super) fn of(record: &Record<'_>) -> Self {
        let mut fields = Self::default();
        // This visitor returns no error.
        _ = record.key_values().visit(&mut fields);
        fields
    }
}

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        let field = value.to_u64().map_or_else(|| Field::Text(value.to_string()), Field::Number);
        self.0.push((key.to_string(), field));
        Ok(())
    }
}

impl Source for Fields {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), kv::Error> {
        for (key, field) in &self.0 {
            let value = match field {
                Field::Number(number) => number.to_value(),
                Field::Text(text) => text.as_str().to_value(),
            };
            visitor.visit_pair(Key::from_str(key), value)?;
        }
        Ok(())
    }
}

/// `time="…" level=info msg="…"`.
pub(super) fn text(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let (time, level) = (out.timestamp_seconds(), level(record.level()));
    writeln!(out, "time=\"{time}\" level={level} msg={:?}", record.args().to_string())
}

/// `{"time":"…","level":"info","msg":"…"}`, with the record's fields behind these.
pub(super) fn json(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let mut fields = Fields::of(record).0;
    let summary = fields.iter().position(|(key, _)| key == SUMMARY);
    let text = match summary.map(|at| fields.remove(at).1) {
        Some(Field::Text(summary)) => summary,
        _ => record.args().to_string(),
    };
    let time = out.timestamp_seconds();
    write!(out, "{{\"time\":\"{time}\",\"level\":\"{}\"", level(record.level()))?;
    write!(out, ",\"msg\":{}", quoted(&text))?;
    for (key, field) in &fields {
        write!(out, ",{}:{field}", quoted(key))?;
    }
    writeln!(out, "}}")
}

impl fmt::Display for Field {
    /// As JSON.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(out, "{number}"),
            Self::Text(text) => write!(out, "{}", quoted(text)),
        }
    }
}

/// A JSON string.
fn quoted(text: &str) -> serde_json::Value {
    serde_json::Value::from(text)
}

/// Logrus' word, which the original writes.
const fn level(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warning",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}
