//! Rows become inserts, and answers become verdicts.
//!
//! Runs on the deliverer. Pure but for [`all`], which sends.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use cdrs_tokio::error::Error;
use cdrs_tokio::frame::message_error::ErrorType;
use cdrs_tokio::types::value::Value;
use serde::Deserialize;
use tokio::task::JoinSet;

use super::places::{Place, Places, milliseconds};
use super::schema::Shape;
use super::session::{REQUEST_TIMEOUT, Ready, say};
use crate::sinks::{Reason, Row, Verdict};

/// Inserts that wait for an answer at once.
const IN_FLIGHT: usize = 256;
/// The longest partition key that ScyllaDB takes, with the lengths of its parts; Cassandra takes 2 bytes more.
const KEY_MAX_BYTES: usize = 65_533;
/// Labels that are longer are no labels; a request has a bound too (16 MiB).
const LABELS_MAX_BYTES: usize = 1024 * 1024;
/// What a key of two parts takes besides them.
const KEY_PARTS_BYTES: usize = 2 * 3;

/// What a row's text says.
#[derive(Debug, Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    /// Sorted: the database takes a map's bytes as they come, and equal labels have to be equal bytes.
    #[serde(borrow)]
    labels: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    value: f64,
}

/// What became of a row that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Settled(Verdict),
    /// Never.
    Refused(Reason, String),
    /// Not now; the cluster works.
    Later(String),
    /// Not by this session.
    Broken(String),
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// By row; none where nothing is known.
    pub(super) verdicts: Vec<Option<Verdict>>,
    /// By row, in tables without `seq`.
    pub(super) places: Vec<Option<Place>>,
    /// Why the first row that is to come again is.
    pub(super) why: Option<String>,
    /// Why the first row that the far end will never take is refused.
    pub(super) refused: Option<String>,
    /// The session is not to be used again.
    pub(super) broken: bool,
}

