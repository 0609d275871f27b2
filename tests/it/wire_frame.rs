//! Where the framer finds objects and StatsD lines, and that it finds the same however a stream is cut.

use metrics_server::testing::metric::Rejection;
use metrics_server::testing::wire::{Frame, Framer};
use proptest::prelude::*;

/// What a source gave: the text of each frame, refused ones with their reason, and the garbage.
type Seen = (Vec<(Result<String, Rejection>, bool)>, u64);

fn see(frame: Frame, bytes: &[u8]) -> (Result<String, Rejection>, bool) {
    match frame {
        Frame::Object { start, end, escaped } => {
            (Ok(String::from_utf8_lossy(&bytes[start..end]).into_owned()), escaped)
        }
        Frame::Line { start, end } => {
            (Ok(String::from_utf8_lossy(&bytes[start..end]).into_owned()), false)
        }
        Frame::Refused { reason, .. } => (Err(reason), false),
    }
}

/// As one datagram.
fn datagram(max: usize, bytes: &[u8]) -> Seen {
    let mut framer = Framer::new(max);
    let (mut pos, mut seen) = (0, Vec::new());
    while let Some(frame) = framer.next(bytes, &mut pos) {
        seen.push(see(frame, bytes));
    }
    assert_eq!(pos, bytes.len());
    seen.extend(framer.finish(bytes).map(|frame| see(frame, bytes)));
    assert_eq!(framer.open_start(), None);
    (seen, framer.garbage_bytes())
}

/// As a stream that arrives in these pieces, kept as a connection keeps it.
fn stream<'b>(max: usize, pieces: impl IntoIterator<Item = &'b [u8]>) -> Seen {
    let mut framer = Framer::new(max);
    let (mut buffer, mut seen) = (Vec::new(), Vec::new());
    for piece in pieces {
        let mut pos = buffer.len();
        buffer.extend_from_slice(piece);
        while let Some(frame) = framer.next(&buffer, &mut pos) {
            seen.push(see(frame, &buffer));
        }
        let start = framer.keep(buffer.len());
        buffer.drain(..start);
        assert!(buffer.len() <= max);
    }
    seen.extend(framer.finish(&buffer).map(|frame| see(frame, &buffer)));
    (seen, framer.garbage_bytes())
}

/// The framer's rules once more, byte for byte and in the plainest way.
#[derive(Default)]
struct Plain {
    seen: Seen,
    object: Option<PlainObject>,
    line: PlainLine,
}

/// What is known of the bytes outside objects.
#[derive(Default)]
enum PlainLine {
    /// A line may begin.
    #[default]
    Begin,
    /// A line that is, or may be, one of StatsD.
    Open(Vec<u8>),
    /// A line that was refused.
    Refused,
    Garbage,
}

/// What the bytes of a line say of it, one by one.
#[derive(Clone, Copy, PartialEq)]
enum Verdict {
    StatsD,
    /// So far it is none, but it may become one.
    Open,
    Garbage,
}

fn verdict(line: &[u8]) -> Verdict {
    let is_text =
        |byte: &u8| *byte == b'\t' || !(byte.is_ascii_control() || b"\"{}".contains(byte));
    if line.starts_with(b"_sc|") {
        return Verdict::StatsD;
    }
    if let Some(head) = line.strip_prefix(b"_e{") {
        let rest: Vec<u8> =
            head.iter().copied().skip_while(|b| b.is_ascii_digit() || *b == b',').collect();
        return match rest[..] {
            [] | [b'}'] | [b'}', b':', ..] => Verdict::StatsD,
            _ => Verdict::Garbage,
        };
    }
    let mut parts = line.splitn(2, |byte| *byte == b':');
    let name = parts.next().unwrap_or_default();
    if !name.iter().all(|byte| is_text(byte) && *byte != b'|') {
        return Verdict::Garbage;
    }
    let mut parts = parts.next().unwrap_or_default().splitn(2, |byte| *byte == b'|');
    if !parts.next().unwrap_or_default().iter().all(is_text) {
        return Verdict::Garbage;
    }
    match parts.next() {
        None => Verdict::Open,
        Some([]) => Verdict::StatsD,
        Some([first, ..]) if first.is_ascii_alphabetic() || b"\r\n".contains(first) => {
            Verdict::StatsD
        }
        Some(_) => Verdict::Garbage,
    }
}

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "plain on purpose")]
struct PlainObject {
    stack: Vec<u8>,
    in_text: bool,
    escape: bool,
    newline: bool,
    last: u8,
    refused: bool,
    text: Vec<u8>,
}

