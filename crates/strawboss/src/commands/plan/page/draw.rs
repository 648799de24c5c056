//! The page as it is drawn: plans on the left, phases and what one of them says on the right, keys below.

use super::state::{Focus, Page};
use crate::output::words;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Wrap};
use strawboss_backlog::plan::{Phase, commands};

/// A page as narrow as this has its parts one below the other.
const NARROW: u16 = 72;

const KEYS: &str = " q leave  ↑↓ move  Tab list  n next  Space tick  x run  w watch";

/// Colours, or what takes their place.
struct Ink {
    colour: bool,
}

impl Ink {
    fn in_colour(&self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    fn border(&self, focused: bool) -> Style {
        if focused { self.in_colour(Color::Cyan) } else { faint() }
    }
}

fn chosen(focused: bool) -> Style {
    Style::new().add_modifier(if focused { Modifier::REVERSED } else { Modifier::BOLD })
}

fn faint() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

/// Draws it all.
pub(super) fn draw(frame: &mut Frame<'_>, page: &mut Page, colour: bool) {
    let ink = Ink { colour };
    let [main, foot] = Layout::vertical([Constraint::Min(3), Constraint::Length(1)]).areas(frame.area());
    let (plans, phases, details) = if main.width < NARROW {
        let [plans, phases, details] =
            Layout::vertical([Constraint::Percentage(20), Constraint::Percentage(40), Constraint::Percentage(40)]).areas(main);
        (plans, phases, details)
    } else {
        let [plans, right] = Layout::horizontal([Constraint::Percentage(32), Constraint::Percentage(68)]).areas(main);
        let [phases, details] = Layout::vertical([Constraint::Percentage(45), Constraint::Percentage(55)]).areas(right);
        (plans, phases, details)
    };
    draw_plans(frame, plans, page, &ink);
    draw_phases(frame, phases, page, &ink);
    draw_details(frame, details, page, &ink);
    let foot_line = match (&page.problem, page.asks) {
        (_, true) => Line::styled(" Run these commands here? y runs them, any other key does not", ink.in_colour(Color::Yellow)),
        (Some(problem), _) => Line::styled(format!(" {}: {}", page.file, one(problem)), ink.in_colour(Color::Red)),
        (None, _) if !page.said.is_empty() => Line::raw(format!(" {}", one(&page.said))),
        (None, _) => Line::styled(KEYS, faint()),
    };
    frame.render_widget(Paragraph::new(foot_line), foot);
}

/// One line of anybody's text.
fn one(text: &str) -> String {
    words::one_line(text).replace('\t', " ")
}

/// Which of so many rows are shown, so that the chosen one is among them.
fn window(count: usize, chosen: usize, height: usize) -> std::ops::Range<usize> {
    let height = height.max(1);
    let start = chosen.saturating_sub(height / 2).min(count.saturating_sub(height));
    start..count.min(start + height)
}

fn framed(title: String, focused: bool, ink: &Ink) -> Block<'static> {
    Block::bordered().title(title).border_style(ink.border(focused))
}

fn inner_height(area: Rect) -> usize {
    usize::from(area.height.saturating_sub(2))
}

fn draw_plans(frame: &mut Frame<'_>, area: Rect, page: &Page, ink: &Ink) {
    let focused = page.focus == Focus::Plans;
    let rows = window(page.plans.len(), page.plan, inner_height(area)).map(|at| {
        let plan = &page.plans[at];
        let style = if at == page.plan { chosen(focused) } else { Style::new() };
        let mark = if plan.flaw.is_some() { " !" } else { "" };
        Line::styled(format!("{}/{} {}{mark}", plan.done(), plan.phases.len(), one(&plan.id)), style)
    });
    let mut rows: Vec<Line<'_>> = rows.collect();
    if rows.is_empty() {
        rows.push(Line::styled("no plan is open", faint()));
    }
    let title = format!(" {} ", page.file);
    frame.render_widget(Paragraph::new(rows).block(framed(title, focused, ink)), area);
}

fn mark(phase: &Phase, next: bool, ink: &Ink) -> Span<'static> {
    if phase.done {
        Span::styled("[✔]", ink.in_colour(Color::Green))
    } else if next {
        Span::styled("[✗]", ink.in_colour(Color::Yellow))
    } else {
        Span::raw("[✗]")
    }
}

/// How much of a phase's title is always shown.
const MIN_TITLE: usize = 20;