/// Sends the rows, a bounded number at once. After a row without an answer no more are begun. What is told
/// stands in `round` at once, so that nothing is lost if the caller stops waiting.
pub(super) async fn all(
    ready: &Arc<Ready>,
    rows: &[Row<'_>],
    places: &mut Places,
    round: &mut Round,
) {
    round.verdicts.resize(rows.len(), None);
    round.places.resize(rows.len(), None);
    if let Some(first) = rows.first() {
        places.begin(first.time_ns);
    }
    let mut sent = JoinSet::new();
    for (index, row) in rows.iter().enumerate() {
        match values(row, ready.shape, places) {
            Ok((values, place)) => {
                round.places[index] = place;
                let (ready, written_us) = (Arc::clone(ready), row.time_ns / 1_000);
                sent.spawn(async move {
                    let written_us = i64::try_from(written_us).unwrap_or(i64::MAX);
                    (index, judge(ready.store(values, written_us).await))
                });
            }
            Err(reason) => round.verdicts[index] = Some(Verdict::Rejected(reason)),
        }
        while sent.len() >= IN_FLIGHT {
            round.note(sent.join_next().await);
        }
        if round.broken {
            break;
        }
    }
    while let Some(told) = sent.join_next().await {
        round.note(Some(told));
    }
}

impl Round {
    fn note(&mut self, told: Option<Result<(usize, Told), tokio::task::JoinError>>) {
        let (index, told) = match told {
            None => return,
            Some(Ok(told)) => told,
            Some(Err(error)) => {
                self.broken = true;
                self.why.get_or_insert_with(|| format!("a fault of the driver: {error}"));
                return;
            }
        };
        match told {
            Told::Settled(verdict) => self.verdicts[index] = Some(verdict),
            Told::Refused(reason, why) => {
                self.verdicts[index] = Some(Verdict::Rejected(reason));
                self.refused.get_or_insert(why);
            }
            Told::Later(why) => drop(self.why.get_or_insert(why)),
            Told::Broken(why) => {
                self.broken = true;
                self.why.get_or_insert(why);
            }
        }
    }
}

/// The values of an insert, and the row's place in a table without `seq`.
fn values(
    row: &Row<'_>,
    shape: Shape,
    places: &mut Places,
) -> Result<(Vec<Value>, Option<Place>), Reason> {
    let message: Message<'_> = serde_json::from_str(row.text).map_err(|_| Reason::Unreadable)?;
    let labels = map(&message.labels);
    let by_labels = if shape.by_labels { labels.len() } else { 0 };
    let key = message.name.len() + by_labels + KEY_PARTS_BYTES;
    if key > KEY_MAX_BYTES || labels.len() > LABELS_MAX_BYTES {
        return Err(Reason::TooLong);
    }
    let place = (!shape.has_seq).then(|| {
        let partition = (message.name.as_ref(), if shape.by_labels { &labels[..] } else { &[] });
        places.of(row.time_ns, partition)
    });
    let ms = place.map_or_else(|| milliseconds(row.time_ns), |place| place.ms);
    let mut values = vec![
        Value::new(message.name.as_ref()),
        Value::Some(labels),
        Value::new(ms),
        Value::new(message.value),
    ];
    if shape.has_seq {
        values.push(Value::new(row.seq.cast_signed()));
    }
    Ok((values, place))
}

/// A map as the protocol has it: how many, then each name and value with its length.
fn map(labels: &BTreeMap<Cow<'_, str>, Cow<'_, str>>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    // A message is far from 2 GiB.
    let length = |len: usize| i32::try_from(len).unwrap_or(i32::MAX).to_be_bytes();
    bytes.extend_from_slice(&length(labels.len()));
    for text in labels.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend_from_slice(&length(text.len()));
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// What an answer, or none, means.
fn judge(answer: Option<Result<(), Box<Error>>>) -> Told {
    let error = match answer {
        Some(Ok(())) => return Told::Settled(Verdict::Delivered),
        Some(Err(error)) => error,
        None => return Told::Broken(format!("no answer within {REQUEST_TIMEOUT:?}")),
    };
    let why = say(&error);
    let Error::Server { body, .. } = &*error else { return Told::Broken(why) };
    match &body.ty {
        ErrorType::Invalid if is_gone(&body.message) => Told::Broken(why),
        ErrorType::Invalid if is_too_long(&body.message) => Told::Refused(Reason::TooLong, why),
        ErrorType::Invalid => Told::Refused(Reason::Refused, why),
        ErrorType::Server
        | ErrorType::Unavailable(_)
        | ErrorType::Overloaded
        | ErrorType::IsBootstrapping
        | ErrorType::Truncate
        | ErrorType::WriteTimeout(_)
        | ErrorType::WriteFailure(_)
        | ErrorType::ReadTimeout(_)
        | ErrorType::ReadFailure(_) => Told::Later(why),
        // Rights, the schema, or what was prepared have changed.
        _ => Told::Broken(why),
    }
}

/// The table is not there any more: nothing is wrong with the row.
fn is_gone(message: &str) -> bool {
    ["unconfigured table", "does not exist", "Unknown keyspace"]
        .iter()
        .any(|part| message.contains(part))
}

fn is_too_long(message: &str) -> bool {
    ["longer than", "too large", "too long", "Cannot index value of size", "exceeds"]
        .iter()
        .any(|part| message.contains(part))
}

#[cfg(test)]
mod tests {
    use cdrs_tokio::frame::message_error::ErrorBody;

    use super::*;

    const OURS: Shape = Shape { by_labels: true, has_seq: true };
    const OLD: Shape = Shape { by_labels: true, has_seq: false };

    fn row(text: &str) -> Row<'_> {
        Row { time_ns: 1_700_000_000_123_456_789, seq: u64::MAX, text }
    }

    #[test]
    fn a_row_has_the_time_of_its_coming_and_sorted_labels() {
        let text = r#"{"name":"m","labels":{"b":"\u003c","a":"1"},"op":"raw","value":1e+21,"timestamp":"2020-01-01T00:00:00Z"}"#;
        let (values, place) = values(&row(text), OURS, &mut Places::default()).unwrap();
        let labels = b"\0\0\0\x02\0\0\0\x01a\0\0\0\x011\0\0\0\x01b\0\0\0\x01<";
        let expected = [
            Value::new("m"),
            Value::Some(labels.to_vec()),
            Value::new(1_700_000_000_123_i64),
            Value::new(1e21),
            Value::new(-1_i64),
        ];
        assert_eq!((values.as_slice(), place), (&expected[..], None));
    }

    #[test]
    fn an_old_table_has_four_columns_and_places() {
        let text = r#"{"name":"m","labels":{},"op":"raw","value":0.1}"#;
        let mut places = Places::default();
        let (first, place) = values(&row(text), OLD, &mut places).unwrap();
        assert_eq!((first.len(), place.map(|place| place.moved)), (4, Some(false)));
    }

    #[test]
    fn keys_that_are_too_long_are_not_sent() {
        let long = |len: usize| {
            format!(r#"{{"name":"m","labels":{{"a":"{}"}},"value":1}}"#, "x".repeat(len))
        };
        let judged =
            |len, shape| values(&row(&long(len)), shape, &mut Places::default()).map(|_| ());
        // 65,533 less the name, 4 lengths of 4, 1, and 3 each for two parts.
        let fits = 65_533 - 1 - (4 + 4 + 1 + 4) - 6;
        assert_eq!(judged(fits, OURS), Ok(()));
        assert_eq!(judged(fits + 1, OURS), Err(Reason::TooLong));
        assert_eq!(judged(fits + 1, Shape { by_labels: false, has_seq: false }), Ok(()));
        assert_eq!(
            values(&row("{"), OURS, &mut Places::default()).map(|_| ()),
            Err(Reason::Unreadable)
        );
    }

    #[test]
    fn answers_become_verdicts() {
        let server = |ty, message: &str| {
            let body = ErrorBody { ty, message: message.to_owned() };
            let addr = "127.0.0.1:1".parse().unwrap();
            judge(Some(Err(Box::new(Error::Server { body, addr }))))
        };
        let reason = |told| if let Told::Refused(reason, _) = told { Some(reason) } else { None };
        assert_eq!(judge(Some(Ok(()))), Told::Settled(Verdict::Delivered));
        assert!(matches!(judge(None), Told::Broken(_)));
        assert!(matches!(
            judge(Some(Err(Box::new(Error::General(String::new()))))),
            Told::Broken(_)
        ));
        assert_eq!(reason(server(ErrorType::Invalid, "expected 8 bytes")), Some(Reason::Refused));
        let long = "Key length of 65536 is longer than maximum of 65535";
        assert_eq!(reason(server(ErrorType::Invalid, long)), Some(Reason::TooLong));
        assert!(matches!(server(ErrorType::Invalid, "unconfigured table x"), Told::Broken(_)));
        assert!(matches!(server(ErrorType::Overloaded, ""), Told::Later(_)));
        assert!(matches!(server(ErrorType::Unauthorized, ""), Told::Broken(_)));
    }
}
