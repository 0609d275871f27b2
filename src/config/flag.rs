//! What a row of the table of flags is made of, and the macro that makes the table.
//!
//! Plain data: it must not know any flag.

use std::ops::RangeInclusive;

/// A signed length of time in nanoseconds: Go's durations may be negative.
pub(super) type Nanos = i64;

/// What a flag takes, with its default.
#[derive(Debug)]
pub(super) enum FlagKind {
    /// Takes `=V` or stands alone for true.
    Bool(bool),
    /// A whole number; the range holds the values that make sense.
    Int(i64, RangeInclusive<i64>),
    /// Text, and words that say what text is taken.
    Text(&'static str, &'static str),
    /// A duration; the range holds the values that make sense.
    Duration(Nanos, RangeInclusive<Nanos>),
}

/// Where the value of a flag is kept.
#[derive(Debug)]
pub(super) enum ValueSlot<'a> {
    /// Of a [`FlagKind::Bool`].
    Bool(&'a mut bool),
    /// Of a [`FlagKind::Int`].
    Int(&'a mut i64),
    /// Of a [`FlagKind::Text`].
    Text(&'a mut String),
    /// Of a [`FlagKind::Duration`].
    Duration(&'a mut Nanos),
}

/// What a flag or variable needs so that it has an effect. Names are those of flags, without a dash, and of
/// variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// One of these is set.
    Any(&'static [&'static str]),
    /// This one is not set.
    Without(&'static str),
    /// This one does not say this.
    Not(&'static str, &'static str),
    /// This one is a URL that begins with `https://`.
    Https(&'static str),
    /// This one is a URL without a user before its host.
    NoLogin(&'static str),
    /// One of these lists of unix sockets has one that is a file, not an abstract one.
    SocketFile(&'static [&'static str]),
}

macro_rules! value_type {
    (Bool) => {
        bool
    };
    (Int) => {
        i64
    };
    (Text) => {
        String
    };
    (Duration) => {
        Nanos
    };
}

macro_rules! default_value {
    (Text($default:expr, $takes:expr)) => {
        String::from($default)
    };
    ($kind:ident($default:expr $(, $range:expr)?)) => {
        $default
    };
}

macro_rules! needs {
    () => {
        &[]
    };
    ($needs:expr) => {
        $needs
    };
}

/// Makes the groups, the struct of all values and the table of flags from one row for each flag:
/// `field: FlagKind(default, ...), "name", "help", needs NEEDS;` where the needs may be absent.
macro_rules! flags {
    ($($group:ident $title:literal {
        $($field:ident: $kind:ident($($spec:expr),*), $name:literal, $help:literal
            $(, needs $needs:expr)?;)*
    })*) => {
        /// A part of the options table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Group { $(#[doc = $title] $group,)* }

        impl Group {
            /// Every group, in the order of the options table.
            pub(super) const ALL: &'static [Self] = &[$(Self::$group,)*];

            /// Its heading.
            pub(super) const fn title(self) -> &'static str {
                match self { $(Self::$group => $title,)* }
            }
        }

        /// What was given on the command line, flag by flag; not judged beyond kind and range.
        #[derive(Debug)]
        pub(super) struct Values {
            /// The names of the flags that the command line gave.
            pub(super) given: BTreeSet<&'static str>,
            $($(pub(super) $field: $crate::config::flag::value_type!($kind),)*)*
        }

        impl Default for Values {
            fn default() -> Self {
                Self {
                    given: BTreeSet::new(),
                    $($($field: $crate::config::flag::default_value!($kind($($spec),*)),)*)*
                }
            }
        }

        /// Every flag, by group.
        pub(super) const FLAGS: &[Flag] = &[$($(Flag {
            name: $name,
            group: Group::$group,
            kind: FlagKind::$kind($($spec),*),
            help: $help,
            needs: $crate::config::flag::needs!($($needs)?),
            slot: |values| ValueSlot::$kind(&mut values.$field),
        },)*)*];
    };
}

pub(super) use {default_value, flags, needs, value_type};
