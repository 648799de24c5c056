//! Edits of a plan file as changes of bytes: what is meant, and not one byte beside it.
//!
//! What is added is written as what stands beside it is: on lines of its own where its neighbours are, with their
//! indentation. Of a plan that changes, `updated` is brought forward.

use super::book::{Book, Ours, Plan, Shape};
use super::error::PlanError;
use super::json::{Node, Span, last, quoted};
use super::time;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Changes to a book, made together.
#[derive(Debug)]
pub struct Edit<'b> {
    book: &'b Book,
    now: Timestamp,
    splices: Vec<(Span, String)>,
    touched: BTreeSet<usize>,
}

impl<'b> Edit<'b> {
    /// None yet.
    pub fn of(book: &'b Book, now: Timestamp) -> Self {
        Self { book, now, splices: Vec::new(), touched: BTreeSet::new() }
    }

    fn sound(&self, plan: usize) -> Result<&'b Plan, PlanError> {
        let found = &self.book.plans[plan];
        match &found.flaw {
            Some(why) => {
                Err(PlanError::Flawed { what: format!("the plan `{}` on line {}", found.id, found.line), why: why.clone() })
            }
            None => Ok(found),
        }
    }

    fn phase(&self, plan: usize, phase: usize) -> Result<Node<'b>, PlanError> {
        let plan = self.sound(plan)?;
        let count = plan.phases.len();
        let found = plan.phases.get(phase).ok_or_else(|| PlanError::NoPhase { id: plan.id.clone(), phase, count })?;
        match &found.flaw {
            Some(why) => Err(PlanError::Flawed {
                what: format!("phase {phase} of `{}` on line {}", plan.id, found.line),
                why: why.clone(),
            }),
            None => Ok(self.node(&found.span)),
        }
    }

    fn node(&self, span: &Span) -> Node<'b> {
        Node::within(&self.book.text, span)
    }

    /// Sets whether a phase is done.
    pub fn set_done(&mut self, plan: usize, phase: usize, done: bool) -> Result<(), PlanError> {
        let node = self.phase(plan, phase)?;
        if self.book.plans[plan].phases[phase].done != done {
            self.set(node, "done", if done { "true" } else { "false" });
            self.touched.insert(plan);
        }
        Ok(())
    }

    /// Sets what Strawboss says of a phase.
    pub fn set_ours(&mut self, plan: usize, phase: usize, ours: &Ours) -> Result<(), PlanError> {
        let node = self.phase(plan, phase)?;
        if self.book.plans[plan].phases[phase].ours.as_ref() != Some(ours) {
            let Ours { status, agent, at } = ours;
            let text = format!("{{\"status\": {}, \"agent\": {}, \"at\": {}}}", quoted(status), quoted(agent), quoted(at));
            self.set(node, "strawboss", &text);
            self.touched.insert(plan);
        }
        Ok(())
    }

    /// Sets where a plan stands.
    pub fn set_status(&mut self, plan: usize, status: &str) -> Result<(), PlanError> {
        let found = self.sound(plan)?;
        if found.status != status {
            self.set(self.node(&found.span), "status", &quoted(status));
            self.touched.insert(plan);
        }
        Ok(())
    }

    /// Adds a phase at a plan's end.
    pub fn add_phase(&mut self, plan: usize, text: &str) -> Result<(), PlanError> {
        let found = self.sound(plan)?;
        self.touched.insert(plan);
        let fields = [("text", quoted(text)), ("done", "false".to_owned())];
        let Some(todos) = &found.todos else {
            let list = Indent::of(self.node(&found.span)).inner().list(&[object(&fields, None)]);
            self.set(self.node(&found.span), "todos", &list);
            return Ok(());
        };
        let children: Vec<Span> = found.phases.iter().map(|phase| phase.span.clone()).collect();
        let sibling = found.phases.last().map(|phase| self.node(&phase.span)).filter(Node::is_object);
        let indent = sibling.map_or_else(|| Indent::of(self.node(&found.span)).inner().inner(), Indent::of);
        self.insert(todos, &children, &object(&fields, Some(&indent)), &indent);
        Ok(())
    }

    /// Takes a phase away; those after it move up by one.
    pub fn delete_phase(&mut self, plan: usize, phase: usize) -> Result<(), PlanError> {
        let found = self.sound(plan)?;
        let count = found.phases.len();
        if phase >= count {
            return Err(PlanError::NoPhase { id: found.id.clone(), phase, count });
        }
        let children: Vec<Span> = found.phases.iter().map(|phase| phase.span.clone()).collect();
        if let Some(todos) = &found.todos {
            self.remove(todos, &children, phase);
        }
        self.touched.insert(plan);
        Ok(())
    }

    /// Takes a whole plan away.
    pub fn delete_plan(&mut self, plan: usize) -> Result<(), PlanError> {
        self.sound(plan)?;
        // In an object that holds other things than plans, those are its neighbours.
        let node = self.node(&self.book.container);
        let children: Vec<Span> = match node.members().filter(|_| self.book.shape == Shape::Map) {
            Some(members) => members.iter().map(|member| member.start..member.value.span().end).collect(),
            None => self.book.plans.iter().map(|plan| plan.entry.clone()).collect(),
        };
        let entry = &self.book.plans[plan].entry;
        if let Some(at) = children.iter().position(|child| child == entry) {
            self.remove(&self.book.container, &children, at);
        }
        Ok(())
    }

    /// Puts plans in, each as it is written; in the place of the one of the same name, where there is one.
    pub fn put_plans(&mut self, plans: &[(String, String)]) -> Result<(), PlanError> {
        let mut fresh = Vec::new();
        for (id, raw) in plans {
            match self.book.plans.iter().position(|plan| plan.id == *id) {
                Some(at) => {
                    let plan = self.sound(at)?;
                    self.splices.push((plan.span.clone(), raw.clone()));
                }
                None if self.book.shape == Shape::Map => fresh.push(format!("{}: {raw}", quoted(id))),
                None => fresh.push(raw.clone()),
            }
        }
        if fresh.is_empty() {
            return Ok(());
        }
        let node = self.node(&self.book.container);
        let children: Vec<Span> = match node.members().filter(|_| self.book.shape == Shape::Map) {
            Some(members) => members.iter().map(|member| member.start..member.value.span().end).collect(),
            None => self.book.plans.iter().map(|plan| plan.entry.clone()).collect(),
        };
        let indent = Indent::of(Node::of(&self.book.text)).child(self.book, node);
        self.insert(&self.book.container, &children, &fresh.join(&self.between(&children, &indent)), &indent);
        Ok(())
    }

    /// A new plan as it is written here.
    pub fn new_plan(&self, id: &str, description: &str, phases: &[(String, bool)], more: &[(&str, String)]) -> String {
        let like = self.book.plans.iter().rev().find_map(|plan| plan.created.as_deref());
        let now = like.and_then(|like| time::written_like(like, self.now)).unwrap_or_else(|| time::here(self.now));
        let sibling = self.book.plans.last().map(|plan| self.node(&plan.span)).filter(Node::is_object);
        let own = Indent::of(Node::of(&self.book.text)).child(self.book, self.node(&self.book.container));
        let indent = sibling.map_or(own, Indent::of);
        let inner = indent.inner();
        let phase =
            |(text, done): &(String, bool)| object(&[("text", quoted(text)), ("done", done.to_string())], Some(&inner.inner()));
        let phases: Vec<String> = phases.iter().map(phase).collect();
        let mut fields = vec![
            ("id", quoted(id)),
            ("description", quoted(description)),
            ("status", quoted("in_progress")),
            ("created", quoted(&now)),
        ];
        fields.push(("updated", quoted(&now)));
        fields.extend(more.iter().map(|(name, value)| (*name, quoted(value))));
        fields.push(("todos", inner.list(&phases)));
        object(&fields, Some(&indent))
    }

    /// Whether anything would change.
    pub fn is_empty(&self) -> bool {
        self.splices.is_empty()
    }

    /// The file as it shall be.
    pub fn finish(mut self) -> String {
        for plan in std::mem::take(&mut self.touched) {
            let found = &self.book.plans[plan];
            if let Some(updated) = found.updated.as_deref().and_then(|old| time::brought_forward(old, self.now)) {
                self.set(self.node(&found.span), "updated", &quoted(&updated));
            }
        }
        // What is put in at one place stays in the order asked.
        self.splices.sort_by_key(|(span, _)| (span.start, span.end));
        let old = &self.book.text;
        let mut new = String::with_capacity(old.len() + 64 * self.splices.len());
        let mut copied = 0;
        for (span, text) in &self.splices {
            new.push_str(&old[copied..span.start]);
            new.push_str(text);
            copied = span.end;
        }
        new.push_str(&old[copied..]);
        new
    }

    /// Sets a member of an object.
    fn set(&mut self, object: Node<'b>, name: &str, value: &str) {
        let Some(members) = object.members() else { return };
        if let Some(old) = last(&members, name) {
            if old.raw() != value {
                self.splices.push((old.span(), value.to_owned()));
            }
            return;
        }
        let text = &self.book.text;
        let (place, before, colon) = match members.as_slice() {
            [] => (object.span().start + 1, String::new(), ": "),
            [.., one] => {
                let begin = object.span().start + 1;
                let previous = members.len().checked_sub(2).map(|at| members[at].value.span().end);
                let gap = previous.map_or_else(|| format!(",{}", &text[begin..one.start]), |end| text[end..one.start].to_owned());
                let named = &text[one.start..one.value.span().start];
                (one.value.span().end, gap, if named.ends_with(':') { ":" } else { ": " })
            }
        };
        self.splices.push((place..place, format!("{before}{}{colon}{value}", quoted(name))));
    }

    /// What stands between two elements.
    fn between(&self, children: &[Span], indent: &Indent) -> String {
        let text = &self.book.text;
        match children {
            [.., before, after] => text[before.end..after.start].to_owned(),
            _ => format!(",{}", indent.gap()),
        }
    }

    /// Puts an element at the end of a list or object.
    fn insert(&mut self, container: &Span, children: &[Span], element: &str, indent: &Indent) {
        match children {
            [] => {
                let text = format!("{}{element}{}", indent.gap(), indent.outer_gap());
                self.splices.push((container.start + 1..container.end - 1, text));
            }
            [only] => {
                let before = &self.book.text[container.start + 1..only.start];
                self.splices.push((only.end..only.end, format!(",{before}{element}")));
            }
            [.., last] => {
                let between = self.between(children, indent);
                self.splices.push((last.end..last.end, format!("{between}{element}")));
            }
        }
    }

    fn remove(&mut self, container: &Span, children: &[Span], at: usize) {
        let span = match (at.checked_sub(1), children.get(at + 1)) {
            (Some(before), _) => children[before].end..children[at].end,
            (None, Some(after)) => children[at].start..after.start,
            (None, None) => container.start + 1..container.end - 1,
        };
        self.splices.push((span, String::new()));
    }
}