impl Plain {
    fn datagram(max: usize, bytes: &[u8]) -> Seen {
        let mut plain = Self::default();
        for &byte in bytes {
            plain.read(byte, max);
        }
        plain.refuse(Rejection::Unterminated);
        plain.end_line();
        plain.seen
    }

    /// The end of a line that may be open.
    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if let PlainLine::Open(text) = line {
            if verdict(&text) == Verdict::StatsD {
                let text = text.strip_suffix(b"\r").unwrap_or(&text);
                self.seen.0.push((Ok(String::from_utf8_lossy(text).into_owned()), false));
            } else {
                self.add_garbage(&text);
            }
        }
    }

    fn add_garbage(&mut self, bytes: &[u8]) {
        let blanks = bytes.iter().filter(|byte| b" \t\r\n".contains(byte)).count();
        self.seen.1 += (bytes.len() - blanks) as u64;
    }

    /// Whether the byte was taken for one of a line.
    fn read_line(&mut self, byte: u8, max: usize) -> bool {
        let is_blank = b" \t\r\n".contains(&byte);
        match &mut self.line {
            PlainLine::Begin if byte == b'{' || is_blank => return false,
            PlainLine::Begin => {
                self.line = PlainLine::Open(Vec::new());
                return self.read_line(byte, max);
            }
            PlainLine::Garbage => return false,
            PlainLine::Refused => {}
            PlainLine::Open(text) if text.len() == max => {
                let text = std::mem::take(text);
                if verdict(&text) == Verdict::StatsD {
                    self.seen.0.push((Err(Rejection::TooLong), false));
                    self.line = PlainLine::Refused;
                } else {
                    self.add_garbage(&text);
                    self.line = PlainLine::Garbage;
                    return false;
                }
            }
            PlainLine::Open(text) => {
                text.push(byte);
                match verdict(text) {
                    Verdict::Garbage => {
                        text.pop();
                        let text = std::mem::take(text);
                        self.line = PlainLine::Garbage;
                        // What was taken for an event may be an object behind garbage.
                        let (garbage, object) =
                            text.split_at(if text.starts_with(b"_e{") { 2 } else { text.len() });
                        self.add_garbage(garbage);
                        for &byte in object {
                            self.read(byte, max);
                        }
                        let in_object = self.object.is_some();
                        if in_object {
                            self.read(byte, max);
                        }
                        return in_object;
                    }
                    Verdict::StatsD if byte == b'\n' => {
                        text.pop();
                    }
                    Verdict::StatsD | Verdict::Open => return true,
                }
            }
        }
        if byte == b'\n' {
            self.end_line();
        }
        true
    }

    fn refuse(&mut self, reason: Rejection) {
        if let Some(object) = &mut self.object
            && !std::mem::replace(&mut object.refused, true)
        {
            self.seen.0.push((Err(reason), false));
        }
    }

    fn read(&mut self, byte: u8, max: usize) {
        if self.object.as_ref().is_some_and(|object| object.text.len() == max) {
            self.refuse(Rejection::TooLong);
        }
        if self.object.as_ref().is_some_and(|object| object.breaks_at(byte)) {
            self.refuse(Rejection::Unterminated);
            self.object = None;
        }
        if self.object.is_none() && self.read_line(byte, max) {
            return;
        }
        match &mut self.object {
            None if byte == b'{' => {
                self.line = PlainLine::Begin;
                let text = vec![byte];
                self.object = Some(PlainObject {
                    stack: text.clone(),
                    last: byte,
                    text,
                    ..Default::default()
                });
            }
            None => {
                self.add_garbage(&[byte]);
                if byte == b'\n' {
                    self.line = PlainLine::Begin;
                }
            }
            Some(object) => {
                object.read(byte);
                if object.stack.is_empty() && !object.refused {
                    let escaped = object.text.contains(&b'\\');
                    let text = String::from_utf8_lossy(&object.text).into_owned();
                    self.seen.0.push((Ok(text), escaped));
                }
                if object.stack.is_empty() {
                    self.object = None;
                }
            }
        }
    }
}

