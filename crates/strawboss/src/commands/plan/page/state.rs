//! What the page shows and what keys do to it. It draws nothing and writes nothing.

use crate::output::words;
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::path::Path;
use strawboss_backlog::plan::{Block, Book, Phase, Plan, PlanError, commands};

/// What a person wants that is more than to look around.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    Nothing,
    Leave,
    /// Marks a phase, which says this, as done or not.
    Toggle {
        plan: String,
        phase: usize,
        text: String,
        done: bool,
    },
    /// Runs the commands of a phase, which says this.
    Run {
        plan: String,
        phase: usize,
        text: String,
    },
    /// Looks on at a run.
    Watch {
        run: String,
    },
}

/// Which list the keys are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Focus {
    Plans,
    Phases,
}

/// A page.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) file: String,
    /// The open plans.
    pub(super) plans: Vec<Plan>,
    /// Why the file cannot be read now; what is shown is what it said before.
    pub(super) problem: Option<String>,
    pub(super) plan: usize,
    pub(super) phase: usize,
    pub(super) focus: Focus,
    /// How far the details are scrolled.
    pub(super) scroll: u16,
    /// Whether it is asked if the commands shall run.
    pub(super) asks: bool,
    /// What was done last.
    pub(super) said: String,
}

impl Page {
    pub(super) fn new(file: &Path, book: &Book) -> Self {
        let mut page = Self {
            file: words::one_line(&file.display().to_string()),
            plans: Vec::new(),
            problem: None,
            plan: 0,
            phase: 0,
            focus: Focus::Phases,
            scroll: 0,
            asks: false,
            said: String::new(),
        };
        page.show(book);
        page.look_at_next();
        page
    }

    fn show(&mut self, book: &Book) {
        self.plans = book.plans.iter().filter(|plan| plan.is_open()).cloned().collect();
    }

    /// Takes what the file says now. What is looked at stays looked at.
    pub(super) fn take(&mut self, read: Result<Book, PlanError>) {
        match read {
            Err(error) => self.problem = Some(error.to_string()),
            Ok(book) => {
                self.problem = None;
                let id = self.plan().map(|plan| plan.id.clone());
                let text = self.phase().map(|phase| phase.text.clone());
                self.show(&book);
                let Some(at) = id.and_then(|id| self.plans.iter().position(|plan| plan.id == id)) else {
                    self.plan = self.plan.min(self.plans.len().saturating_sub(1));
                    self.asks = false;
                    self.look_at_next();
                    return;
                };
                self.plan = at;
                let phases = self.plans[at].phases.as_slice();
                let is_it = |phase: &Phase| Some(&phase.text) == text.as_ref();
                if !phases.get(self.phase).is_some_and(is_it)
                    && let Some(moved) = phases.iter().position(is_it)
                {
                    self.phase = moved;
                }
                // What would run is not what was asked about any more.
                self.asks &= phases.get(self.phase).is_some_and(is_it);
                self.phase = self.phase.min(phases_last(&self.plans, at));
            }
        }
    }

    /// The plan that is looked at.
    pub(super) fn plan(&self) -> Option<&Plan> {
        self.plans.get(self.plan)
    }

    /// The phase that is looked at.
    pub(super) fn phase(&self) -> Option<&Phase> {
        self.plan()?.phases.get(self.phase)
    }

    /// Looks at what is next.
    fn look_at_next(&mut self) {
        self.phase = self.plan().and_then(Plan::next).unwrap_or_default();
        self.scroll = 0;
    }

    fn moved(&mut self, by: isize) {
        let last = match self.focus {
            Focus::Plans => self.plans.len().saturating_sub(1),
            Focus::Phases => phases_last(&self.plans, self.plan),
        };
        let at = match self.focus {
            Focus::Plans => &mut self.plan,
            Focus::Phases => &mut self.phase,
        };
        let to = at.saturating_add_signed(by).min(last);
        let moved = *at != to;
        *at = to;
        if moved {
            self.scroll = 0;
            if self.focus == Focus::Plans {
                self.look_at_next();
            }
        }
    }

    /// What a key does.
    pub(super) fn key(&mut self, key: KeyEvent) -> Wish {
        if key.kind == KeyEventKind::Release {
            return Wish::Nothing;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if control && matches!(key.code, KeyCode::Char('c' | 'd')) {
            return Wish::Leave;
        }
        if std::mem::take(&mut self.asks) {
            return self.answer(key.code);
        }
        self.said.clear();
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Wish::Leave,
            KeyCode::Up | KeyCode::Char('k') => self.moved(-1),
            KeyCode::Down | KeyCode::Char('j') => self.moved(1),
            KeyCode::Home | KeyCode::Char('g') => self.moved(isize::MIN),
            KeyCode::End | KeyCode::Char('G') => self.moved(isize::MAX),
            KeyCode::Tab | KeyCode::BackTab => {
                self.focus = if self.focus == Focus::Plans { Focus::Phases } else { Focus::Plans };
            }
            KeyCode::Left | KeyCode::Char('h') => self.focus = Focus::Plans,
            KeyCode::Right | KeyCode::Enter | KeyCode::Char('l') => self.focus = Focus::Phases,
            KeyCode::PageDown => self.scroll = self.scroll.saturating_add(5),
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(5),
            KeyCode::Char('n') => self.look_at_next(),
            KeyCode::Char(' ') => return self.toggle(),
            KeyCode::Char('x' | 'r') => self.ask(),
            KeyCode::Char('w') => return self.watch(),
            _ => {}
        }
        Wish::Nothing
    }

    fn answer(&mut self, key: KeyCode) -> Wish {
        match (self.plan(), self.phase()) {
            (Some(plan), Some(phase)) if matches!(key, KeyCode::Char('y' | 'Y')) => {
                Wish::Run { plan: plan.id.clone(), phase: self.phase, text: phase.text.clone() }
            }
            _ => {
                "nothing was run".clone_into(&mut self.said);
                Wish::Nothing
            }
        }
    }