/// How deep something stands, and whether its parts stand on lines of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Indent {
    /// The line end, where parts have lines of their own.
    line_end: Option<&'static str>,
    /// What stands before the object's own brackets.
    own: String,
    /// One level.
    unit: String,
}

impl Indent {
    /// As an object or a list is written.
    fn of(node: Node<'_>) -> Self {
        let flat = Self { line_end: None, own: String::new(), unit: String::new() };
        let raw = node.raw();
        let inner = raw.get(1..).unwrap_or_default();
        let blank = |text: &str| text.len() - text.trim_start_matches([' ', '\t', '\r', '\n']).len();
        let first = &inner[..blank(inner)];
        let before_end = raw[..raw.len().saturating_sub(1)].trim_end_matches([' ', '\t']);
        let (Some(at), true) = (first.rfind('\n'), before_end.ends_with('\n')) else { return flat };
        let deep = &first[at + 1..];
        let own = &raw[before_end.len()..raw.len() - 1];
        let unit = deep.strip_prefix(own).unwrap_or("  ");
        let line_end = if first[..at].ends_with('\r') { "\r\n" } else { "\n" };
        Self { line_end: Some(line_end), own: own.to_owned(), unit: unit.to_owned() }
    }

    /// One level deeper.
    fn inner(&self) -> Self {
        Self { own: format!("{}{}", self.own, self.unit), ..self.clone() }
    }