impl PlainObject {
    /// Whether framing starts anew at this byte.
    fn breaks_at(&self, byte: u8) -> bool {
        let in_array = self.stack.last() == Some(&b'[');
        let value_due = matches!(self.last, b':' | b'[') || (self.last == b',' && in_array);
        if self.in_text { byte == b'\n' } else { byte == b'{' && self.newline && !value_due }
    }

    fn read(&mut self, byte: u8) {
        self.text.push(byte);
        if self.in_text {
            self.in_text = self.escape || byte != b'"';
            self.escape = !self.escape && byte == b'\\';
            return;
        }
        match byte {
            b' ' | b'\t' | b'\r' => return,
            b'\n' => {
                self.newline = true;
                return;
            }
            b'"' => self.in_text = true,
            b'{' | b'[' => self.stack.push(byte),
            b']' if self.stack.last() == Some(&b'[') => drop(self.stack.pop()),
            b'}' => while self.stack.pop() == Some(b'[') {},
            _ => {}
        }
        (self.newline, self.last) = (false, byte);
    }
}

/// Frames by their text or reason, without the flags.
#[track_caller]
fn assert_frames(bytes: &[u8], expected: &[Result<&str, Rejection>], garbage: u64) {
    let (frames, seen_garbage) = datagram(200, bytes);
    let frames: Vec<_> = frames.iter().map(|(frame, _)| frame.as_deref().map_err(|&r| r)).collect();
    let text = String::from_utf8_lossy(bytes);
    assert_eq!((frames.as_slice(), seen_garbage), (expected, garbage), "{text}");
}

const CUT: Result<&str, Rejection> = Err(Rejection::Unterminated);

#[test]
fn objects_and_what_lies_between() {
    assert_frames(b"", &[], 0);
    assert_frames(b" \t\r\n\n", &[], 0);
    assert_frames(b"hello42[]\"\"", &[], 11);
    assert_frames(b"{}", &[Ok("{}")], 0);
    assert_frames(b"{\"a\":1}{\"b\":2}\r\n{}", &[Ok("{\"a\":1}"), Ok("{\"b\":2}"), Ok("{}")], 0);
    assert_frames(
        b"garbage{\"a\":1} ,;junk {}tail{}more",
        &[Ok("{\"a\":1}"), Ok("{}"), Ok("{}")],
        21,
    );
    assert_frames(b"\"{}", &[Ok("{}")], 1);
    assert_frames(b"}{}}}{}}", &[Ok("{}"), Ok("{}")], 4);
    assert_frames(b"\xef\xbb\xbf{}\0", &[Ok("{}")], 4);
}

#[test]
fn lines_of_statsd() {
    assert_frames(b"a:1|c", &[Ok("a:1|c")], 0);
    assert_frames(b"a:1|c\nb.c:2|ms\r\n\n \t:3|g\r", &[Ok("a:1|c"), Ok("b.c:2|ms"), Ok(":3|g")], 0);
    assert_frames(b"a b:x y|", &[Ok("a b:x y|")], 0);
    assert_frames(b"a:1|\n{}", &[Ok("a:1|"), Ok("{}")], 0);
    // Once it is one, all up to the line feed is of it.
    assert_frames(b"a:1|c|#x:{\"y\n{}", &[Ok("a:1|c|#x:{\"y"), Ok("{}")], 0);
    assert_frames(
        b"_e{1,2}:{|}}\n_sc|a|0|#{\n_e{1",
        &[Ok("_e{1,2}:{|}}"), Ok("_sc|a|0|#{"), Ok("_e{1")],
        0,
    );
    // Beside objects, also right behind one.
    assert_frames(
        b"a:1|c\n{\"a\":1}b:2|c\n{}{} \nc:3|h",
        &[Ok("a:1|c"), Ok("{\"a\":1}"), Ok("b:2|c"), Ok("{}"), Ok("{}"), Ok("c:3|h")],
        0,
    );
    assert_frames(b"{\"a\nb:1|c", &[CUT, Ok("b:1|c")], 0);
}

