//! What pages are made of, as the threads that make them see it.

use std::fmt::Debug;
use std::time::Duration;

/// Where the text of pages comes from.
pub trait PageSource {
    /// A place on a page.
    type Writer: Clone + Debug + Send + Sync + 'static;

    /// Begins a page, which shows everything that was counted before.
    fn begin(&mut self) -> Self::Writer;

    /// Appends the next piece of a page, and moves on; whether that was the last one.
    fn write(&mut self, writer: &mut Self::Writer, piece: &mut Vec<u8>) -> bool;

    /// Does what is to be done from time to time; when it is to be called again.
    fn tick(&mut self) -> Duration;
}
