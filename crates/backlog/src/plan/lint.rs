//! What is doubtful in plans: what cannot be used, what a person will trip over, and what reads like an accident.

use super::book::{Book, Phase, Plan};
use super::commands::commands;
use super::{mojibake, text, time};

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The plan's id; empty when it has none.
    pub plan: String,
    /// The phase, from 0; none: the plan as a whole.
    pub phase: Option<usize>,
    /// The line of the file, from 1.
    pub line: u64,
    /// Whether it keeps the plan or phase from being used.
    pub error: bool,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub fix: String,
}

/// How much of a text is told.
const EXCERPT: usize = 30;

/// All that is found, in the order of the file.
pub fn lint(book: &Book) -> Vec<Finding> {
    let mut found = Vec::new();
    for plan in &book.plans {
        let mut notes = Notes { plan, found: &mut found };
        notes.plan();
        let mut before = None;
        for (at, phase) in plan.phases.iter().enumerate() {
            notes.phase(at, phase);
            before = notes.order(at, phase, before);
        }
    }
    found
}

struct Notes<'b> {
    plan: &'b Plan,
    found: &'b mut Vec<Finding>,
}

impl Notes<'_> {
    fn say(&mut self, phase: Option<usize>, error: bool, message: impl Into<String>, fix: impl Into<String>) {
        let line = phase.map_or(self.plan.line, |at| self.plan.phases[at].line);
        self.found.push(Finding { plan: self.plan.id.clone(), phase, line, error, message: message.into(), fix: fix.into() });
    }

    fn plan(&mut self) {
        let plan = self.plan;
        if let Some(flaw) = &plan.flaw {
            self.say(None, true, flaw.clone(), "Correct it in the file.");
        }
        if plan.phases.is_empty() && plan.flaw.is_none() {
            self.say(None, false, "it has no phase", "Add one with `strawboss plan add`.");
        }
        if plan.description.trim().is_empty() && plan.flaw.is_none() {
            self.say(None, false, "it has no description", "Say in `description` what it is about.");
        }
        self.encoding(None, &plan.description);
        for (name, moment) in [("created", &plan.created), ("updated", &plan.updated)] {
            if let Some(moment) = moment.as_deref().filter(|moment| !time::is_moment(moment)) {
                let message = format!("`{name}` is no moment: `{}`", excerpt(moment));
                self.say(None, false, message, "Write it like `2025-08-17T12:00:00+08:00`.");
            }
        }
        if let Some(first) = plan.phases.first()
            && let Some(number) = text::number(first.read().title)
            && number != 0
        {
            self.say(
                Some(0),
                false,
                format!("the first phase calls itself {number}"),
                "Begin with phase 0: set-up and protocol.",
            );
        }
    }

    fn phase(&mut self, at: usize, phase: &Phase) {
        if let Some(flaw) = &phase.flaw {
            self.say(Some(at), true, flaw.clone(), "Correct it in the file.");
            return;
        }
        let read = phase.read();
        if read.title.is_empty() {
            self.say(Some(at), true, "its text is empty", "Say what is to be done, or delete it.");
        }
        if read.note.as_deref().is_none_or(str::is_empty) {
            self.say(Some(at), false, "it has no IMPORTANT NOTE", "Say what must be heeded below a line `IMPORTANT NOTE:`.");
        }
        for (number, block) in read.blocks.iter().enumerate() {
            if !block.closed {
                self.say(Some(at), false, "a fenced block is never closed", "Close it with a line of three backticks.");
            }
            if !block.is_shell() {
                continue;
            }
            for command in commands(&block.lines) {
                if !command.whole {
                    let message = format!("the command on line {} of block {} never ends", command.line, number + 1);
                    self.say(Some(at), false, message, "Close its quote, bracket, heredoc or `fi`, `done`, `esac`.");
                }
            }
        }
        if let Some(block) = read.blocks.first()
            && !block.is_shell()
        {
            let message = format!("its first block is `{}`, no commands", excerpt(block.language));
            self.say(Some(at), false, message, "`strawboss plan exec` runs the first block: put the commands first.");
        }
        self.encoding(Some(at), &phase.text);
    }

    /// Whether numbers and work go on in order; the number that the next one follows.
    fn order(&mut self, at: usize, phase: &Phase, before: Option<u32>) -> Option<u32> {
        let number = text::number(phase.read().title);
        if let (Some(before), Some(number)) = (before, number)
            && number != before.saturating_add(1)
        {
            self.say(Some(at), false, format!("it calls itself {number}, after {before}"), "Number phases as they stand.");
        }
        if let Some(open) = self.plan.next()
            && phase.done
            && open < at
        {
            let message = format!("it is done, and phase {open} before it is not");
            self.say(Some(at), false, message, "Phases are worked on in order.");
        }
        number.or(before)
    }

    fn encoding(&mut self, phase: Option<usize>, text: &str) {
        if let Some(found) = mojibake::find(text) {
            let message = if found.was.is_empty() {
                "a sign was lost when it was saved: U+FFFD stands for it".to_owned()
            } else {
                format!("`{}` reads like `{}` in the wrong encoding", excerpt(&found.found), excerpt(&found.was))
            };
            self.say(phase, false, message, "Write it again as UTF-8.");
        }
    }
}

fn excerpt(text: &str) -> String {
    let mut excerpt: String = text.chars().take(EXCERPT).collect();
    if excerpt.len() < text.len() {
        excerpt.push('…');
    }
    excerpt
}

#[cfg(test)]
mod tests {
    use super::super::book::Book;
    use super::lint;

    #[test]
    fn what_is_doubtful_is_told_by_place() {
        let text = r#"[
          {"id":"a","description":"d","created":"soon","todos":[
            {"text":"PHASE 1: x\n```yaml\na\n```\nIMPORTANT NOTE: y","done":false},
            {"text":"PHASE 3: ‚Äî\n```bash\necho 'x\n","done":true},
            {"text":""},
            {"done":true},
            7
          ]},
          {"id":"a","todos":[]},
          {"id":"good","description":"d","todos":[{"text":"PHASE 0: x\n```bash\nls\n```\nIMPORTANT NOTE:\n- y","done":true}]}
        ]"#;
        let found = lint(&Book::parse(text.as_bytes().to_vec()).unwrap());
        for (line, phase, error, part) in [
            (2, None, true, "stands 2 times, on lines 2, 9"),
            (2, None, false, "`created` is no moment"),
            (3, Some(0), false, "calls itself 1"),
            (3, Some(0), false, "first block is `yaml`"),
            (4, Some(1), false, "no IMPORTANT NOTE"),
            (4, Some(1), false, "never closed"),
            (4, Some(1), false, "line 1 of block 1 never ends"),
            (4, Some(1), false, "reads like `—`"),
            (4, Some(1), false, "calls itself 3, after 1"),
            (4, Some(1), false, "phase 0 before it is not"),
            (5, Some(2), true, "empty"),
            (6, Some(3), true, "no `text`"),
            (7, Some(4), true, "no object"),
            (9, None, true, "stands 2 times"),
        ] {
            let one =
                found.iter().find(|one| (one.line, one.phase, one.error) == (line, phase, error) && one.message.contains(part));
            assert!(one.is_some(), "{line} {part}: {found:#?}");
        }
        assert!(found.iter().all(|one| one.plan != "good"), "{found:#?}");
    }
}
