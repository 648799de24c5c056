//! What the text of a phase says: its title, its IMPORTANT NOTE, its fenced blocks.

/// A phase's text, understood.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text<'t> {
    /// Its first line that says something.
    pub title: &'t str,
    /// What stands under IMPORTANT NOTE; none when there is none.
    pub note: Option<String>,
    /// Its fenced blocks.
    pub blocks: Vec<Block<'t>>,
}

/// A fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block<'t> {
    /// What stands after the fence: `bash`.
    pub language: &'t str,
    /// Its lines, without the fences and the fence's own indentation.
    pub lines: Vec<&'t str>,
    /// Whether it ends before the text does.
    pub closed: bool,
}

/// Words after a fence that a shell can do something with. None at all is one of them.
const SHELLS: [&str; 8] = ["", "bash", "sh", "shell", "zsh", "console", "ksh", "dash"];

impl Block<'_> {
    /// Whether its lines are commands.
    pub fn is_shell(&self) -> bool {
        SHELLS.iter().any(|shell| shell.eq_ignore_ascii_case(self.language))
    }
}

const NOTE: &str = "IMPORTANT NOTE";

/// The fence that a line opens: its sign, how often it stands there, and what follows.
pub(crate) fn fence(line: &str) -> Option<(char, usize, &str)> {
    let line = line.trim_start();
    let sign = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let rest = line.trim_start_matches(sign);
    let count = line.len() - rest.len();
    (count >= 3 && !(sign == '`' && rest.contains('`'))).then_some((sign, count, rest.trim()))
}

/// Whether a line closes the fence.
pub(crate) fn closes(line: &str, sign: char, count: usize) -> bool {
    fence(line).is_some_and(|(other, many, rest)| other == sign && many >= count && rest.is_empty())
}

fn unindented(line: &str, indent: usize) -> &str {
    let blank = line.bytes().take(indent).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    &line[blank..]
}

/// What stands after IMPORTANT NOTE in a line that begins one.
fn note(line: &str) -> Option<&str> {
    let line = line.trim().trim_start_matches(['#', '*', '_', '>', ' ']);
    let rest = line.strip_prefix(NOTE)?;
    Some(rest.trim_start_matches(['*', '_', ':', ' ']).trim_end_matches(['*', '_']))
}

/// Whether a line begins something else than what stands before it: a heading, or a line all in bold.
fn is_heading(line: &str) -> bool {
    let line = line.trim();
    line.starts_with('#') || (line.len() > 4 && line.starts_with("**") && line.ends_with("**"))
}

impl<'t> Text<'t> {
    /// Understands a text.
    pub fn of(text: &'t str) -> Self {
        let mut read = Self::default();
        let mut notes: Option<Vec<&str>> = None;
        let mut in_note = false;
        let mut open: Option<(char, usize, usize)> = None;
        for line in text.lines() {
            if let Some((sign, count, indent)) = open {
                let Some(block) = read.blocks.last_mut() else { continue };
                if closes(line, sign, count) {
                    block.closed = true;
                    open = None;
                } else {
                    block.lines.push(unindented(line, indent));
                }
                continue;
            }
            if let Some((sign, count, language)) = fence(line) {
                in_note = false;
                open = Some((sign, count, line.len() - line.trim_start().len()));
                let language = language.split_whitespace().next().unwrap_or_default();
                read.blocks.push(Block { language, lines: Vec::new(), closed: false });
                continue;
            }
            if let Some(first) = note(line) {
                in_note = true;
                notes.get_or_insert_default().push(first);
                continue;
            }
            in_note &= !is_heading(line);
            if in_note {
                notes.get_or_insert_default().push(line.trim_end());
            } else if read.title.is_empty() {
                read.title = line.trim().trim_start_matches('#').trim();
            }
        }
        read.note = notes.map(|lines| lines.join("\n").trim().to_owned());
        read
    }
}

/// The number in a title that begins with `Phase 3`; none when it does not.
pub fn number(title: &str) -> Option<u32> {
    let rest = after_phase(title)?;
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    rest[..digits].parse().ok()
}

/// What follows the word `Phase` at a title's beginning.
fn after_phase(title: &str) -> Option<&str> {
    let word = title.get(..5).filter(|word| word.eq_ignore_ascii_case("phase"))?;
    let rest = &title[word.len()..];
    rest.starts_with([' ', '\t', '-', '_', '#']).then(|| rest.trim_start_matches([' ', '\t', '-', '_', '#']))
}

/// A title without its `Phase 3:`, so that it stays when phases are numbered anew.
pub(crate) fn bare_title(title: &str) -> &str {
    let Some(rest) = after_phase(title) else { return title };
    let bare = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let bare = bare.trim_start_matches([':', '.', ')', '-', '–', '—', ' ']);
    if bare.is_empty() { title } else { bare }
}

#[cfg(test)]
mod tests {
    use super::{Text, bare_title, number};

    #[test]
    fn a_phase_is_understood() {
        let text = "\n## PHASE 1: Build — 日本\n\n**Command Preview:**\n```bash\necho 1\n  echo 2\n```\nbetween\n~~~yaml\na: |\n  ```\n~~~\n\
                    IMPORTANT NOTE:\n- first\n- second\n\n**Concluding Step**\n   ```\n   x\n   ```\n**IMPORTANT NOTE: third**\nmore\n";
        let read = Text::of(text);
        assert_eq!(read.title, "PHASE 1: Build — 日本");
        assert_eq!(read.note.as_deref(), Some("- first\n- second\n\nthird\nmore"));
        let blocks: Vec<_> = read.blocks.iter().map(|block| (block.language, block.lines.clone(), block.closed)).collect();
        assert_eq!(
            blocks,
            [("bash", vec!["echo 1", "  echo 2"], true), ("yaml", vec!["a: |", "  ```"], true), ("", vec!["x"], true)]
        );
        assert!(read.blocks[0].is_shell() && !read.blocks[1].is_shell() && read.blocks[2].is_shell());
    }

    #[test]
    fn little_is_asked_of_a_text() {
        assert_eq!(Text::of(""), Text::default());
        let read = Text::of("only\n```sh\nls");
        assert_eq!((read.title, read.note, read.blocks[0].closed), ("only", None, false));
        let read = Text::of("t\nIMPORTANT NOTE: short one");
        assert_eq!(read.note.as_deref(), Some("short one"));
    }

    #[test]
    fn numbers_of_titles() {
        for (title, found, bare) in [
            ("PHASE 0: SETUP & PROTOCOL (READ FIRST)", Some(0), "SETUP & PROTOCOL (READ FIRST)"),
            ("Phase 12 — Ship", Some(12), "Ship"),
            ("phase-3) x", Some(3), "x"),
            ("Phase 4", Some(4), "Phase 4"),
            ("Phaseless", None, "Phaseless"),
            ("Phase one: x", None, "one: x"),
            ("Do it", None, "Do it"),
        ] {
            assert_eq!((number(title), bare_title(title)), (found, bare), "{title}");
        }
    }
}