#[test]
fn what_is_no_line_of_statsd_is_garbage() {
    for text in [
        "a",
        "a:1",
        "a:1c",
        "a|c",
        "a:1|1",
        "a:1| c",
        "\"a\":1|c",
        "a:\"1\"|c",
        "}a:1|c",
        "\u{1}:1|c",
    ] {
        let garbage = text.bytes().filter(|byte| *byte != b' ').count() as u64;
        assert_frames(text.as_bytes(), &[], garbage);
        // In it an object may begin, but no other line.
        assert_frames(format!("{text}{{}}\na:1|c").as_bytes(), &[Ok("{}"), Ok("a:1|c")], garbage);
    }
    assert_frames(b"a{},:1|1\n", &[Ok("{}")], 6);
    // An object is found behind what may have begun an event.
    assert_frames(b"_e{}1\n_e{\"a\":1}\n_e{1}\n_ec|1", &[Ok("{}"), Ok("{\"a\":1}"), Ok("{1}")], 12);
}

#[test]
fn lines_that_are_too_long() {
    let line = |len: usize| format!("a:1|c|#{}\n", "x".repeat(len - 8));
    assert_eq!(
        datagram(50, line(50).as_bytes()),
        (vec![(Ok(line(50).trim().to_owned()), false)], 0)
    );
    for len in [51, 52, 100, 500] {
        let seen = datagram(50, format!("{}{{}}a:1|c", line(len)).as_bytes());
        let refused = (Err(Rejection::TooLong), false);
        let good = |text: &str| (Ok(text.to_owned()), false);
        assert_eq!(seen, (vec![refused, good("{}"), good("a:1|c")], 0));
    }
    let open = "x".repeat(60);
    assert_eq!(
        datagram(50, format!("{open}:1|c\n{{}}").as_bytes()),
        (vec![(Ok("{}".to_owned()), false)], 64)
    );
}

#[test]
fn giving_up_an_open_line() {
    for (text, is_statsd) in [("a:1|c", true), ("a:1|", true), ("a:1", false), ("_e{", true)] {
        let mut framer = Framer::new(99);
        let mut pos = 0;
        assert_eq!(framer.next(text.as_bytes(), &mut pos), None);
        assert_eq!(framer.keep(text.len()), 0);
        let refused = Frame::Refused { reason: Rejection::TimedOut, start: 0, end: text.len() };
        assert_eq!(framer.give_up(Rejection::TimedOut, text.len()), is_statsd.then_some(refused));
        assert_eq!((framer.open_start(), framer.give_up(Rejection::TimedOut, 0)), (None, None));
        let rest = b"ab\nb:1|c\n";
        let mut pos = 0;
        assert_eq!(framer.next(rest, &mut pos), Some(Frame::Line { start: 3, end: 8 }), "{text}");
        let garbage = if is_statsd { 0 } else { text.len() as u64 + 2 };
        assert_eq!(framer.garbage_bytes(), garbage);
    }
}