    /// How an element of the container shall be indented; an empty list says nothing, and is opened.
    fn child(self, book: &Book, container: Node<'_>) -> Self {
        if !book.plans.is_empty() || book.others {
            let container = Self::of(container);
            return if container.line_end.is_some() { container.inner() } else { container };
        }
        let depth = if book.shape == Shape::Tasks { 2 } else { 1 };
        let unit = if self.unit.is_empty() { "  ".to_owned() } else { self.unit };
        Self { line_end: Some(self.line_end.unwrap_or("\n")), own: unit.repeat(depth), unit }
    }

    /// What stands before an element of this depth.
    fn gap(&self) -> String {
        self.line_end.map_or_else(String::new, |end| format!("{end}{}", self.own))
    }

    /// What stands after the last one, before the bracket.
    fn outer_gap(&self) -> String {
        let own = self.own.strip_suffix(&self.unit).unwrap_or_default();
        self.line_end.map_or_else(String::new, |end| format!("{end}{own}"))
    }

    /// A list that stands as a member of an object of the depth above.
    fn list(&self, elements: &[String]) -> String {
        if elements.is_empty() {
            return "[]".to_owned();
        }
        let inner = self.inner();
        let between = if self.line_end.is_some() { format!(",{}", inner.gap()) } else { ", ".to_owned() };
        format!("[{}{}{}]", inner.gap(), elements.join(&between), self.gap())
    }
}

