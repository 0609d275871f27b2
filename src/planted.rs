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
