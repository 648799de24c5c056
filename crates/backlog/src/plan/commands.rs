//! The commands of a fenced block: which lines are one command, as a shell reads them, and what placeholders stand for.
//!
//! It finds where a command ends and no more: what a command means is the shell's to say.

use std::collections::VecDeque;

/// A command of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The line of the block that it begins on, from 1.
    pub line: usize,
    /// The line that it ends on.
    pub last: usize,
    /// All its lines.
    pub text: String,
    /// Whether it is whole; one that is not ends with the block.
    pub whole: bool,
}

/// The commands of a block. Blank lines and comments between them are none.
pub fn commands(lines: &[&str]) -> Vec<Command> {
    let mut found = Vec::new();
    let mut begun: Option<usize> = None;
    let mut reader = Reader::default();
    for (at, line) in lines.iter().enumerate() {
        let trimmed = line.trim();
        if begun.is_none() && (trimmed.is_empty() || trimmed.starts_with('#')) {
            continue;
        }
        let first = *begun.get_or_insert(at);
        reader.line(line);
        if reader.is_whole() {
            found.push(command(lines, first, at, true));
            begun = None;
            reader = Reader::default();
        }
    }
    if let Some(first) = begun {
        found.push(command(lines, first, lines.len() - 1, false));
    }
    found
}

fn command(lines: &[&str], first: usize, last: usize, whole: bool) -> Command {
    Command { line: first + 1, last: last + 1, text: lines[first..=last].join("\n"), whole }
}

/// What is open at the end of a line.
#[derive(Debug, Default)]
struct Reader {
    /// The quote that is open.
    quote: Option<char>,
    /// What ends each compound command and bracket that is open, innermost last.
    open: Vec<&'static str>,
    /// Heredocs that wait for their end: the word, and whether tabs before it do not count.
    heredocs: VecDeque<(String, bool)>,
    /// Whether the line ended with a backslash, or with `|`, `&&`, `||`.
    goes_on: bool,
    /// The word that is being read.
    word: String,
    /// Whether a word here would be a command's name.
    at_command: bool,
}

impl Reader {
    fn is_whole(&self) -> bool {
        self.quote.is_none() && self.open.is_empty() && self.heredocs.is_empty() && !self.goes_on
    }

    fn line(&mut self, line: &str) {
        if self.quote.is_none()
            && let Some((end, tabs)) = self.heredocs.front()
        {
            let line = if *tabs { line.trim_start_matches('\t') } else { line };
            if line == end {
                self.heredocs.pop_front();
            }
            return;
        }
        if !self.goes_on {
            self.at_command = true;
        }
        self.goes_on = false;
        let mut rest = line;
        // How many heredocs begin on this line does not matter to the rest of the line.
        while let Some(c) = rest.chars().next() {
            rest = self.sign(c, rest);
        }
        self.end_word();
    }

    /// Reads what begins with `c`; what is left of the line.
    fn sign<'l>(&mut self, c: char, rest: &'l str) -> &'l str {
        let next = &rest[c.len_utf8()..];
        if let Some(quote) = self.quote {
            if c == '\\' && quote == '"' {
                return skip_one(next);
            }
            if c == quote {
                self.quote = None;
            }
            return next;
        }
        match c {
            '\\' => {
                if next.is_empty() {
                    self.goes_on = true;
                    return next;
                }
                self.word.push('\\');
                return skip_one(next);
            }
            '\'' | '"' | '`' => {
                self.quote = Some(c);
                self.word.push(c);
            }
            '#' if self.word.is_empty() => return "",
            ' ' | '\t' => self.end_word(),
            ';' => {
                self.end_word();
                self.at_command = true;
            }
            '|' | '&' => {
                self.end_word();
                self.at_command = true;
                let twice = next.strip_prefix(c);
                let after = twice.unwrap_or(next);
                // `a &` is whole; after the others something must follow.
                self.goes_on = (c == '|' || twice.is_some()) && (after.trim().is_empty() || after.trim().starts_with('#'));
                return after;
            }
            '(' => {
                self.end_word();
                self.open.push(")");
                self.at_command = true;
            }
            ')' => {
                self.end_word();
                // The pattern of a `case` ends with one that nothing opened.
                if self.open.last() == Some(&")") {
                    self.open.pop();
                }
                self.at_command = true;
            }
            '$' if next.starts_with('{') => {
                self.word.push('$');
                return parameter(next);
            }
            '<' if next.starts_with("<<") => return &next[2..],
            '<' if next.starts_with('<') => return self.heredoc(&next[1..]),
            '<' | '>' => self.end_word(),
            _ => self.word.push(c),
        }
        next
    }

    fn heredoc<'l>(&mut self, rest: &'l str) -> &'l str {
        self.end_word();
        let (rest, tabs) = rest.strip_prefix('-').map_or((rest, false), |rest| (rest, true));
        let rest = rest.trim_start_matches([' ', '\t']);
        let mut word = String::new();
        let mut quote = None;
        for (at, c) in rest.char_indices() {
            match (quote, c) {
                (None, '\'' | '"') => quote = Some(c),
                (Some(open), _) if c == open => quote = None,
                (None, '\\') => {}
                (None, ' ' | '\t' | ';' | '|' | '&' | '<' | '>' | ')' | '(') => {
                    self.wait_for(word, tabs);
                    return &rest[at..];
                }
                _ => word.push(c),
            }
        }
        self.wait_for(word, tabs);
        ""
    }

    fn wait_for(&mut self, word: String, tabs: bool) {
        // `$((1 << 2))` is arithmetic.
        if !word.is_empty() && !self.open.ends_with(&[")", ")"]) {
            self.heredocs.push_back((word, tabs));
        }
    }

    fn end_word(&mut self) {
        if self.word.is_empty() {
            return;
        }
        let word = std::mem::take(&mut self.word);
        if !self.at_command {
            return;
        }
        let opens = match word.as_str() {
            "if" => Some("fi"),
            "for" | "while" | "until" | "select" => Some("done"),
            "case" => Some("esac"),
            "{" => Some("}"),
            _ => None,
        };
        if let Some(end) = opens {
            self.open.push(end);
        } else if self.open.last() == Some(&word.as_str()) {
            self.open.pop();
        }
        self.at_command =
            matches!(word.as_str(), "if" | "while" | "until" | "then" | "do" | "else" | "elif" | "{" | "!" | "time");
    }
}

