//! Waiting for the first of two things.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

/// What `work` makes; or as the error what `other` makes, if that comes first. The later one is dropped.
pub(super) async fn either<O, W>(
    other: impl Future<Output = O>,
    work: impl Future<Output = W>,
) -> Result<W, O> {
    let (mut other, mut work) = (pin!(other), pin!(work));
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(made) => Poll::Ready(Ok(made)),
        Poll::Pending => other.as_mut().poll(context).map(Err),
    })
    .await
}
