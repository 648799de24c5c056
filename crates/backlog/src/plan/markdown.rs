//! Plans as Markdown: read from headings or task lists, and written so that reading gives the same plan.

use super::book::Plan;
use super::error::PlanError;
use super::mojibake;
use super::text::{closes, fence};
use std::fmt::Write as _;

/// A plan that was read from Markdown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sketch {
    /// Its first heading.
    pub description: String,
    /// Its phases: what each says, and whether it is done.
    pub phases: Vec<(String, bool)>,
    /// What stands in no phase.
    pub notes: String,
}

/// What a line of Markdown is.
enum Line<'t> {
    /// A heading: its depth and text.
    Heading(usize, &'t str),
    /// An entry of a task list: its indentation, whether it is done, and its text.
    Task(usize, bool, &'t str),
    /// A phase as `strawboss plan tree` and the programs before it print one: `[✗] 0. title`.
    Printed(bool, &'t str),
    Text,
}

fn line(text: &str) -> Line<'_> {
    let depth = text.len() - text.trim_start_matches('#').len();
    if (1..=6).contains(&depth) && text[depth..].starts_with([' ', '\t']) {
        return Line::Heading(depth, text[depth..].trim().trim_end_matches('#').trim_end());
    }
    let inner = text.trim_start_matches([' ', '\t']);
    if let Some((done, rest)) = inner.strip_prefix(['-', '*', '+']).map(str::trim_start).and_then(mark) {
        return Line::Task(text.len() - inner.len(), done, rest);
    }
    match mark(inner).and_then(|(done, rest)| Some((done, rest.split_once(". ")?))) {
        Some((done, (number, title))) if number.parse::<u32>().is_ok() => Line::Printed(done, title.trim()),
        _ => Line::Text,
    }
}

/// `[x] …` or `[ ] …`.
fn mark(text: &str) -> Option<(bool, &str)> {
    let (sign, rest) = text.strip_prefix('[')?.split_once(']')?;
    // Printed, and saved in the wrong encoding since.
    let was = mojibake::find(sign).map(|found| found.was);
    let done = match was.as_deref().unwrap_or(sign) {
        "x" | "X" | "✔" | "✓" => true,
        "" | " " | "✗" => false,
        _ => return None,
    };
    rest.starts_with([' ', '\t']).then(|| (done, rest.trim()))
}

/// The title of a phase's heading, and whether it is marked as done.
fn phase_heading(text: &str) -> Option<(Option<bool>, &str)> {
    if let Some((done, title)) = mark(text) {
        return Some((Some(done), title));
    }
    let word = text.get(..5)?;
    let ends = !text[5..].starts_with(|c: char| c.is_alphanumeric());
    (word.eq_ignore_ascii_case("phase") && ends).then_some((None, text))
}

/// A phase that is being read.
struct Open {
    /// The heading's depth; none: an entry of a list.
    depth: Option<usize>,
    done: Option<bool>,
    text: String,
    tasks: (usize, usize),
}

impl Open {
    fn close(self) -> (String, bool) {
        let (ticked, all) = self.tasks;
        (self.text.trim_end().to_owned(), self.done.unwrap_or(all > 0 && ticked == all))
    }
}

/// Reads a plan.
pub fn read(bytes: &[u8]) -> Result<Sketch, PlanError> {
    let text = std::str::from_utf8(bytes).map_err(|error| PlanError::not_utf8(bytes, error.valid_up_to()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(PlanError::Empty);
    }
    let printed = outside_fences(text).any(|text| matches!(line(text), Line::Printed(..)));
    let by_headings =
        outside_fences(text).any(|text| matches!(line(text), Line::Heading(_, text) if phase_heading(text).is_some()));
    let mut sketch = Sketch::default();
    let mut open: Option<Open> = None;
    let mut fenced: Option<(char, usize)> = None;
    for raw in text.lines() {
        let kind = if fenced.is_some() { Line::Text } else { line(raw) };
        fenced = match fenced {
            Some((sign, count)) if closes(raw, sign, count) => None,
            None => fence(raw).map(|(sign, count, _)| (sign, count)),
            still => still,
        };
        match kind {
            Line::Heading(depth, text) if by_headings && phase_heading(text).is_some() => {
                sketch.phases.extend(open.take().map(Open::close));
                let (done, title) = phase_heading(text).unwrap_or((None, text));
                open = Some(Open { depth: Some(depth), done, text: format!("{title}\n"), tasks: (0, 0) });
                continue;
            }
            Line::Heading(depth, text) => {
                let ends = open.as_ref().is_some_and(|open| open.depth.is_none_or(|phase| depth <= phase));
                if ends {
                    sketch.phases.extend(open.take().map(Open::close));
                }
                if open.is_none() && sketch.description.is_empty() {
                    text.clone_into(&mut sketch.description);
                    continue;
                }
            }
            Line::Printed(done, text) if !by_headings => {
                sketch.phases.extend(open.take().map(Open::close));
                open = Some(Open { depth: None, done: Some(done), text: format!("{text}\n"), tasks: (0, 0) });
                continue;
            }
            Line::Task(0, done, text) if !by_headings && !printed => {
                sketch.phases.extend(open.take().map(Open::close));
                open = Some(Open { depth: None, done: Some(done), text: format!("{text}\n"), tasks: (0, 0) });
                continue;
            }
            Line::Task(_, done, _) => {
                if let Some(open) = &mut open {
                    open.tasks.0 += usize::from(done);
                    open.tasks.1 += 1;
                }
            }
            Line::Text | Line::Printed(..) => {}
        }
        let into = open.as_mut().map_or(&mut sketch.notes, |open| &mut open.text);
        into.push_str(raw);
        into.push('\n');
    }
    sketch.phases.extend(open.map(Open::close));
    sketch.notes = sketch.notes.trim().to_owned();
    if sketch.phases.is_empty() { Err(PlanError::NoPhases) } else { Ok(sketch) }
}

fn outside_fences(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced: Option<(char, usize)> = None;
    text.lines().filter(move |raw| {
        let before = fenced;
        fenced = match fenced {
            Some((sign, count)) if closes(raw, sign, count) => None,
            None => fence(raw).map(|(sign, count, _)| (sign, count)),
            still => still,
        };
        before.is_none()
    })
}

/// Writes a plan.
pub fn write(plan: &Plan) -> String {
    let title = if plan.description.trim().is_empty() { &plan.id } else { &plan.description };
    let mut text = format!("# {}\n", title.split_whitespace().collect::<Vec<_>>().join(" "));
    for phase in &plan.phases {
        let (title, body) = phase.text.trim_start().split_once('\n').unwrap_or((phase.text.trim(), ""));
        let mark = if phase.done { 'x' } else { ' ' };
        // Writing to a String cannot fail.
        let _ = write!(text, "\n## [{mark}] {}\n", title.trim().trim_start_matches('#').trim());
        let body = body.trim_end();
        if !body.is_empty() {
            let _ = writeln!(text, "{body}");
        }
    }
    text
}

/// A name made from a text: small letters, digits and `_`.
pub fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('_') {
            slug.push('_');
        }
        if slug.len() >= 60 {
            break;
        }
    }
    let slug = slug.trim_end_matches('_');
    if slug.is_empty() { "plan".to_owned() } else { slug.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::book::Book;
    use super::super::error::PlanError;
    use super::{read, slug, write};

    const PLAN: &str = "# Move — all of it\n\nWhy: because.\n\n## Phase 0: Set up\n\nFirst.\n\n```bash\n# Phase 9: a comment\n- [ ] no task\n```\n\
        IMPORTANT NOTE:\n- heed\n\n### Details\n\n- [x] one\n- [x] two\n\n## Phase 1 – Ship\n- [ ] a\n- [x] b\n\n## Appendix\n\nLast words.\n";

    #[test]
    fn headings_are_phases() {
        let sketch = read(PLAN.as_bytes()).unwrap();
        assert_eq!(sketch.description, "Move — all of it");
        let titles: Vec<_> = sketch.phases.iter().map(|(text, done)| (text.lines().next().unwrap(), *done)).collect();
        assert_eq!(titles, [("Phase 0: Set up", true), ("Phase 1 – Ship", false)]);
        assert!(sketch.phases[0].0.contains("# Phase 9: a comment") && sketch.phases[0].0.contains("### Details"));
        assert_eq!(sketch.notes, "Why: because.\n\n## Appendix\n\nLast words.");
    }

    #[test]
    fn without_them_the_entries_of_a_task_list_are() {
        let sketch = read(b"# T\n\n- [x] one\n  - [ ] inner\n  text\n- [ ] two\n* [X] three\n- plain\n# Rest\nend\n").unwrap();
        assert_eq!(
            sketch.phases,
            [("one\n  - [ ] inner\n  text".to_owned(), true), ("two".to_owned(), false), ("three\n- plain".to_owned(), true)]
        );
        assert_eq!(sketch.notes, "# Rest\nend");
    }

    #[test]
    fn what_was_printed_is_read_again() {
        let text = "ALL OPEN TASKS:\n\n1. some_plan\n      [‚úì] 0. PHASE 0: SETUP\n\n```bash\n[x] 9. no phase\n```\nIMPORTANT NOTE:\n- [ ] heed\n\n      \
            [‚úó] 1. PHASE 1: Build\n[✔] 2. Third\n";
        let sketch = read(text.as_bytes()).unwrap();
        let titles: Vec<_> = sketch.phases.iter().map(|(text, done)| (text.lines().next().unwrap(), *done)).collect();
        assert_eq!(titles, [("PHASE 0: SETUP", true), ("PHASE 1: Build", false), ("Third", true)]);
        assert!(sketch.phases[0].0.contains("[x] 9. no phase") && sketch.notes.starts_with("ALL OPEN TASKS"));
    }

    #[test]
    fn what_is_no_plan_is_refused() {
        assert_eq!(read(b"# Title\n\ntext\n```\n## Phase 1: x\n```\n"), Err(PlanError::NoPhases));
        assert_eq!(read(b" \n"), Err(PlanError::Empty));
        assert_eq!(read(b"## Phase 1: \xe9\n"), Err(PlanError::NotUtf8 { line: 1, byte: 13, value: 0xe9 }));
    }

    #[test]
    fn what_is_written_reads_as_the_same() {
        let json = r#"[{"id":"a","description":"Line one\ntwo","todos":[
            {"text":"PHASE 0: x\n\n```bash\nls\n```\nIMPORTANT NOTE:\n- y","done":true},{"text":"no number","done":false}]}]"#;
        let book = Book::parse(json.as_bytes().to_vec()).unwrap();
        let sketch = read(write(&book.plans[0]).as_bytes()).unwrap();
        assert_eq!(sketch.description, "Line one two");
        let phases: Vec<_> = book.plans[0].phases.iter().map(|phase| (phase.text.clone(), phase.done)).collect();
        assert_eq!(sketch.phases, phases);
    }

    #[test]
    fn names_are_plain() {
        assert_eq!(slug("Docker Architecture: 4090 + 3060 (März)"), "docker_architecture_4090_3060_m_rz");
        assert_eq!((slug("日本"), slug("a".repeat(99).as_str()).len()), ("plan".to_owned(), 60));
    }
}
