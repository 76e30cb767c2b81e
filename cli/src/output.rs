//! What commands print: formats, tables, and text from servers made safe for a terminal.
//!
//! Results go to standard output, everything else to standard error. Colour only on a terminal, and never with
//! `NO_COLOR`: `anstream` decides.

use std::borrow::Cow;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use comfy_table::{Table, presets};
use serde::Serialize;

/// Names, headings.
pub const STRONG: Style = Style::new().bold();
/// Less important text.
pub const DIM: Style = Style::new().dimmed();
/// What went well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// What went wrong.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// What a person should look at.
pub const WARN: Style = AnsiColor::Yellow.on_default();

/// How a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs; what a server sent stays byte for byte.
    Json,
    /// For people with much to read.
    Yaml,
}

/// Prints a value as YAML.
///
/// # Errors
/// When it cannot be written.
pub fn yaml<T: Serialize>(value: &T) -> io::Result<()> {
    let text = serde_yaml::to_string(value).map_err(io::Error::other)?;
    let mut out = anstream::stdout().lock();
    out.write_all(printable(&text).as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// Prints a line.
///
/// # Errors
/// When it cannot be written.
pub fn line(text: &str) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Prints rows in columns, as kubectl does: no frames, headings in capitals.
///
/// # Errors
/// When it cannot be written.
pub fn table(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(headings.iter().copied());
    for row in rows {
        table.add_row(row.iter().map(|cell| one_line(cell)));
    }
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    line(&table.trim_fmt())
}

/// Tells a person something, on standard error.
pub fn note(text: &str) {
    // Nobody can be told that nobody can be told.
    drop(writeln!(anstream::stderr().lock(), "{text}"));
}

/// Text from elsewhere without what a terminal would obey: escapes, carriage returns, reversed writing.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_hostile) { text.chars().map(tame).collect::<String>().into() } else { text.into() }
}

/// The same on one line, shortened to what fits beside other columns.
#[must_use]
pub fn one_line(text: &str) -> String {
    const WIDEST: usize = 100;
    let line: String = printable(text).split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= WIDEST {
        return line;
    }
    line.chars().take(WIDEST - 1).chain(['…']).collect()
}

fn is_hostile(character: char) -> bool {
    let reversing = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (character.is_control() && !matches!(character, '\n' | '\t')) || reversing
}

fn tame(character: char) -> char {
    if is_hostile(character) { char::REPLACEMENT_CHARACTER } else { character }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_cannot_write_to_the_terminal() {
        assert_eq!(printable("\u{1b}[2J\rhi\u{202e}\u{9b}31m\n\tok"), "\u{fffd}[2J\u{fffd}hi\u{fffd}\u{fffd}31m\n\tok");
        assert!(matches!(printable("Zoë\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn cells_are_one_short_line() {
        assert_eq!(one_line("  a\n\nb\tc "), "a b c");
        let long = one_line(&"x".repeat(500));
        assert_eq!((long.chars().count(), long.chars().last()), (100, Some('…')));
    }
}
