//! Colours, and whether there are any.

use clap::ColorChoice;
use std::io::IsTerminal as _;
use std::sync::OnceLock;

static CHOICE: OnceLock<ColorChoice> = OnceLock::new();

/// Takes what `--color` says. The first call counts.
pub(crate) fn choose(choice: ColorChoice) {
    // Set once, at the start; a second call is a test's.
    let _ = CHOICE.set(choice);
}

fn wanted(terminal: bool) -> bool {
    match CHOICE.get().copied().unwrap_or_default() {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => {
            terminal
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    }
}

/// Whether standard output takes colours.
pub(crate) fn stdout() -> bool {
    wanted(std::io::stdout().is_terminal())
}

/// Whether standard error takes colours.
pub(crate) fn stderr() -> bool {
    wanted(std::io::stderr().is_terminal())
}

/// What a word means, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it should be.
    Good,
    /// Worth a look.
    Doubt,
    /// Wrong.
    Bad,
    /// Under way.
    Busy,
    /// Less important.
    Faint,
    /// More important.
    Strong,
    /// As it is.
    Plain,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Doubt => "33",
            Self::Bad => "31",
            Self::Busy => "36",
            Self::Faint => "2",
            Self::Strong => "1",
            Self::Plain => "",
        }
    }
}

/// The text in its tone, when `colour` is on.
pub(crate) fn paint(text: &str, tone: Tone, colour: bool) -> String {
    if colour && tone != Tone::Plain { format!("\u{1b}[{}m{text}\u{1b}[0m", tone.code()) } else { text.to_owned() }
}
