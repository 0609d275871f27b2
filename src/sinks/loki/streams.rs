//! The body of a push: entries grouped into streams, in the order in which they came.
//!
//! Pure data, made anew for each request and the same for the same rows: Loki takes an entry that has the
//! stream, time and line of one that it holds for that one, so that a repeated request stores nothing twice.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::sinks::Row;
use crate::sinks::loki::labels::{Labels, Pick};
use crate::text::json::write_string;

/// A row's text, as far as streams are made of it.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    labels: Pairs<'a>,
}

struct Pairs<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("labels")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::with_capacity(8);
                while let Some((name, value)) = map.next_entry::<Text<'de>, Text<'de>>()? {
                    pairs.push((name.0, value.0));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Map)
    }
}

/// Streams in the order of their first entries.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// From the labels to the place in `entries`.
    places: HashMap<Vec<u8>, usize>,
    /// By stream: what stands before its values, and they.
    entries: Vec<Vec<u8>>,
    labels: Labels,
}

impl Streams {
    /// Takes a row in; false if its text is no message.
    pub(super) fn add(&mut self, row: &Row<'_>, pick: &Pick) -> bool {
        let Ok(message) = serde_json::from_str::<Message<'_>>(row.text) else { return false };
        pick.write(&message.labels.0, &mut self.labels);
        let place = match self.places.entry(std::mem::take(&mut self.labels.stream)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let head = [b"{\"stream\":{", new.key().as_slice(), b"},\"values\":["].concat();
                self.entries.push(head);
                *new.insert(self.entries.len() - 1)
            }
        };
        let out = &mut self.entries[place];
        if out.last() == Some(&b']') {
            out.push(b',');
        }
        out.extend_from_slice(b"[\"");
        out.extend_from_slice(row.time_ns.to_string().as_bytes());
        out.extend_from_slice(b"\",");
        write_string(out, row.text);
        if !self.labels.metadata.is_empty() {
            out.extend_from_slice(b",{");
            out.extend_from_slice(&self.labels.metadata);
            out.push(b'}');
        }
        out.push(b']');
        true
    }

    /// The body; empty if there are no entries.
    pub(super) fn into_body(self) -> Vec<u8> {
        if self.entries.is_empty() {
            return Vec::new();
        }
        let mut body = b"{\"streams\":[".to_vec();
        body.extend_from_slice(&self.entries.join(&b"]},"[..]));
        body.extend_from_slice(b"]}]}");
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(rows: &[(u64, &str)], pick: &[&str]) -> String {
        let pick: Vec<_> = pick.iter().map(|name| (*name).to_owned()).collect();
        let pick = Pick::new(&pick).unwrap();
        let mut streams = Streams::default();
        for (time_ns, text) in rows {
            assert!(streams.add(&Row { time_ns: *time_ns, seq: 0, text }, &pick));
        }
        String::from_utf8(streams.into_body()).unwrap()
    }

    #[test]
    fn entries_of_one_label_set_are_one_stream_in_order() {
        let rows = [
            (1, r#"{"name":"a","labels":{"l":"1"},"value":1}"#),
            (2, r#"{"name":"b","labels":{"l":"\u003c\"2"},"value":1}"#),
            (3, r#"{"name":"c","labels":{"l":"1"},"value":1}"#),
        ];
        let expected = concat!(
            r#"{"streams":[{"stream":{"l":"1"},"values":["#,
            r#"["1","{\"name\":\"a\",\"labels\":{\"l\":\"1\"},\"value\":1}"],"#,
            r#"["3","{\"name\":\"c\",\"labels\":{\"l\":\"1\"},\"value\":1}"]]},"#,
            r#"{"stream":{"l":"\u003c\"2"},"values":["#,
            r#"["2","{\"name\":\"b\",\"labels\":{\"l\":\"\\u003c\\\"2\"},\"value\":1}"]]}]}"#,
        );
        assert_eq!(body(&rows, &[]), expected);
    }

    #[test]
    fn labels_beside_the_stream_follow_the_line() {
        let rows = [(7, r#"{"name":"a","labels":{"k":"1","l":"2"},"value":1}"#)];
        assert!(body(&rows, &["l"]).ends_with(r#"\"value\":1}",{"k":"1"}]]}]}"#));
        let known: serde_json::Value = serde_json::from_str(&body(&rows, &["l"])).unwrap();
        assert_eq!(known["streams"][0]["values"][0][1], rows[0].1);
    }

    #[test]
    fn what_is_no_message_is_told() {
        let pick = Pick::new(&[]).unwrap();
        let mut streams = Streams::default();
        for text in ["", "{", "[]", r#"{"name":"a"}"#, r#"{"labels":[]}"#, r#"{"labels":{"a":1}}"#]
        {
            assert!(!streams.add(&Row { time_ns: 1, seq: 0, text }, &pick), "{text}");
        }
        assert!(streams.into_body().is_empty());
    }
}
