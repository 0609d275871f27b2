//! The scalings of known lines by small numbers, so that the meaning of a template stays small.
//!
//! Used by one worker. A service has one or two sample rates for each type, so there are few.

use crate::wire::statsd::Scaling;

/// A scaling of [`Scalings`].
#[derive(Clone, Copy, Debug)]
pub(super) struct ScalingId(u8);

impl ScalingId {
    /// That of [`Scaling::NONE`].
    pub(super) const NONE: Self = Self(0);
}

/// Up to 256 scalings. A line with yet another one is parsed each time.
#[derive(Debug)]
pub(super) struct Scalings(Vec<Scaling>);

impl Scalings {
    /// None but [`Scaling::NONE`].
    pub(super) fn new() -> Self {
        Self(vec![Scaling::NONE])
    }

    /// The scaling with this number.
    #[inline]
    pub(super) fn get(&self, ScalingId(index): ScalingId) -> Scaling {
        self.0[usize::from(index)]
    }

    /// The number of a scaling; `None` if there are too many.
    #[cold]
    pub(super) fn id(&mut self, scaling: Scaling) -> Option<ScalingId> {
        let known = self.0.iter().position(|known| *known == scaling);
        let index = u8::try_from(known.unwrap_or(self.0.len())).ok()?;
        if known.is_none() {
            self.0.push(scaling);
        }
        Some(ScalingId(index))
    }
}
