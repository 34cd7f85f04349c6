//! What is said on a terminal, whether or not somebody still reads it.
//!
//! The standard macros panic when their output is gone: a closed pipe would end a server, or a migration in
//! the middle.

use std::fmt;
use std::io::{self, Write as _};
use std::sync::OnceLock;

/// Writes a line to standard output. What cannot be written is remembered, and goes on without.
macro_rules! output {
    ($($line:tt)*) => { $crate::commands::output::line(format_args!($($line)*)) };
}
/// Writes a line to standard error, if anybody is there.
macro_rules! say {
    ($($line:tt)*) => { $crate::commands::output::aside(format_args!($($line)*)) };
}
pub(crate) use {output, say};

static LOST: OnceLock<String> = OnceLock::new();

pub(crate) fn line(line: fmt::Arguments<'_>) {
    let mut stdout = io::stdout().lock();
    // A line that a reader waits for does not stay in a buffer.
    let written = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    if let Err(error) = written {
        LOST.get_or_init(|| {
            tracing::warn!(%error, "standard output cannot be written; goes on without");
            error.to_string()
        });
    }
}

pub(crate) fn aside(line: fmt::Arguments<'_>) {
    // There is nobody left to tell.
    let _ = writeln!(io::stderr(), "{line}");
}

/// Why standard output could not be written, if it could not.
pub(crate) fn lost() -> Option<&'static str> {
    LOST.get().map(String::as_str)
}
