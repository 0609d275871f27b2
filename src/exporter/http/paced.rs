//! A writer with a total deadline, over one whose single writes time out quickly.

use std::io::{ErrorKind, Result, Write};
use std::time::{Duration, Instant};

/// The most that one inner write is given, so that the clock is looked at often enough.
const STEP: usize = 64 * 1024;

/// Writes until a deadline, then fails with [`ErrorKind::TimedOut`], however much the reader took meanwhile.
///
/// The inner writer must return `WouldBlock` after a short time without progress (`SO_SNDTIMEO`); the
/// deadline is met that precisely.
#[derive(Debug)]
pub(super) struct Paced<W> {
    inner: W,
    until: Instant,
}

impl<W: Write> Paced<W> {
    pub(super) fn new(inner: W, limit: Duration) -> Self {
        Self { inner, until: Instant::now() + limit }
    }

    fn attempt<T>(&mut self, mut call: impl FnMut(&mut W) -> Result<T>) -> Result<T> {
        while Instant::now() < self.until {
            match call(&mut self.inner) {
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                result => return result,
            }
        }
        Err(ErrorKind::TimedOut.into())
    }
}

impl<W: Write> Write for Paced<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let bytes = &bytes[..bytes.len().min(STEP)];
        self.attempt(|inner| inner.write(bytes))
    }

    fn flush(&mut self) -> Result<()> {
        self.attempt(W::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a byte, is full once, takes a byte …
    struct Reluctant {
        taken: Vec<u8>,
        full: bool,
    }

    impl Write for Reluctant {
        fn write(&mut self, bytes: &[u8]) -> Result<usize> {
            self.full = !self.full;
            if self.full {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.taken.push(bytes[0]);
            Ok(1)
        }

        fn flush(&mut self) -> Result<()> {
            self.full = !self.full;
            if self.full { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
        }
    }

    #[test]
    fn time_outs_of_single_writes_are_no_error_before_the_deadline() {
        let mut writer =
            Paced::new(Reluctant { taken: Vec::new(), full: false }, Duration::from_mins(1));
        writer.write_all(b"page").unwrap();
        writer.flush().unwrap();
        assert_eq!(writer.inner.taken, b"page");
    }

    #[test]
    fn past_the_deadline_nothing_is_written() {
        let mut writer = Paced::new(Reluctant { taken: Vec::new(), full: true }, Duration::ZERO);
        assert_eq!(writer.write_all(b"page").unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(writer.flush().unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(writer.inner.taken, b"");
    }
}
