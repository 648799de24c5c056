//! Tables as wide as the terminal, or as wide as their content where there is none.

use super::style::{self, Tone};
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table as Grid};

/// A table.
pub(crate) struct Table {
    grid: Grid,
    colour: bool,
    empty: bool,
}

impl Table {
    /// With these headings.
    pub(crate) fn new(headings: &[&str]) -> Self {
        let colour = style::stdout();
        let mut grid = Grid::new();
        grid.load_style(comfy_table::presets::NOTHING);
        grid.set_content_arrangement(ContentArrangement::Disabled);
        if let Some(width) = terminal_width() {
            grid.set_content_arrangement(ContentArrangement::Dynamic);
            grid.set_width(width);
        }
        if colour {
            grid.enforce_styling();
        } else {
            grid.force_no_tty();
        }
        grid.set_header(headings.iter().map(|heading| {
            let cell = Cell::new(heading);
            if colour { cell.add_attribute(Attribute::Dim) } else { cell }
        }));
        for (at, heading) in headings.iter().enumerate() {
            if let Some(column) = grid.column_mut(at) {
                column.set_padding((0, 2));
                // What names a thing is typed again: it is not broken over lines.
                if matches!(*heading, "TASK" | "RUN" | "STATE" | "ID") {
                    column.set_constraint(comfy_table::ColumnConstraint::ContentWidth);
                }
            }
        }
        Self { grid, colour, empty: true }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: Vec<(String, Tone)>) {
        let colour = self.colour;
        self.empty = false;
        self.grid.add_row(cells.into_iter().map(|(text, tone)| {
            let cell = Cell::new(text);
            match tone {
                _ if !colour => cell,
                Tone::Good => cell.fg(Color::DarkGreen),
                Tone::Doubt => cell.fg(Color::DarkYellow),
                Tone::Bad => cell.fg(Color::DarkRed),
                Tone::Busy => cell.fg(Color::DarkCyan),
                Tone::Faint => cell.add_attribute(Attribute::Dim),
                Tone::Strong => cell.add_attribute(Attribute::Bold),
                Tone::Plain => cell,
            }
        }));
    }

    /// As text; `nothing` when there is no row.
    pub(crate) fn finish(self, nothing: &str) -> String {
        if self.empty { nothing.to_owned() } else { self.grid.trim_fmt() }
    }
}

/// How wide the terminal on standard output is.
pub(crate) fn terminal_width() -> Option<u16> {
    use std::io::IsTerminal as _;
    let terminal = std::io::stdout().is_terminal();
    terminal.then(|| crossterm::terminal::size().ok()).flatten().map(|(width, _)| width.max(40))
}

/// A cell in a tone.
pub(crate) fn cell(text: impl Into<String>, tone: Tone) -> (String, Tone) {
    (text.into(), tone)
}

/// A plain cell.
pub(crate) fn plain(text: impl Into<String>) -> (String, Tone) {
    (text.into(), Tone::Plain)
}