/// An object, on lines of its own or on one.
fn object(fields: &[(&str, String)], indent: Option<&Indent>) -> String {
    let indent = indent.filter(|indent| indent.line_end.is_some());
    let mut text = String::from("{");
    for (at, (name, value)) in fields.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        match indent {
            Some(indent) => text.push_str(&indent.inner().gap()),
            None if at > 0 => text.push(' '),
            None => {}
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "{}: {value}", quoted(name));
    }
    if let Some(indent) = indent {
        text.push_str(&indent.gap());
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::super::book::{Book, Ours};
    use super::{Edit, Timestamp};

    const PRETTY: &str = r#"[
  {
    "id": "a",
    "status": "in_progress",
    "updated": "2025-08-17T12:00:00+08:00",
    "x": {"n": 1.50e3, "u": "\u00e9"},
    "todos": [
      {
        "text": "one",
        "done": false
      },
      {"text":"two","done":true}
    ]
  }
]
"#;

    fn book(text: &str) -> Book {
        Book::parse(text.as_bytes().to_vec()).unwrap()
    }

    fn now() -> Timestamp {
        "2026-01-15T10:00:00Z".parse().unwrap()
    }

    fn changed(text: &str, change: impl FnOnce(&mut Edit<'_>)) -> String {
        let book = book(text);
        let mut edit = Edit::of(&book, now());
        change(&mut edit);
        edit.finish()
    }

    #[test]
    fn only_what_is_meant_changes() {
        let new = changed(PRETTY, |edit| edit.set_done(0, 0, true).unwrap());
        let expected = PRETTY.replace("\"done\": false", "\"done\": true").replace("2025-08-17T12", "2026-01-15T18");
        assert_eq!(new, expected);
        assert_eq!(changed(PRETTY, |edit| edit.set_done(0, 1, true).unwrap()), PRETTY, "it was done: nothing moves");
        let flat = "{\"a\":{\"todos\":[{\"text\":\"x\"}]}}";
        assert_eq!(
            changed(flat, |edit| edit.set_done(0, 0, true).unwrap()),
            "{\"a\":{\"todos\":[{\"text\":\"x\",\"done\":true}]}}"
        );
    }

    #[test]
    fn what_is_ours_is_written_beside_what_is_theirs() {
        let ours = Ours { status: "In Progress".to_owned(), agent: "claude \"x\"".to_owned(), at: "t".to_owned() };
        let new = changed(PRETTY, |edit| edit.set_ours(0, 0, &ours).unwrap());
        let written = "\"strawboss\": {\"status\": \"In Progress\", \"agent\": \"claude \\\"x\\\"\", \"at\": \"t\"}";
        assert!(new.contains(&format!("\"done\": false,\n        {written}\n")), "{new}");
        assert_eq!(book(&new).plans[0].phases[0].ours.as_ref(), Some(&ours));
        let both = changed(PRETTY, |edit| {
            edit.set_done(0, 0, true).unwrap();
            edit.set_ours(0, 0, &ours).unwrap();
            edit.set_ours(0, 1, &ours).unwrap();
        });
        let read = book(&both);
        assert!(read.plans[0].phases.iter().all(|phase| phase.done && phase.ours.as_ref() == Some(&ours)), "{both}");
    }

    #[test]
    fn phases_come_and_go() {
        let more = changed(PRETTY, |edit| edit.add_phase(0, "drei: ü\n\"x\"").unwrap());
        let read = book(&more);
        assert_eq!(
            read.plans[0].phases.iter().map(|phase| phase.text.as_str()).collect::<Vec<_>>(),
            ["one", "two", "drei: ü\n\"x\""]
        );
        for (at, left) in [(0, "two"), (1, "one")] {
            let less = changed(PRETTY, |edit| edit.delete_phase(0, at).unwrap());
            assert_eq!(book(&less).plans[0].phases.iter().map(|phase| phase.text.as_str()).collect::<Vec<_>>(), [left]);
            let none = changed(&less, |edit| edit.delete_phase(0, 0).unwrap());
            assert!(none.contains("\"todos\": []"), "{none}");
            let again = changed(&none, |edit| edit.add_phase(0, "new").unwrap());
            let expected = "\"todos\": [\n      {\n        \"text\": \"new\",\n        \"done\": false\n      }\n    ]";
            assert!(again.contains(expected), "{again}");
        }
        let without = "[{\"id\": \"a\"}]";
        assert_eq!(
            changed(without, |edit| edit.add_phase(0, "x").unwrap()),
            "[{\"id\": \"a\",\"todos\": [{\"text\": \"x\", \"done\": false}]}]"
        );
    }

    #[test]
    fn plans_come_and_go_in_every_shape() {
        for text in
            ["[]\n", "{\"tasks\": [], \"version\": 2}", "{}", PRETTY, "{\n\t\"a\": {\n\t\t\"todos\": []\n\t},\n\t\"v\": 1\n}"]
        {
            let old = book(text);
            let edit = Edit::of(&old, now());
            let raw = edit.new_plan("n", "New", &[("p".to_owned(), true)], &[("notes", "x".to_owned())]);
            let flat = "{\"id\":\"m\"}".to_owned();
            let new = changed(text, |edit| edit.put_plans(&[("n".to_owned(), raw), ("m".to_owned(), flat)]).unwrap());
            let read = book(&new);
            let count = old.plans.len();
            assert_eq!(read.shape, old.shape);
            assert_eq!(
                (read.plans.len(), read.plans[count].id.as_str(), read.plans[count + 1].id.as_str()),
                (count + 2, "n", "m"),
                "{new}"
            );
            assert!(read.plans[count].phases[0].done);
            if text == PRETTY {
                assert!(new.starts_with(&PRETTY[..PRETTY.len() - 3]), "{new}");
                assert!(new.contains("\"created\": \"2026-01-15T"), "{new}");
            }
            let less = changed(&new, |edit| edit.delete_plan(count).unwrap());
            let less = changed(&less, |edit| edit.delete_plan(count).unwrap());
            assert_eq!(book(&less).plans.len(), count, "{less}");
            if count > 0 {
                assert_eq!(less, text);
            }
        }
    }

    #[test]
    fn what_is_flawed_is_left_alone() {
        for text in [
            "[{\"id\":\"a\",\"todos\":[]},{\"id\":\"a\",\"todos\":[]}]",
            "[{\"todos\":[]}]",
            "[1]",
            "[{\"id\":\"a\",\"todos\":{}}]",
            "[{\"id\":\"a\",\"todos\":[{\"text\":\"\\ud800\"}]}]",
            "[{\"id\":\"a\",\"todos\":[{\"text\":\"x\",\"done\":\"no\"}]}]",
        ] {
            let book = book(text);
            let mut edit = Edit::of(&book, now());
            assert!(edit.set_done(0, 0, true).is_err(), "{text}");
            assert_eq!(edit.finish(), text);
        }
    }
}