fn draw_phases(frame: &mut Frame<'_>, area: Rect, page: &Page, ink: &Ink) {
    let focused = page.focus == Focus::Phases;
    let Some(plan) = page.plan() else {
        return frame.render_widget(framed(" Phases ".to_owned(), focused, ink), area);
    };
    let next = plan.next();
    let rows = window(plan.phases.len(), page.phase, inner_height(area)).map(|at| {
        let phase = &plan.phases[at];
        let style = if at == page.phase { chosen(focused) } else { Style::new() };
        let title = phase.flaw.as_deref().unwrap_or_else(|| phase.read().title);
        let mut behind = Vec::new();
        if next == Some(at) {
            behind.push(Span::styled("  ← next", ink.in_colour(Color::Yellow)));
        }
        if let Some(ours) = phase.ours.as_ref().filter(|ours| !ours.status.is_empty()) {
            behind.push(Span::styled(format!("  {} {}", one(&ours.status), one(&ours.agent)), ink.in_colour(Color::Cyan)));
        }
        // A long title leaves room for what became of its phase.
        let room = usize::from(area.width).saturating_sub(5 + behind.iter().map(Span::width).sum::<usize>());
        let title = words::shortened(&format!(" {at}. {}", one(title)), room.max(MIN_TITLE));
        let mut spans = vec![mark(phase, next == Some(at), ink), Span::styled(title, style)];
        spans.append(&mut behind);
        Line::from(spans)
    });
    let rows: Vec<Line<'_>> = rows.collect();
    let title = format!(" {} of {} done ", plan.done(), plan.phases.len());
    frame.render_widget(Paragraph::new(rows).block(framed(title, focused, ink)), area);
}

fn draw_details(frame: &mut Frame<'_>, area: Rect, page: &mut Page, ink: &Ink) {
    let mut lines: Vec<Line<'static>> = Vec::new();
    if let Some(phase) = page.phase() {
        let read = phase.read();
        let shell = read.blocks.first().filter(|block| block.is_shell());
        for command in shell.map(|block| commands(&block.lines)).unwrap_or_default() {
            for (at, text) in command.text.lines().enumerate() {
                let number = if at == 0 { format!("{:>4}  ", command.line) } else { "      ".to_owned() };
                lines.push(Line::from(vec![Span::styled(number, faint()), Span::raw(words::clean(text).replace('\t', "    "))]));
            }
        }
        if let Some(note) = read.note.filter(|note| !note.is_empty()) {
            lines.push(Line::styled("IMPORTANT NOTE", ink.in_colour(Color::Yellow).add_modifier(Modifier::BOLD)));
            lines.extend(note.lines().map(|line| Line::raw(words::clean(line).replace('\t', "    "))));
        }
        let body = phase.text.trim_start().split_once('\n').map_or("", |(_, body)| body.trim());
        if !body.is_empty() {
            lines.push(Line::default());
            lines.extend(body.lines().map(|line| Line::styled(words::clean(line).replace('\t', "    "), faint())));
        }
    }
    // Wrapped lines are more: a bound that never hides the end.
    page.scroll = page.scroll.min(u16::try_from(lines.len().saturating_sub(1)).unwrap_or(u16::MAX));
    let title = page.phase().map_or_else(String::new, |phase| format!(" {} ", one(phase.read().title)));
    let paragraph = Paragraph::new(lines).wrap(Wrap { trim: false }).scroll((page.scroll, 0));
    frame.render_widget(paragraph.block(framed(title, false, ink)), area);
}

#[cfg(test)]
mod tests {
    use super::super::state::Page;
    use super::{draw, window};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use std::path::Path;
    use strawboss_backlog::plan::Book;

    fn drawn(text: &str, width: u16, height: u16) -> String {
        let mut page = Page::new(Path::new("plans.json"), &Book::parse(text.as_bytes().to_vec()).unwrap());
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, &mut page, false)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn plans_phases_and_what_is_next_are_there() {
        let text = r#"[{"id":"move","todos":[{"text":"PHASE 0: Set up","done":true},
            {"text":"PHASE 1: 日本 \u001b[31m\n```sh\nls -l\n```\nIMPORTANT NOTE:\n- heed","strawboss":{"status":"In Progress","agent":"claude (p-1.1)"}}]}]"#;
        for width in [100, 60] {
            let page = drawn(text, width, 24);
            for part in
                ["1/2 move", "[✔] 0. PHASE 0: Set up", "[✗] 1. PHASE 1: 日", "← next", "   1  ls -l", "IMPORTANT NOTE", "q leave"]
            {
                assert!(page.contains(part), "{part}:\n{page}");
            }
            assert!(!page.contains('\u{1b}'), "{page}");
        }
        assert!(drawn(text, 100, 24).contains("In Progress claude"));
        let long = text.replace("PHASE 1:", &format!("PHASE 1: {}", "long ".repeat(40)));
        let page = drawn(&long, 100, 24);
        assert!(page.contains("…  ← next  In Progress claude (p-1.1)│"), "{page}");
        assert!(drawn("[]", 80, 24).contains("no plan is open"));
        // As small as a terminal can be.
        drawn(text, 1, 1);
    }

    #[test]
    fn the_chosen_row_is_always_shown() {
        for (count, chosen, height, expected) in [
            (3, 2, 10, 0..3),
            (100, 0, 10, 0..10),
            (100, 50, 10, 45..55),
            (100, 99, 10, 90..100),
            (0, 0, 5, 0..0),
            (5, 3, 0, 3..4),
        ] {
            assert_eq!(window(count, chosen, height), expected);
        }
    }
}
