//! How many routers have passed a message on: the field of its envelope by which a ring of routers ends.
//!
//! Plain values. Only routers look at it: what is counted, shown or stored of a message is the same with any.

/// How many routers have passed a message on, counted up to [`Hops::MAX`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hops(u8);

impl Hops {
    /// What so many routers have passed on no router passes on again. A router on each host, one for a site and one
    /// for a region make three hops to a central server, and there is room for one more.
    pub const MAX: u8 = 4;

    /// This many; a larger number counts as [`Self::MAX`].
    pub fn new(count: u64) -> Self {
        Self(u8::try_from(count).unwrap_or(Self::MAX).min(Self::MAX))
    }

    /// How many.
    pub fn get(self) -> u8 {
        self.0
    }

    /// One more; `None` if the message must not be passed on.
    pub fn next(self) -> Option<Self> {
        (self.0 < Self::MAX).then_some(Self(self.0 + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_passed_on_four_times() {
        let passed_on = std::iter::successors(Some(Hops::default()), |hops| hops.next());
        assert_eq!(passed_on.map(Hops::get).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert_eq!([3, 4, 5, 256, u64::MAX].map(|count| Hops::new(count).get()), [3, 4, 4, 4, 4]);
    }
}
