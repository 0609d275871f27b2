//! The environment, as whoever reads the configuration sees it: tests bring their own.

/// Looks up a variable of the environment.
pub(super) type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;
