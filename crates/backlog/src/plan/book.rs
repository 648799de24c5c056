//! The plan file, understood: its plans, their phases, and where each of them stands.
//!
//! Three shapes are read: a list of plans, `{"tasks": […]}`, and an object whose members are plans by their ids. What is
//! wrong with a plan or a phase costs that one alone; only what leaves nothing to be read refuses the whole.

use super::error::PlanError;
use super::json::{Lines, Member, Node, Span, last, quoted};
use super::text::Text;
use std::collections::HashMap;

/// How the plans stand in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `[{"id": …}, …]`
    List,
    /// `{"tasks": [{"id": …}, …]}`
    Tasks,
    /// `{"<id>": {…}, …}`
    Map,
}

/// A plan file.
#[derive(Debug, Clone)]
pub struct Book {
    pub(crate) text: String,
    pub(crate) shape: Shape,
    /// The list or object that holds the plans.
    pub(crate) container: Span,
    /// Whether the container holds something that is no plan.
    pub(crate) others: bool,
    /// Its plans, in its order.
    pub plans: Vec<Plan>,
}

/// A plan.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Its name; empty when it has none.
    pub id: String,
    /// What it is about.
    pub description: String,
    /// Where it stands: `in_progress`, `completed`, `archived`, or what a person wrote.
    pub status: String,
    /// When it was made, as written.
    pub created: Option<String>,
    /// When it was last changed, as written.
    pub updated: Option<String>,
    /// Its phases, in order; the first is phase 0.
    pub phases: Vec<Phase>,
    /// What all its phases want.
    pub wants: Wants,
    /// The line it begins on, from 1.
    pub line: u64,
    /// Why it can be neither edited nor worked on.
    pub flaw: Option<String>,
    /// The plan with its name, where it has one before it, and alone.
    pub(crate) entry: Span,
    pub(crate) span: Span,
    pub(crate) todos: Option<Span>,
}

/// A phase of a plan.
#[derive(Debug, Clone, Default)]
pub struct Phase {
    /// All that it says.
    pub text: String,
    /// Whether it is done.
    pub done: bool,
    /// What it wants, beside what its plan wants.
    pub wants: Wants,
    /// A name of its own, if a person gave it one.
    pub id: Option<String>,
    /// What Strawboss wrote to it.
    pub ours: Option<Ours>,
    /// The line it begins on, from 1.
    pub line: u64,
    /// Why it can be neither edited nor worked on.
    pub flaw: Option<String>,
    pub(crate) span: Span,
}

/// What Strawboss writes to a phase, in its member `strawboss`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ours {
    /// The Status.
    pub status: String,
    /// Agent, run and, when blocked, why.
    pub agent: String,
    /// When it was written.
    pub at: String,
}

/// What work a plan or a phase asks for, as a row of a CSV backlog does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wants {
    /// Which project.
    pub project: Option<String>,
    /// How soon.
    pub priority: Option<String>,
    /// Which agent.
    pub agent: Option<String>,
    /// Which model.
    pub model: Option<String>,
    /// By when.
    pub deadline: Option<String>,
    /// Whether it needs a GPU.
    pub gpu: Option<String>,
}

/// Statuses of plans on which nobody works any more.
const CLOSED: [&str; 7] = ["completed", "complete", "done", "archived", "closed", "cancelled", "canceled"];

impl Plan {
    /// Whether there may be something left to do.
    pub fn is_open(&self) -> bool {
        !CLOSED.iter().any(|word| word.eq_ignore_ascii_case(self.status.trim()))
    }

    /// How many phases are done.
    pub fn done(&self) -> usize {
        self.phases.iter().filter(|phase| phase.done).count()
    }

    /// The first phase that is not done.
    pub fn next(&self) -> Option<usize> {
        self.phases.iter().position(|phase| !phase.done)
    }
}

impl Phase {
    /// Its text, understood.
    pub fn read(&self) -> Text<'_> {
        Text::of(&self.text)
    }
}

