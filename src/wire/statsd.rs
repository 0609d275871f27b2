//! One framed StatsD line becomes samples or rejections: plain StatsD, and what DogStatsD, InfluxDB, Librato and
//! SignalFX have added to it.
//!
//! ```text
//! name[,tag=value…]:value[:value…]|type[|@rate][|#tag:value,…][|c:container][|T timestamp][:value|type…]
//! ```
//!
//! Runs on an ingest worker, one [`LineParser`] per worker, which allocates nothing once its buffers have grown. Names
//! become names that Prometheus takes by the rules of `statsd_exporter`, so that a fleet that moves over finds its
//! series again. It must not know families or cells.
//!
//! Checks are made in this order, and the first that fails is the reason of the rejection: the form, type, name,
//! labels, sample rate, value, sign of a counter's value.

mod dogstatsd;
mod fields;
mod name;
mod parsed;
mod tags;
mod value;

use std::mem;

pub use parsed::{LineSample, ParsedLine, Scaling};

use crate::config::TagStyles;
use crate::metric::{
    BucketParams, Coercion, Coercions, Hops, Label, Op, OpType, Rejection, Sample,
};
use crate::wire::recycle::recycle;
use crate::wire::text;
use dogstatsd::DogStatsD;
use fields::SampleFields;
use tags::{Tag, TagCollector};
use value::{ScaledNumber, StatType};

/// The bounds of a histogram that a StatsD line begins: those that Prometheus' client libraries and `statsd_exporter`
/// have by default. They suit seconds.
const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Parses StatsD lines, with buffers that it reuses.
#[derive(Debug)]
pub struct LineParser {
    labels_max: usize,
    styles: TagStyles,
    /// The names that the line at hand makes: the metric's, and one for each tag.
    names: String,
    tags: Vec<Tag<'static>>,
    labels: Vec<Label<'static>>,
}

/// What all samples of a line have in common.
struct Head<'a> {
    /// How many bytes of the parser's names the metric's takes.
    name_len: usize,
    /// The tags of the name. Those of a sample stand behind them.
    tags: Vec<Tag<'a>>,
    coercions: Coercions,
}

impl LineParser {
    /// A parser that takes tags in these styles, and refuses samples with more than `labels_max` labels.
    pub fn new(labels_max: usize, styles: TagStyles) -> Self {
        Self { labels_max, styles, names: String::new(), tags: Vec::new(), labels: Vec::new() }
    }