fn skip_one(text: &str) -> &str {
    let mut chars = text.chars();
    chars.next();
    chars.as_str()
}

/// What follows `${…}`, which may hold signs that mean something elsewhere.
fn parameter(text: &str) -> &str {
    text.find('}').map_or("", |at| &text[at + 1..])
}

/// Why a command's placeholders cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the plan's id `{id}` would be more than a name to a shell, so it cannot stand for {placeholder}")]
pub struct NoName {
    /// The plan.
    pub id: String,
    /// What it should be put in for.
    pub placeholder: &'static str,
}

/// What stands for a plan's id.
const IDS: [&str; 3] = ["<task_id ReplaceAll>", "<task_id>", "<TASK_ID>"];

/// Puts in what stands for the plan.
pub(crate) fn with_id(text: &str, id: &str) -> String {
    IDS.iter().fold(text.to_owned(), |text, placeholder| text.replace(placeholder, id))
}

/// A command with its placeholders filled in: the plan's id, the phase from 0, the line from 1.
///
/// What is put in becomes part of a command, so an id that a shell would read as more than a name is refused.
pub fn filled(text: &str, id: &str, phase: usize, line: usize) -> Result<String, NoName> {
    if let Some(placeholder) = IDS.into_iter().find(|placeholder| text.contains(placeholder)) {
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '@' | '/' | '+' | ',' | '%');
        if id.is_empty() || id.starts_with('-') || !id.chars().all(plain) {
            return Err(NoName { id: id.to_owned(), placeholder });
        }
    }
    let text = with_id(text, id);
    Ok(text.replace("<PHASE_INDEX>", &phase.to_string()).replace("<SUB_INDEX>", &line.to_string()))
}

#[cfg(test)]
mod tests {
    use super::{Command, commands, filled};

    fn places(block: &str) -> Vec<(usize, usize, bool)> {
        let lines: Vec<&str> = block.lines().collect();
        commands(&lines).iter().map(|Command { line, last, whole, .. }| (*line, *last, *whole)).collect()
    }

    #[test]
    fn a_line_is_a_command() {
        assert_eq!(places("export A=1 && export B=$(date)\n# CPU\n\n  ls -l | sort -u & \n"), [(1, 1, true), (4, 4, true)]);
        assert_eq!(places(""), []);
        assert_eq!(places("# only this"), []);
        for one in [
            "echo 'a # b' # c \\",
            "echo ${A#x} $# a#b \"(\" \\( '{' if for do",
            "echo $((1 << 2)) <<< word",
            "echo a;; echo }",
            "find . -name x -exec rm {} \\;",
        ] {
            assert_eq!(places(one), [(1, 1, true)], "{one}");
        }
    }

    #[test]
    fn lines_that_belong_together_are_one_command() {
        for block in [
            "docker build \\\n  -t x \\\n  .",
            "python - <<'PY'\nimport os\nPY",
            "cat <<-EOF | sort\n\ta\n\tEOF",
            "cat <<A <<B\n1\nA\n2\nB",
            "echo 'a\nb'",
            "echo \"a \\\"\nb\"",
            "if true; then\n  echo x\nfi",
            "for i in 1 2; do\n  if [ $i = 1 ]; then echo; fi\n\n  # in between\ndone",
            "case $x in\n a) echo;;\n (b) echo;;\nesac",
            "f() {\n echo\n}",
            "(\n cd x\n)",
            "a=$(\n  ls\n)",
            "true &&\n  echo yes",
            "ls |\n  sort",
        ] {
            let last = block.lines().count();
            assert_eq!(places(block), [(1, last, true)], "{block}");
            let after = format!("{block}\necho after");
            assert_eq!(places(&after), [(1, last, true), (last + 1, last + 1, true)], "{block}");
        }
    }

    #[test]
    fn what_never_ends_ends_with_the_block() {
        assert_eq!(places("ls\ncat <<X\na\nb"), [(1, 1, true), (2, 4, false)]);
        assert_eq!(places("echo 'a"), [(1, 1, false)]);
        assert_eq!(places("ls \\"), [(1, 1, false)]);
    }

    #[test]
    fn placeholders_stand_for_plan_phase_and_line() {
        let text = "x <task_id ReplaceAll> <task_id> <TASK_ID> <PHASE_INDEX>.<SUB_INDEX> <other>";
        assert_eq!(filled(text, "arch_2025-1", 3, 2).unwrap(), "x arch_2025-1 arch_2025-1 arch_2025-1 3.2 <other>");
        for id in ["x; rm -rf ~", "$(x)", "a b", "", "-rf", "a'b", "a\nb", "`x`"] {
            assert_eq!(filled("show <task_id>", id, 0, 1).unwrap_err().placeholder, "<task_id>", "{id}");
            assert_eq!(filled("show <PHASE_INDEX>", id, 0, 1).unwrap(), "show 0");
        }
    }
}