impl Book {
    /// Understands the content of a plan file.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, PlanError> {
        let text =
            String::from_utf8(bytes).map_err(|error| PlanError::not_utf8(error.as_bytes(), error.utf8_error().valid_up_to()))?;
        // A byte order mark is kept and passed over.
        let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let inner = &text[start..];
        if inner.trim().is_empty() {
            return Err(PlanError::Empty);
        }
        serde_json::from_str::<serde::de::IgnoredAny>(inner)
            .map_err(|error| PlanError::NotJson { line: error.line() as u64, why: error.to_string() })?;
        let lines = Lines::of(inner);
        let mut found = Found { lines, plans: Vec::new() };
        let (shape, container, others) = found.read(Node::of(inner))?;
        let mut plans = found.plans;
        tell_twins(&mut plans);
        for plan in &mut plans {
            plan.shift(start);
        }
        Ok(Self { shape, container: shifted(&container, start), others, plans, text })
    }

    /// A file without a plan.
    pub fn empty() -> Self {
        Self { text: "[]\n".to_owned(), shape: Shape::List, container: 0..2, others: false, plans: Vec::new() }
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How its plans stand in it.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The plan of a name, and which one it is.
    pub fn plan(&self, id: &str) -> Result<(usize, &Plan), PlanError> {
        let found = self.plans.iter().position(|plan| plan.id == id);
        found
            .map(|at| (at, &self.plans[at]))
            .ok_or_else(|| PlanError::no_plan(id, self.plans.iter().map(|plan| plan.id.as_str())))
    }

    /// The bytes of a plan.
    pub fn raw(&self, plan: &Plan) -> &str {
        &self.text[plan.span.clone()]
    }

    /// The bytes of a plan, with its id in it: where plans stand by their ids, it need not say it itself.
    pub fn raw_with_id(&self, plan: &Plan) -> String {
        let node = Node::within(&self.text, &plan.span);
        let members = node.members().unwrap_or_default();
        let (start, end) = (plan.span.start, plan.span.end);
        match (last(&members, "id"), members.first()) {
            (Some(_), _) if word(&members, "id").as_deref() == Some(plan.id.as_str()) => self.raw(plan).to_owned(),
            (Some(id), _) => {
                let id = id.span();
                format!("{}{}{}", &self.text[start..id.start], quoted(&plan.id), &self.text[id.end..end])
            }
            (None, Some(first)) => {
                let gap = &self.text[start + 1..first.start];
                format!("{{{gap}\"id\": {},{}", quoted(&plan.id), &self.text[start + 1..end])
            }
            (None, None) => format!("{{\"id\": {}}}", quoted(&plan.id)),
        }
    }

    /// A file of the same shape with one of the plans alone.
    pub fn alone(&self, plan: &Plan) -> String {
        let raw = self.raw(plan);
        match self.shape {
            Shape::List => format!("[{raw}]\n"),
            Shape::Tasks => format!("{{\"tasks\": [{raw}]}}\n"),
            Shape::Map => format!("{{{}: {raw}}}\n", quoted(&plan.id)),
        }
    }
}

impl Plan {
    fn shift(&mut self, by: usize) {
        if by == 0 {
            return;
        }
        self.entry = shifted(&self.entry, by);
        self.span = shifted(&self.span, by);
        self.todos = self.todos.as_ref().map(|span| shifted(span, by));
        for phase in &mut self.phases {
            phase.span = shifted(&phase.span, by);
        }
    }
}

fn shifted(span: &Span, by: usize) -> Span {
    span.start + by..span.end + by
}

/// Ids that stand twice name nothing.
fn tell_twins(plans: &mut [Plan]) {
    let mut lines: HashMap<String, Vec<u64>> = HashMap::new();
    for plan in plans.iter().filter(|plan| !plan.id.is_empty()) {
        lines.entry(plan.id.clone()).or_default().push(plan.line);
    }
    for plan in plans {
        if let Some(lines) = lines.get(&plan.id).filter(|lines| lines.len() > 1) {
            let lines: Vec<_> = lines.iter().map(u64::to_string).collect();
            plan.flaw = Some(format!("the id `{}` stands {} times, on lines {}", plan.id, lines.len(), lines.join(", ")));
        }
    }
}

struct Found {
    lines: Lines,
    plans: Vec<Plan>,
}

impl Found {
    fn read(&mut self, node: Node<'_>) -> Result<(Shape, Span, bool), PlanError> {
        if let Some(elements) = node.elements() {
            return Ok((Shape::List, node.span(), self.list(&elements)));
        }
        let Some(members) = node.members() else {
            return Err(PlanError::NoPlans { what: "neither a list nor an object" });
        };
        if let Some(tasks) = last(&members, "tasks").filter(|tasks| tasks.is_array()) {
            let elements = tasks.elements().unwrap_or_default();
            return Ok((Shape::Tasks, tasks.span(), self.list(&elements)));
        }
        if last(&members, "todos").is_some_and(Node::is_array) {
            return Err(PlanError::NoPlans { what: "one plan alone, not a list of plans" });
        }
        for member in members.iter().filter(|member| member.value.is_object()) {
            self.plan(member.value, member.start..member.value.end(), Some(&member.name));
        }
        if self.plans.is_empty() && !members.is_empty() {
            return Err(PlanError::NoPlans { what: "an object without a plan in it" });
        }
        Ok((Shape::Map, node.span(), self.plans.len() < members.len()))
    }

