//! Faults that `make faults-planted` plants: under each of them a row of the fault table has to fail, or the row
//! proves nothing.
//!
//! They exist only with the cargo feature `faults`. Without it [`is`] is always false, and the compiler leaves out
//! what it guards.

/// The variable of the environment that names the faults to plant, with commas between them.
#[cfg(feature = "faults")]
const VARIABLE: &str = "METRICS_SERVER_PLANTED";

macro_rules! faults {
    ($($(#[$doc:meta])* $fault:ident,)+) => {
        /// What the server then does wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Fault { $($(#[$doc])* $fault,)+ }

        #[cfg(feature = "faults")]
        const ALL: &[Fault] = &[$(Fault::$fault,)+];
    };
}

faults! {
    /// A worker that stops leaves unread what is queued in its sockets.
    StopsWithoutDrain,
    /// A unix listener that could not accept for want of descriptors is not tried again.
    StarvedForEver,
    /// Rows that could not be written to a full disk are gone without being counted.
    FullDiskUncounted,
    /// A worker panics at each 10,000th datagram. The server has to put up with this one.
    PanicsNowAndThen,
    /// A message whose processing has panicked is not counted.
    PanicUncounted,
    /// Whoever logs a line waits until there is room for it.
    LogWaits,
    /// A server joins the UDP port of another one.
    JoinsPort,
    /// Rows that the far end's host has refused count as delivered.
    RefusedIsDelivered,
    /// Rows that a server before this one left on disk are not found.
    SegmentsForgotten,
    /// Rows of a request that has to be repeated are gone.
    OutageLosesRows,
    /// Rows of a request that was given up after a while without an answer count as delivered.
    SilenceIsDelivered,
    /// A request whose connection breaks before the answer counts as taken.
    BrokenIsDelivered,
    /// Single rows that have to be sent again count as delivered.
    RepeatedIsDelivered,
    /// Of rows in memory the newest are sent first.
    NewestFirst,
    /// All rows of a sink have the same number.
    SeqStandsStill,
    /// A page that waits for its readers keeps all others waiting.
    PageWaitsForReaders,
    /// The lines of the page are not limited.
    LinesUnlimited,
    /// Each worker's share of a series expires by itself, and takes along what was counted in it.
    SharesExpire,
    /// The wall clock is an hour behind, an hour ahead, or stands still. The server has to put up with this one.
    WallClockSteps,
    /// Rows have the time of the wall clock, whatever those before them have.
    StampsFollowClock,
    /// Label texts are not in the account of memory.
    TextsUncharged,
    /// Places of cells that were given up are not used again.
    FreedCellsKept,
    /// A connection that the server closes is not read to its end.
    ClosesUnread,
    /// Datagrams wait until no unix connection has anything.
    UnixFirst,
    /// Series with one sample make no room for others.
    SingletonsStay,
    /// A worker that adds to a gauge sees no `set` but those of its own.
    SetsOfOthersUnseen,
    /// Objects without a member are parsed.
    EmptyObjectsParsed,
}

/// Whether this fault is planted.
#[cfg(not(feature = "faults"))]
#[inline]
pub(crate) const fn is(_: Fault) -> bool {
    false
}

/// Whether this fault is planted.
#[cfg(feature = "faults")]
pub(crate) fn is(fault: Fault) -> bool {
    static PLANTED: std::sync::LazyLock<u64> = std::sync::LazyLock::new(|| {
        let names = std::env::var(VARIABLE).unwrap_or_default();
        let bit = |name: &str| {
            let number = ALL.iter().position(|fault| format!("{fault:?}") == name);
            1 << number.unwrap_or_else(|| panic!("{VARIABLE}: no fault is called {name:?}"))
        };
        names.split(',').filter(|name| !name.is_empty()).map(bit).sum()
    });
    *PLANTED & (1 << fault as u64) != 0
}

/// Panics at each 10,000th call, if that is planted.
#[inline]
pub(crate) fn panic_now_and_then() {
    #[cfg(feature = "faults")]
    if is(Fault::PanicsNowAndThen) {
        static CALLS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        let call = CALLS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        assert!(!call.is_multiple_of(10_000), "planted");
    }
}
