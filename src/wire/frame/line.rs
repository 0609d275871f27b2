//! Reads on in a line that began outside objects, until it is known whether it is a StatsD line, and to its end.
//!
//! Runs on an ingest worker inside the framer; it must not know what a line says nor how long it may be.
//!
//! A line is one of StatsD if it begins `name:value|type`, with letters in `type`, or as DogStatsD's events
//! (`_e{5,4}:`) and service checks (`_sc|`) do. No name or value has a brace, a quote or a control character: what is
//! left of broken JSON is never taken for a line of StatsD, and the next object is found in it.

use super::scan::is_blank;

/// What stands before the `{` of an event.
const EVENT: &[u8] = b"_e";
/// What stands before the first `|` of a service check.
const SERVICE_CHECK: &[u8] = b"_sc";

/// What is known of the bytes outside objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A line may begin here: at the begin of a line, or right behind an object.
    Begin,
    /// In what may be a name.
    Name,
    /// In what may be values.
    Value,
    /// Right behind the `|` of what may be a value.
    Type,
    /// Between the braces of what may be the head of an event.
    EventHead,
    /// Behind the braces of what may be the head of an event.
    EventColon,
    /// A StatsD line: only its end is looked for.
    StatsD,
    /// No StatsD line. An object may begin in it.
    Garbage,
}

/// The line that the framer is in, outside objects.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenLine {
    form: Form,
    /// Bytes read of it that are no blanks, while it is not known what it is.
    unjudged: u64,
}

/// Why a scan stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineStop {
    /// All bytes are read.
    OutOfBytes,
    /// The line feed behind a StatsD line was read.
    Ended,
    /// It is no StatsD line. The byte that shows it is not read, nor is the `{` of what is no event.
    Garbage,
}

impl OpenLine {
    /// No byte of a line was read, and one may begin.
    pub(super) const fn begin() -> Self {
        Self { form: Form::Begin, unjudged: 0 }
    }

    /// A line of which no byte was read.
    pub(super) const fn begun() -> Self {
        Self { form: Form::Name, unjudged: 0 }
    }

    /// The rest of a StatsD line.
    pub(super) const fn statsd() -> Self {
        Self { form: Form::StatsD, unjudged: 0 }
    }

    /// The rest of a line that is no StatsD line.
    pub(super) const fn garbage() -> Self {
        Self { form: Form::Garbage, unjudged: 0 }
    }

    /// Whether a line may begin at the next byte.
    #[inline]
    pub(super) fn may_begin(self) -> bool {
        self.form == Form::Begin
    }

    /// Whether its bytes have to be kept: it is, or may be, a StatsD line that has not ended.
    pub(super) fn is_open(self) -> bool {
        !matches!(self.form, Form::Begin | Form::Garbage)
    }

    /// Whether it is a StatsD line if it ends here. One may end right behind the `|`, and an event may be cut.
    pub(super) fn is_statsd(self) -> bool {
        !matches!(self.form, Form::Begin | Form::Name | Form::Value | Form::Garbage)
    }

    /// Bytes of it that are garbage if it is no StatsD line after all.
    pub(super) fn unjudged(self) -> u64 {
        self.unjudged
    }

    /// Reads on from `pos` in an open line that began at `start`.
    pub(super) fn scan(&mut self, bytes: &[u8], start: usize, pos: &mut usize) -> LineStop {
        while self.form != Form::StatsD {
            self.skip_text(bytes, pos);
            let Some(&byte) = bytes.get(*pos) else { return LineStop::OutOfBytes };
            let Some(next) = self.next_form(byte, &bytes[start..*pos]) else {
                self.unread_brace(start, pos);
                return LineStop::Garbage;
            };
            self.form = next;
            self.unjudged += u64::from(!is_blank(byte));
            *pos += 1;
            if byte == b'\n' {
                return LineStop::Ended;
            }
        }
        let Some(end) = memchr::memchr(b'\n', &bytes[*pos..]) else {
            *pos = bytes.len();
            return LineStop::OutOfBytes;
        };
        *pos += end + 1;
        LineStop::Ended
    }

    /// Reads the bytes of a name or a value, up to one that may end it.
    fn skip_text(&mut self, bytes: &[u8], pos: &mut usize) {
        if !matches!(self.form, Form::Name | Form::Value) {
            return;
        }
        let (mut at, mut unjudged) = (*pos, self.unjudged);
        while let Some(&byte) = bytes.get(at)
            && CLASSES[usize::from(byte)] != STOP
        {
            unjudged += u64::from(CLASSES[usize::from(byte)]);
            at += 1;
        }
        (*pos, self.unjudged) = (at, unjudged);
    }

    /// What was taken for the head of an event may be an object behind garbage: the object begins at its `{` then.
    fn unread_brace(&mut self, start: usize, pos: &mut usize) {
        if matches!(self.form, Form::EventHead | Form::EventColon) {
            self.unjudged = EVENT.len() as u64;
            *pos = start + EVENT.len();
        }
    }

    /// What is known behind this byte, `before` which the line has these; `None` if it is no StatsD line.
    fn next_form(self, byte: u8, before: &[u8]) -> Option<Form> {
        match (self.form, byte) {
            (Form::Name | Form::Value, b':') => Some(Form::Value),
            (Form::Name, b'|') => (before == SERVICE_CHECK).then_some(Form::StatsD),
            (Form::Name, b'{') => (before == EVENT).then_some(Form::EventHead),
            (Form::Value, b'|') => Some(Form::Type),
            (Form::Name | Form::Value, _) => None,
            (Form::Type, _) => is_behind_value(byte).then_some(Form::StatsD),
            (Form::EventHead, b'}') => Some(Form::EventColon),
            (Form::EventHead, _) => {
                (byte.is_ascii_digit() || byte == b',').then_some(Form::EventHead)
            }
            (Form::EventColon, _) => (byte == b':').then_some(Form::StatsD),
            (Form::Begin | Form::StatsD | Form::Garbage, _) => Some(self.form),
        }
    }
}

/// The class of a byte that no name and no value has, or that may end one.
const STOP: u8 = 2;

/// Of each byte whether it stops a name or a value, or else 0 for a blank and 1 for any other.
const CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [1; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = match byte {
            b' ' | b'\t' => 0,
            0..=31 | 127 | b'"' | b'{' | b'}' | b':' | b'|' => STOP,
            _ => 1,
        };
        byte += 1;
    }
    table
}

/// Whether this byte may stand behind the `|` of a value: a type's letter, or the end of a line that lacks one.
fn is_behind_value(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'\r' | b'\n')
}
