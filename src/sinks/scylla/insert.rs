//! Rows become inserts, and answers become verdicts.
//!
//! Runs on the deliverer. Pure but for [`all`], which sends.

use std::sync::Arc;

use cdrs_tokio::error::Error;
use cdrs_tokio::frame::message_error::ErrorType;
use cdrs_tokio::types::value::Value;
use tokio::task::JoinSet;

use super::places::{Place, Places, milliseconds};
use super::schema::Shape;
use super::session::{REQUEST_TIMEOUT, Ready, say};
use crate::sinks::row::RowLabels;
use crate::sinks::{Reason, Row, Verdict};

/// Inserts that wait for an answer at once.
const IN_FLIGHT: usize = 256;
/// The longest partition key that ScyllaDB takes, with the lengths of its parts; Cassandra takes 2 bytes more.
const KEY_MAX_BYTES: usize = 65_533;
/// Labels that are longer are no labels; a request has a bound too (16 MiB).
const LABELS_MAX_BYTES: usize = 1024 * 1024;
/// What a key of two parts takes besides them.
const KEY_PARTS_BYTES: usize = 2 * 3;

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
    let labels = map(row.labels());
    let by_labels = if shape.by_labels { labels.len() } else { 0 };
    let key = row.name.len() + by_labels + KEY_PARTS_BYTES;
    if key > KEY_MAX_BYTES || labels.len() > LABELS_MAX_BYTES {
        return Err(Reason::TooLong);
    }
    let place = (!shape.has_seq).then(|| {
        let partition = (row.name, if shape.by_labels { &labels[..] } else { &[] });
        places.of(row.time_ns, partition)
    });
    let ms = place.map_or_else(|| milliseconds(row.time_ns), |place| place.ms);
    let mut values =
        vec![Value::new(row.name), Value::Some(labels), Value::new(ms), Value::new(row.value)];
    if shape.has_seq {
        values.push(Value::new(row.seq.cast_signed()));
    }
    Ok((values, place))
}

/// A map as the protocol has it: how many, then each name and value with its length. Labels come sorted: the
/// database takes a map's bytes as they come, and equal labels have to be equal bytes.
fn map(labels: RowLabels<'_>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    bytes.extend_from_slice(&length(labels.len()));
    for text in labels.flat_map(|label| [label.name, label.value]) {
        bytes.extend_from_slice(&length(text.len()));
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// A length, or a number of things, as the protocol has it.
fn length(length: usize) -> [u8; 4] {
    assert!(i32::try_from(length).is_ok(), "a message has 1 GiB at most");
    #[expect(clippy::cast_possible_truncation, reason = "asserted")]
    (length as u32).to_be_bytes()
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
    use crate::metric::{Label, Op, Sample};
    use crate::sinks::block::tests::sample;
    use crate::sinks::block::{Block, Stamps};

    const OURS: Shape = Shape { by_labels: true, has_seq: true };
    const OLD: Shape = Shape { by_labels: true, has_seq: false };

    /// A block with one row.
    fn block(labels: &[(&str, &str)], value: f64) -> Block {
        let labels: Vec<_> = labels.iter().map(|&(name, value)| Label { name, value }).collect();
        let sample = Sample {
            value,
            timestamp: Some("2020-01-01T00:00:00Z"),
            ..sample(Op::Raw, "m", &labels)
        };
        let mut block = Block::default();
        block.push(1_700_000_000_123_456_789, &sample, &[]);
        block.stamp(&mut Stamps::new(0, u64::MAX - 1));
        block
    }

    fn row(block: &Block) -> Row<'_> {
        block.iter().next().unwrap()
    }

    #[test]
    fn a_row_has_the_time_of_its_coming_and_its_labels() {
        let block = block(&[("a", "1"), ("b", "<")], 1e21);
        let (values, place) = values(&row(&block), OURS, &mut Places::default()).unwrap();
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
        let mut places = Places::default();
        let (first, place) = values(&row(&block(&[], 0.1)), OLD, &mut places).unwrap();
        assert_eq!((first.len(), place.map(|place| place.moved)), (4, Some(false)));
    }

    #[test]
    fn keys_that_are_too_long_are_not_sent() {
        let judged = |len, shape| {
            let block = block(&[("a", &"x".repeat(len))], 1.0);
            values(&row(&block), shape, &mut Places::default()).map(|_| ())
        };
        // 65,533 less the name, 4 lengths of 4, 1, and 3 each for two parts.
        let fits = 65_533 - 1 - (4 + 4 + 1 + 4) - 6;
        assert_eq!(judged(fits, OURS), Ok(()));
        assert_eq!(judged(fits + 1, OURS), Err(Reason::TooLong));
        assert_eq!(judged(fits + 1, Shape { by_labels: false, has_seq: false }), Ok(()));
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