    fn toggle(&mut self) -> Wish {
        match (self.plan(), self.phase()) {
            (Some(plan), Some(phase)) => {
                Wish::Toggle { plan: plan.id.clone(), phase: self.phase, text: phase.text.clone(), done: !phase.done }
            }
            _ => Wish::Nothing,
        }
    }

    /// What would run is on the page already: the person says yes or no.
    fn ask(&mut self) {
        let runs = self.phase().is_some_and(|phase| {
            phase.read().blocks.first().is_some_and(|block: &Block<'_>| block.is_shell() && !commands(&block.lines).is_empty())
        });
        if runs {
            self.asks = true;
            self.scroll = 0;
        } else {
            "this phase has no commands in its first block".clone_into(&mut self.said);
        }
    }

    fn watch(&mut self) -> Wish {
        let run = self.phase().and_then(|phase| run_of(&phase.ours.as_ref()?.agent));
        if let Some(run) = run {
            return Wish::Watch { run };
        }
        "no agent has worked on this phase".clone_into(&mut self.said);
        Wish::Nothing
    }
}

fn phases_last(plans: &[Plan], at: usize) -> usize {
    plans.get(at).map_or(0, |plan| plan.phases.len().saturating_sub(1))
}

/// The run in what Strawboss says of a phase: `claude (antenna-3.1)`. The file may be anybody's: only a run's name is one.
fn run_of(agent: &str) -> Option<String> {
    let (run, _) = agent.split_once('(')?.1.split_once(')')?;
    strawboss_core::RunId::parse(run).ok().map(|run| run.to_string())
}

#[cfg(test)]
mod tests {
    use super::{Focus, Page, Wish, run_of};
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
    use std::path::Path;
    use strawboss_backlog::plan::{Book, PlanError};

    const TWO: &str = r#"[{"id":"a","todos":[{"text":"0\n```\nls\n```","done":true},{"text":"1","strawboss":{"agent":"claude (p-3.1)"}},{"text":"2"}]},
        {"id":"closed","status":"archived","todos":[]},{"id":"b","todos":[]}]"#;

    fn book(text: &str) -> Book {
        Book::parse(text.as_bytes().to_vec()).unwrap()
    }

    fn press(page: &mut Page, keys: &str) -> Wish {
        let mut wish = Wish::Nothing;
        for key in keys.chars() {
            wish = page.key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE));
        }
        wish
    }

    #[test]
    fn it_begins_with_what_is_next_and_moves_within_bounds() {
        let mut page = Page::new(Path::new("p.json"), &book(TWO));
        assert_eq!((page.plans.len(), page.plan, page.phase, page.focus), (2, 0, 1, Focus::Phases));
        press(&mut page, "jjjj");
        assert_eq!(page.phase, 2);
        press(&mut page, "g");
        assert_eq!(page.phase, 0);
        press(&mut page, "hjj");
        assert_eq!((page.plan, page.phase, page.phase().is_none()), (1, 0, true));
        assert_eq!(press(&mut page, "l "), Wish::Nothing, "there is no phase to tick");
        assert_eq!(press(&mut page, "q"), Wish::Leave);
        assert_eq!(page.key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), Wish::Leave);
    }

    #[test]
    fn keys_are_wishes_and_commands_are_asked_for() {
        let mut page = Page::new(Path::new("p.json"), &book(TWO));
        assert_eq!(press(&mut page, " "), Wish::Toggle { plan: "a".to_owned(), phase: 1, text: "1".to_owned(), done: true });
        assert_eq!(press(&mut page, "w"), Wish::Watch { run: "p-3.1".to_owned() });
        press(&mut page, "x");
        assert!(!page.asks && page.said.contains("no commands"));
        press(&mut page, "gx");
        assert!(page.asks);
        assert_eq!(press(&mut page, "n"), Wish::Nothing);
        assert_eq!((page.asks, page.said.as_str()), (false, "nothing was run"));
        assert_eq!(press(&mut page, "xy"), Wish::Run { plan: "a".to_owned(), phase: 0, text: "0\n```\nls\n```".to_owned() });
    }

    #[test]
    fn what_is_looked_at_stays_when_the_file_changes() {
        let mut page = Page::new(Path::new("p.json"), &book(TWO));
        page.take(Ok(book(&TWO.replace("\"todos\":[{\"text\":\"0", "\"todos\":[{\"text\":\"new\"},{\"text\":\"0"))));
        assert_eq!((page.phase, page.phase().unwrap().text.as_str()), (2, "1"));
        page.take(Err(PlanError::Empty));
        assert!(page.problem.is_some() && page.phase().unwrap().text == "1");
        press(&mut page, "kx");
        page.take(Ok(book(TWO)));
        assert!(page.asks && page.phase == 0);
        page.take(Ok(book(&TWO.replace("nls", "nrm -rf x"))));
        assert!(!page.asks, "what was asked about is not what would run");
        page.take(Ok(book("[{\"id\":\"b\",\"todos\":[{\"text\":\"x\"}]}]")));
        assert_eq!((page.problem.as_deref(), page.plan, page.phase), (None, 0, 0));
        page.take(Ok(book("[]")));
        assert!(page.plan().is_none() && press(&mut page, "j x w") == Wish::Nothing);
    }

    #[test]
    fn only_a_runs_name_is_one() {
        assert_eq!(run_of("claude (antenna-3.1)").as_deref(), Some("antenna-3.1"));
        for agent in ["", "claude", "x (--help)", "x (", "x (a b)"] {
            assert_eq!(run_of(agent), None, "{agent}");
        }
    }
}
