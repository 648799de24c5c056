//! YAML as a tree in which every value knows its bytes, so that an error can point at what a person wrote.
//!
//! It knows syntax only: duplicate keys, unknown anchors and a second document are errors here, meaning is not.

use super::problem::{Problem, Problems};
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span as Mark};
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

/// Bytes of the file.
pub(crate) type Span = Range<usize>;

/// Values in one file, aliases counted as often as they are used: an alias of aliases must not eat the memory.
const NODES_MAX: usize = 100_000;
/// Levels of nesting; a configuration needs five.
const DEPTH_MAX: usize = 64;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// Its bytes.
    pub(crate) span: Span,
    /// What it is.
    pub(crate) value: Value,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Nothing: an empty value, `~` or `null`.
    Null,
    /// A text, number or truth value: YAML's difference between them is the reader's business.
    Scalar(String),
    /// `[…]` or lines with dashes.
    List(Vec<Node>),
    /// Keys with values, in the file's order.
    Map(Vec<(Key, Node)>),
}

impl Value {
    /// What it is, for people.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Scalar(_) => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// A key and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Key {
    /// The key.
    pub(crate) text: String,
    /// Its bytes.
    pub(crate) span: Span,
}

/// What is being built.
enum Open {
    List(Vec<Node>),
    Map(Vec<(Key, Node)>, Option<Key>),
}

struct Builder<'p> {
    stack: Vec<(Open, Span, usize)>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    root: Option<Node>,
    problems: &'p mut Problems,
}

fn bytes(mark: &Mark, text: &str) -> Span {
    let end = text.len();
    let start = mark.start.byte_offset().unwrap_or(0).min(end);
    start..mark.end.byte_offset().unwrap_or(start).clamp(start, end)
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle) -> Value {
    if style == ScalarStyle::Plain && matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL") {
        Value::Null
    } else {
        Value::Scalar(text.into_owned())
    }
}

fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::Null | Value::Scalar(_) => 0,
        Value::List(items) => items.iter().map(size).sum(),
        Value::Map(entries) => entries.iter().map(|(_, node)| size(node)).sum(),
    }
}

impl Builder<'_> {
    /// Puts a finished value where it belongs; false when there are too many.
    fn put(&mut self, node: Node, anchor: usize) -> bool {
        self.nodes += 1;
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some((Open::List(items), ..)) => items.push(node),
            Some((Open::Map(entries, key), ..)) => match key.take() {
                Some(name) => entries.push((name, node)),
                None => {
                    if let Value::Scalar(text) = node.value {
                        if let Some((first, _)) = entries.iter().find(|(first, _)| first.text == text) {
                            let first = first.span.clone();
                            self.problems.push(
                                Problem::at(node.span.clone(), format!("the key `{text}` is here twice"))
                                    .also(first, "first here")
                                    .hint("Keep one of the two."),
                            );
                        }
                        *key = Some(Key { text, span: node.span });
                    } else {
                        self.problems.push(
                            Problem::at(node.span.clone(), "a key must be a text")
                                .hint("Quote it, if it begins with a sign that YAML has a use for."),
                        );
                        *key = Some(Key { text: String::new(), span: node.span });
                    }
                }
            },
        }
        self.nodes <= NODES_MAX
    }

    fn close(&mut self, end: usize) -> bool {
        let Some((open, span, anchor)) = self.stack.pop() else { return true };
        let value = match open {
            Open::List(items) => Value::List(items),
            Open::Map(entries, _) => Value::Map(entries),
        };
        let end = end.max(span.end);
        self.put(Node { span: span.start..end, value }, anchor)
    }
}

/// Reads a file's text. None when it is no YAML or holds nothing at all; problems say which.
pub(crate) fn parse(text: &str, problems: &mut Problems) -> Option<Node> {
    let mut builder = Builder { stack: Vec::new(), anchors: HashMap::new(), nodes: 0, root: None, problems };
    let mut documents = 0;
    for next in Parser::new_from_str(text) {
        let (event, mark) = match next {
            Ok(next) => next,
            Err(error) => {
                let at = error.marker().byte_offset().unwrap_or(0).min(text.len());
                builder.problems.push(Problem::at(at..at, format!("this is not YAML: {}", error.info())));
                return None;
            }
        };
        let span = bytes(&mark, text);
        let room = match event {
            Event::DocumentStart(..) => {
                documents += 1;
                if documents > 1 {
                    builder.problems.push(
                        Problem::at(span, "a second document begins here").hint("Keep one document: remove the line `---`."),
                    );
                    break;
                }
                true
            }
            Event::Scalar(text, style, anchor, _) => builder.put(Node { span, value: scalar(text, style) }, anchor),
            Event::SequenceStart(_, anchor, _) => {
                builder.stack.push((Open::List(Vec::new()), span, anchor));
                true
            }
            Event::MappingStart(_, anchor, _) => {
                builder.stack.push((Open::Map(Vec::new(), None), span, anchor));
                true
            }
            Event::SequenceEnd | Event::MappingEnd => builder.close(span.end),
            Event::Alias(id) => {
                let value = if let Some(node) = builder.anchors.get(&id) {
                    builder.nodes += size(node);
                    node.value.clone()
                } else {
                    builder.problems.push(Problem::at(span.clone(), "this alias stands within what it names"));
                    Value::Null
                };
                builder.put(Node { span, value }, 0)
            }
            _ => true,
        };
        if !room || builder.stack.len() > DEPTH_MAX {
            builder.problems.push(Problem::whole("the file holds far more than a configuration does"));
            return None;
        }
    }
    builder.root
}

#[cfg(test)]
mod tests {
    use super::{Node, Value, parse};
    use crate::config::problem::Problems;

    fn read(text: &str) -> (Option<Node>, Problems) {
        let mut problems = Problems::default();
        let node = parse(text, &mut problems);
        (node, problems)
    }

    #[test]
    fn values_know_where_they_stand() {
        let text = "a: [1, 'two']\nb:\n  c: ~\n";
        let (node, problems) = read(text);
        assert!(problems.is_empty());
        let Some(Node { value: Value::Map(entries), .. }) = node else { panic!("no map") };
        let Value::List(items) = &entries[0].1.value else { panic!("no list") };
        assert_eq!(&text[items[1].span.clone()], "'two'");
        assert_eq!(items[1].value, Value::Scalar("two".to_owned()));
        assert_eq!(&text[entries[1].0.span.clone()], "b");
        let Value::Map(inner) = &entries[1].1.value else { panic!("no map") };
        assert_eq!(inner[0].1.value, Value::Null);
    }

    #[test]
    fn what_is_no_sane_file_is_said_and_bounded() {
        for (text, part) in [
            ("a: 1\na: 2\n", "twice"),
            ("a: [1\n", "not YAML"),
            ("a: *b\n", "not YAML"),
            ("a: 1\n---\nb: 2\n", "second document"),
            ("? [a]\n: 1\n", "must be a text"),
        ] {
            let (_, problems) = read(text);
            assert!(problems.iter().any(|problem| problem.message.contains(part)), "{text}: {problems:?}");
        }
        let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let before = level - 1;
            let six = format!("*a{before}, ").repeat(6);
            laughs.push_str(&["a", &level.to_string(), ": &a", &level.to_string(), " [", &six, "]\n"].concat());
        }
        let (node, problems) = read(&laughs);
        assert!(node.is_none() && problems.iter().any(|problem| problem.message.contains("far more")));
        let (node, problems) = read(&"[".repeat(10_000));
        assert!(node.is_none() && !problems.is_empty());
    }
}