#[test]
fn strings() {
    for text in
        [r#"{"p":"a{b"}"#, r#"{"p":"a}b"}"#, r#"{"p":"\"}{"}"#, r#"{"p":"\\"}"#, r#"{"p":"[[["}"#]
    {
        assert_frames(format!("{text}{text}").as_bytes(), &[Ok(text), Ok(text)], 0);
    }
    assert_frames(b"{\"a\":\"x\n{}", &[CUT, Ok("{}")], 0);
    assert_frames(b"{\"a\":\"x\\\ny\"}{}", &[CUT, Ok("{}")], 3);
    assert_frames(b"{\"a\":\"{}{}", &[CUT], 0);
    for (text, escaped) in [("{\"a\":\"\\n\"}", true), ("{\"a\":1}", false), ("{\\}", true)] {
        assert_eq!(datagram(99, text.as_bytes()).0, [(Ok(text.to_string()), escaped)]);
    }
    // What is known of one object is not held against the next.
    assert!(!datagram(99, b"{\"\\n\":1}{}").0[1].1);
}

#[test]
fn brackets() {
    // A cut array cannot eat the next object.
    assert_frames(b"{\"a\":[1,{\"b\":[2}{}", &[CUT], 0);
    assert_frames(b"{\"a\":[1,[2}{}", &[Ok("{\"a\":[1,[2}"), Ok("{}")], 0);
    assert_frames(b"{\"a\":1]}{}", &[Ok("{\"a\":1]}"), Ok("{}")], 0);
    for levels in [1, 127, 128, 129, 1000] {
        let text = format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        let (frames, garbage) = datagram(1 << 20, format!("{text}{{}}").as_bytes());
        assert_eq!((frames.len(), garbage), (2, 0), "{levels}");
        let text = format!("{}{}", "{\"a\":".repeat(levels), "}".repeat(levels));
        assert_eq!(datagram(1 << 20, text.as_bytes()).0, [(Ok(text), false)]);
    }
}

#[test]
fn line_feeds() {
    let pretty = "{\n  \"a\": 1,\n  \"b\":\n{\n\"c\": [\n{\n},\n{\r\n}\n]\n}\n}";
    assert_frames(format!("{pretty}\n{pretty}").as_bytes(), &[Ok(pretty), Ok(pretty)], 0);
    // Where the grammar has no place for a value, an object on a new line is the next message.
    assert_frames(b"{\"a\":1\n{}", &[CUT, Ok("{}")], 0);
    assert_frames(b"{\"a\":1,\r\n \t{}", &[CUT, Ok("{}")], 0);
    assert_frames(b"{\n{}", &[CUT, Ok("{}")], 0);
    assert_frames(b"{\"a\":[1\n{}", &[CUT, Ok("{}")], 0);
    assert_frames(b"{\"a\":[{}\n\n{}", &[CUT, Ok("{}")], 0);
    assert_frames(b"{\"a\":[1,{\"b\":2,\n{}", &[CUT, Ok("{}")], 0);
    assert_frames(b"{\"a\"\n{\"b\"\n{}", &[CUT, CUT, Ok("{}")], 0);
    // Without a line feed it cannot be told.
    assert_frames(b"{\"a\":1 {}", &[CUT], 0);
}

#[test]
fn too_long() {
    let long = |len: usize| format!("{{\"{}\"}}", "x".repeat(len - 4));
    assert_eq!(datagram(50, long(50).as_bytes()).0, [(Ok(long(50)), false)]);
    for len in [51, 52, 100, 500] {
        let (frames, garbage) = datagram(50, format!("{}{{}}", long(len)).as_bytes());
        assert_eq!(frames, [(Err(Rejection::TooLong), false), (Ok("{}".to_string()), false)]);
        assert_eq!(garbage, 0);
    }
    // It ends early at a line feed where one ends any other, without a second refusal.
    for text in [format!("{{\"{}\n{{}}", "x".repeat(90)), format!("{{{}\n{{}}", " ".repeat(90))] {
        let frames = datagram(50, text.as_bytes()).0;
        assert_eq!(frames, [(Err(Rejection::TooLong), false), (Ok("{}".to_string()), false)]);
    }
    assert_eq!(datagram(50, format!("{{{}", " ".repeat(90)).as_bytes()).0.len(), 1);
}

#[test]
fn refused_frames_lie_where_they_were_seen() {
    let bytes = b"xx{\"a\":\"b\n{\"c\" \n {\"d\":1} {\"0123456789\"} {\"e";
    let mut framer = Framer::new(12);
    let (mut pos, mut seen) = (0, Vec::new());
    while let Some(frame) = framer.next(bytes, &mut pos) {
        seen.push(frame);
    }
    seen.extend(framer.finish(bytes));
    let refused = |reason, start, end| Frame::Refused { reason, start, end };
    assert_eq!(
        seen,
        [
            refused(Rejection::Unterminated, 2, 9),
            refused(Rejection::Unterminated, 10, 17),
            Frame::Object { start: 17, end: 24, escaped: false },
            refused(Rejection::TooLong, 25, 37),
            refused(Rejection::Unterminated, 40, 43),
        ]
    );
}

#[test]
fn giving_up_an_open_object() {
    let mut framer = Framer::new(99);
    assert_eq!(framer.give_up(Rejection::TimedOut, 0), None);
    let first = b" {\"a\":{\"b\":\"";
    let mut pos = 0;
    assert_eq!(framer.next(first, &mut pos), None);
    assert_eq!(framer.open_start(), Some(1));
    assert_eq!(framer.keep(first.len()), 1);
    let refused = Frame::Refused { reason: Rejection::TimedOut, start: 0, end: 11 };
    assert_eq!(framer.give_up(Rejection::TimedOut, 11), Some(refused));
    assert_eq!(framer.give_up(Rejection::TimedOut, 11), None);
    // Its rest is no garbage, and the next object is found.
    let second = b"}\"}}{}";
    let mut pos = 0;
    assert_eq!(
        framer.next(second, &mut pos),
        Some(Frame::Object { start: 4, end: 6, escaped: false })
    );
    assert_eq!(framer.next(second, &mut pos), None);
    assert_eq!((framer.keep(second.len()), framer.garbage_bytes()), (6, 0));
    assert_eq!(framer.finish(b""), None);
}

/// What the fuzz target found worth keeping: piece size, bound, then the bytes.
#[test]
fn corpus_of_the_fuzz_target() {
    let mut count = 0;
    for entry in std::fs::read_dir("fuzz/corpus/frame").unwrap() {
        let input = std::fs::read(entry.unwrap().path()).unwrap();
        let [piece, max, bytes @ ..] = input.as_slice() else { continue };
        let max = 8 + usize::from(*max);
        let whole = datagram(max, bytes);
        assert_eq!(stream(max, bytes.chunks(1 + usize::from(*piece))), whole);
        assert_eq!(Plain::datagram(max, bytes), whole);
        count += 1;
    }
    assert!(count > 0);
}

/// Bytes that are mostly what framing looks at.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        20 => prop::sample::select(b"{}[]\"\\\n\r ,:a1|".to_vec()),
        1 => any::<u8>(),
    ];
    let token = prop_oneof![
        4 => prop::collection::vec(byte, 1..4),
        1 => Just(b"{\"name\":\"a b c d e f\",\"labels\":{\"x\":\"1\"},\"op\":\"inc\"}".to_vec()),
        1 => Just(b"{\"a\":[\n{\"b\":\"\\\"\"},\n{\"c\":[]}]}\n".to_vec()),
        1 => Just(b"\n{".to_vec()),
        2 => prop::sample::select(vec!["a:1|c\n", "a:1", "|c", "\nb:2|ms|#t:{x}", "_e{1,1}:", "_sc|"])
            .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// The framer finds what the plain rules find.
    #[test]
    fn agrees_with_the_plain_rules(bytes in noise(), max in 4_usize..120) {
        prop_assert_eq!(datagram(max, &bytes), Plain::datagram(max, &bytes));
    }

    /// However a stream is cut, its frames are those of one piece.
    #[test]
    fn cuts_do_not_matter(
        bytes in noise(),
        max in 4_usize..120,
        sizes in prop::collection::vec(1_usize..30, 1..20),
    ) {
        let mut rest = bytes.as_slice();
        let mut sizes = sizes.iter().cycle();
        let pieces = std::iter::from_fn(|| {
            let size = *sizes.next()?;
            let (piece, after) = rest.split_at(size.min(rest.len()));
            rest = after;
            (!piece.is_empty()).then_some(piece)
        });
        prop_assert_eq!(stream(max, pieces), datagram(max, &bytes));
        prop_assert_eq!(stream(max, bytes.chunks(1)), datagram(max, &bytes));
    }

    /// Every byte belongs to a frame, is garbage or blank, or is the rest of an object that was refused.
    #[test]
    fn every_byte_has_a_place(bytes in noise()) {
        let mut framer = Framer::new(usize::MAX);
        let (mut pos, mut last_end, mut outside) = (0, 0, Vec::new());
        let mut frames = Vec::new();
        while let Some(frame) = framer.next(&bytes, &mut pos) {
            frames.push(frame);
        }
        frames.extend(framer.finish(&bytes));
        for frame in frames {
            let (Frame::Object { start, end, .. }
            | Frame::Line { start, end }
            | Frame::Refused { start, end, .. }) = frame;
            prop_assert!(last_end <= start && start < end);
            outside.extend_from_slice(&bytes[last_end..start]);
            last_end = end;
        }
        outside.extend_from_slice(&bytes[last_end..]);
        let blanks = outside.iter().filter(|byte| b" \t\r\n".contains(byte)).count() as u64;
        prop_assert_eq!(framer.garbage_bytes() + blanks, outside.len() as u64);
    }
}