    /// Calls `take` with each sample of the line, or with why there is none. It is called once at least.
    pub fn parse(&mut self, line: &[u8], mut take: impl FnMut(ParsedLine<'_>)) {
        let text = str::from_utf8(line).ok();
        if let Some((text, op)) = text.and_then(|text| Some((text, dogstatsd::op(text)?))) {
            return self.dogstatsd(text, op, take);
        }
        let Some((head, body)) = text.and_then(|text| text::split_once(text, b':')) else {
            return take(ParsedLine::refused(OpType::Empty, Rejection::Syntax));
        };
        let mut head = self.head(head);
        self.samples(&mut head, body, &mut take);
        self.tags = recycle(head.tags, |_| Tag::NONE);
    }

    /// Reads what stands before the first colon.
    fn head<'a>(&mut self, text: &'a str) -> Head<'a> {
        self.names.clear();
        let tags = recycle(mem::take(&mut self.tags), |_| Tag::NONE);
        let mut collector = TagCollector::new(&mut self.names, tags);
        let name_len = collector.name_with_tags(text, self.styles);
        let (tags, coercions) = collector.finish();
        Head { name_len, tags, coercions }
    }

    /// Takes an event or a service check.
    fn dogstatsd(&mut self, text: &str, op: Op, mut take: impl FnMut(ParsedLine<'_>)) {
        let Self { labels_max, styles, names, tags, labels } = self;
        names.clear();
        let mut collector = TagCollector::new(names, recycle(mem::take(tags), |_| Tag::NONE));
        let read = DogStatsD::read(text, &mut collector, *styles);
        let (own_tags, coercions) = collector.finish();
        let mut own_labels = recycle(mem::take(labels), |_| Label { name: "", value: "" });
        let result = read.and_then(|message| {
            let (name, help, value) = match message {
                DogStatsD::Event { title, text } => (title, text, 0.0),
                DogStatsD::Check { name_len: 0, .. } => return Err(Rejection::Name),
                DogStatsD::Check { name_len, status } => (&names[..name_len], "", status.into()),
            };
            tags::write_labels(names, &own_tags, op.kind(), *labels_max, &mut own_labels)?;
            let sample = Sample { help, ..sample(op, name, &own_labels, value) };
            Ok(LineSample { sample, number: value, scaling: Scaling::NONE, is_further: false })
        });
        take(ParsedLine { op_type: OpType::Known(op), coercions, result });
        *labels = recycle(own_labels, |_| Label { name: "", value: "" });
        *tags = recycle(own_tags, |_| Tag::NONE);
    }

    /// Takes all samples of the body of a line. With DogStatsD's tags there may be one only, since it would not be clear
    /// whose they are.
    fn samples<'a>(
        &mut self,
        head: &mut Head<'a>,
        body: &'a str,
        take: &mut impl FnMut(ParsedLine<'_>),
    ) {
        let (fields, mut rest) = SampleFields::split_off(body);
        if rest.is_some() && body.contains("|#") {
            return take(ParsedLine::refused(OpType::Empty, Rejection::Syntax));
        }
        self.judge(head, fields, take);
        while let Some(text) = rest {
            let fields;
            (fields, rest) = SampleFields::split_off(text);
            self.judge(head, fields, take);
        }
    }

    /// Takes one sample, or why it is none.
    fn judge<'a>(
        &mut self,
        head: &mut Head<'a>,
        fields: Result<SampleFields<'a>, Rejection>,
        take: &mut impl FnMut(ParsedLine<'_>),
    ) {
        match fields {
            Ok(fields) if fields.tags().is_some() && !head.tags.is_empty() => {
                take(ParsedLine::refused(OpType::Empty, Rejection::TagStyles));
            }
            Ok(fields) => self.sample(head, &fields, take),
            Err(reason) => take(ParsedLine::refused(OpType::Empty, reason)),
        }
    }

    /// Takes one sample, which may have several values.
    fn sample<'a>(
        &mut self,
        head: &mut Head<'a>,
        fields: &SampleFields<'a>,
        take: &mut impl FnMut(ParsedLine<'_>),
    ) {
        let (tags_before, names_before) = (head.tags.len(), self.names.len());
        let mut coercions = head.coercions;
        if let Some(text) = fields.tags() {
            let mut collector = TagCollector::new(&mut self.names, mem::take(&mut head.tags));
            collector.dogstatsd(text, self.styles);
            let malformed;
            (head.tags, malformed) = collector.finish();
            coercions.merge(malformed);
        }
        if fields.has_timestamp() {
            coercions.insert(Coercion::Timestamp);
        }
        let Self { labels_max, names, labels, .. } = self;
        let mut own_labels = recycle(mem::take(labels), |_| Label { name: "", value: "" });
        let stat_type = StatType::from_text(fields.stat_type());
        let checked = match stat_type {
            None => Err(Rejection::UnsupportedType),
            Some(_) if head.name_len == 0 => Err(Rejection::Name),
            Some(stat_type) => {
                let kind = Some(stat_type.kind());
                tags::write_labels(names, &head.tags, kind, *labels_max, &mut own_labels)
                    .and_then(|()| Ok((stat_type, value::read_rate(fields.rate())?)))
            }
        };
        for (index, text) in fields.values().enumerate() {
            let judged = checked.and_then(|(stat_type, rate)| {
                let ScaledNumber { number, scaling } = value::read(stat_type, text, rate)?;
                let name = &names[..head.name_len];
                let value = scaling.scale(number);
                let sample = sample(stat_type.op(text), name, &own_labels, value);
                Ok(LineSample { sample, number, scaling, is_further: index > 0 })
            });
            let op_type = stat_type.map_or(OpType::Other, |known| OpType::Known(known.op(text)));
            take(ParsedLine { op_type, coercions, result: judged });
        }
        self.labels = recycle(own_labels, |_| Label { name: "", value: "" });
        head.tags.truncate(tags_before);
        self.names.truncate(names_before);
    }
}

fn sample<'a>(op: Op, name: &'a str, labels: &'a [Label<'a>], value: f64) -> Sample<'a> {
    let custom: &[f64] = if op == Op::Obs { &BOUNDS } else { &[] };
    Sample {
        op,
        name,
        labels,
        help: "",
        value,
        buckets: BucketParams { custom, ..BucketParams::default() },
        timestamp: None,
        index: "",
        hops: Hops::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_reused_across_lifetimes() {
        let mut parser = LineParser::new(64, TagStyles::all());
        let mut memory = Vec::new();
        for line in ["a:1|c|#x:1,y:2", "b:2|g|#z:1,w:2", "_sc|c|0|#v:1,u:2", "d,t=1,s=2:3|h"] {
            let line = line.to_owned();
            parser.parse(line.as_bytes(), |parsed| {
                let labels = parsed.result.expect("a good line").sample.labels;
                assert_eq!(labels.len(), 2);
                memory.push(labels.as_ptr() as usize);
            });
            memory.extend([parser.names.as_ptr() as usize, parser.tags.as_ptr() as usize]);
        }
        let (first, others) = memory.split_at(3);
        assert!(others.chunks(3).all(|other| other == first), "{memory:?}");
    }
}