    fn list(&mut self, elements: &[Node<'_>]) -> bool {
        for element in elements {
            self.plan(*element, element.span(), None);
        }
        false
    }

    fn plan(&mut self, node: Node<'_>, entry: Span, key: Option<&str>) {
        let line = self.lines.at(entry.start);
        let mut plan = Plan { line, entry, span: node.span(), ..Plan::default() };
        let Some(members) = node.members() else {
            plan.flaw = Some("it is no object with `id`, `description`, `status` and `todos`".to_owned());
            self.plans.push(plan);
            return;
        };
        plan.id = key.map_or_else(|| word(&members, "id").unwrap_or_default(), str::to_owned);
        if plan.id.trim().is_empty() {
            plan.flaw = Some("it has no `id`".to_owned());
        }
        plan.description = word(&members, "description").unwrap_or_default();
        plan.status = word(&members, "status").unwrap_or_default();
        plan.created = word(&members, "created");
        plan.updated = word(&members, "updated");
        plan.wants = wants(&members);
        if let Some(todos) = last(&members, "todos") {
            if let Some(elements) = todos.elements() {
                plan.todos = Some(todos.span());
                plan.phases = elements.iter().map(|element| self.phase(*element)).collect();
            } else {
                plan.flaw = Some("its `todos` is no list".to_owned());
            }
        }
        self.plans.push(plan);
    }

    fn phase(&self, node: Node<'_>) -> Phase {
        let mut phase = Phase { line: self.lines.at(node.span().start), span: node.span(), ..Phase::default() };
        let Some(members) = node.members() else {
            phase.flaw = Some("it is no object with `text` and `done`".to_owned());
            return phase;
        };
        match last(&members, "text").map(Node::text) {
            Some(Some(text)) => phase.text = text,
            Some(None) => phase.flaw = Some("its `text` is no text, or holds half of a surrogate pair".to_owned()),
            None => phase.flaw = Some("it has no `text`".to_owned()),
        }
        match last(&members, "done").map(Node::raw) {
            Some("true") => phase.done = true,
            Some("false" | "null") | None => {}
            Some(_) => phase.flaw = Some("its `done` is neither true nor false".to_owned()),
        }
        phase.id = word(&members, "id").filter(|id| !id.trim().is_empty());
        phase.wants = wants(&members);
        let ours = last(&members, "strawboss").and_then(Node::members);
        phase.ours = ours.map(|members| Ours {
            status: word(&members, "status").unwrap_or_default(),
            agent: word(&members, "agent").unwrap_or_default(),
            at: word(&members, "at").unwrap_or_default(),
        });
        phase
    }
}

/// A member as a word: a text, a number or true and false as written; none when there is nothing.
fn word(members: &[Member<'_>], name: &str) -> Option<String> {
    let node = last(members, name)?;
    match node.raw() {
        "null" => None,
        raw if raw.starts_with(['{', '[']) => None,
        raw if raw.starts_with('"') => node.text(),
        raw => Some(raw.to_owned()),
    }
}

fn wants(members: &[Member<'_>]) -> Wants {
    let word = |name| word(members, name).filter(|word| !word.trim().is_empty());
    Wants {
        project: word("project"),
        priority: word("priority"),
        agent: word("agent"),
        model: word("model"),
        deadline: word("deadline"),
        gpu: word("gpu"),
    }
}

impl Node<'_> {
    fn end(&self) -> usize {
        self.span().end
    }
}

#[cfg(test)]
mod tests {
    use super::{Book, Shape};

    const SHAPES: [(&str, Shape); 3] = [
        (r#"[{"id":"a","todos":[{"text":"x","done":true}]},{"id":7}]"#, Shape::List),
        (r#"{"version":1,"tasks":[{"id":"a","todos":[{"text":"x","done":true}]},{"id":7}]}"#, Shape::Tasks),
        (r#"{"a":{"todos":[{"text":"x","done":true}]},"version":1,"7":{"id":"other"}}"#, Shape::Map),
    ];

    #[test]
    fn every_shape_gives_the_same_plans() {
        for (text, shape) in SHAPES {
            for bom in ["", "\u{feff}"] {
                let text = format!("{bom}{text}\r\n");
                let book = Book::parse(text.clone().into_bytes()).unwrap();
                assert_eq!((book.shape, book.as_str()), (shape, text.as_str()));
                let ids: Vec<_> = book.plans.iter().map(|plan| plan.id.as_str()).collect();
                assert_eq!((ids.as_slice(), book.plans[0].done(), book.plans[0].next()), (&["a", "7"][..], 1, None), "{text}");
                for plan in &book.plans {
                    let listed = format!("[{}]", book.raw_with_id(plan));
                    assert_eq!(Book::parse(listed.into_bytes()).unwrap().plans[0].id, plan.id);
                    let alone = Book::parse(book.alone(plan).into_bytes()).unwrap();
                    assert_eq!((alone.shape, alone.plans.len(), alone.plans[0].id.as_str()), (shape, 1, plan.id.as_str()));
                }
            }
        }
    }

    #[test]
    fn ten_thousand_phases_are_read() {
        let todos: Vec<_> = (0..10_000).map(|at| format!("{{\"text\": \"PHASE {at}: ü\", \"done\": false}}")).collect();
        let book = Book::parse(format!("[{{\"id\": \"a\", \"todos\": [{}]}}]", todos.join(",\n")).into_bytes()).unwrap();
        assert_eq!((book.plans[0].phases.len(), book.plans[0].phases[9999].line), (10_000, 10_000));
    }
}
