//! Why a command line was refused, in words that name the flag and say what it takes.
//!
//! It must not print nor end the process: `main` does.

use std::fmt;
use std::path::Path;

use super::flag::FlagKind;
use super::table;
use super::{go, usage};

/// The last line of each error about flags, whatever its status.
pub(crate) const HINT: &str = "metrics-server -h lists all flags";

/// A command line that cannot be run. Its text is one message of up to three lines, without a final newline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UsageError {
    message: String,
    class: Class,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Usage,
    File,
}

impl UsageError {
    /// The exit status of a process that ends for it: 2 for a bad command line, 1 for a bad file.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self.class {
            Class::Usage => 2,
            Class::File => 1,
        }
    }

    fn usage(message: &str) -> Self {
        Self { message: format!("{message}\n{HINT}"), class: Class::Usage }
    }

    /// A word like `---debug` or `-=x`.
    pub(super) fn bad_syntax(word: &str) -> Self {
        Self::usage(&format!("bad flag syntax: {word}"))
    }

    /// A word where a flag should be. `before` is the boolean that stands before it, if one does.
    pub(super) fn no_flag(word: &str, before: Option<&str>) -> Self {
        let (word, flag) = (go::quote(word), before.unwrap_or("debug"));
        Self::usage(&format!(
            "{word} is no flag\nthe value of a boolean is given with =, as in -{flag}=false"
        ))
    }

    /// No such flag.
    pub(super) fn undefined(name: &str) -> Self {
        Self::usage(&format!("flag provided but not defined: -{name}"))
    }

    /// The last word was a flag that takes a value.
    pub(super) fn needs_argument(name: &str) -> Self {
        Self::explained(format!("flag needs an argument: -{name}"), name)
    }

    /// A value that the flag does not take, and why.
    pub(super) fn value(name: &str, value: &str, cause: &str) -> Self {
        let value = go::quote(value);
        let is_bool = table::find(name).is_some_and(|flag| matches!(flag.kind, FlagKind::Bool(_)));
        let first = if is_bool {
            format!("invalid boolean value {value} for -{name}: {cause}")
        } else {
            format!("invalid value {value} for flag -{name}: {cause}")
        };
        Self::explained(first, name)
    }

    /// A file, named by a flag, that cannot be read or used.
    pub(super) fn file(name: &str, path: &Path, cause: &str) -> Self {
        let path = go::quote(&path.to_string_lossy());
        Self {
            message: format!("invalid file {path} for flag -{name}: {cause}\n{HINT}"),
            class: Class::File,
        }
    }

    /// Go's line, and below it what the flag takes.
    fn explained(first: String, name: &str) -> Self {
        let takes = table::find(name)
            .map_or_else(String::new, |flag| format!("\n{}", usage::takes_line(flag)));
        Self::usage(&(first + &takes))
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for UsageError {}
