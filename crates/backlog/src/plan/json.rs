//! JSON in which every value knows its place, so that an edit changes the bytes it means and no others.
//!
//! serde_json reads; this keeps where each value stands, and says what stands between them.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use std::ops::Range;

/// Where a value stands in its text, in bytes.
pub(crate) type Span = Range<usize>;

/// A value of a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node<'t> {
    whole: &'t str,
    start: usize,
    end: usize,
}

/// A member of an object.
#[derive(Debug, Clone)]
pub(crate) struct Member<'t> {
    /// Its name.
    pub(crate) name: String,
    /// Where its name begins.
    pub(crate) start: usize,
    /// Its value.
    pub(crate) value: Node<'t>,
}

impl<'t> Node<'t> {
    /// The text's one value. The text is known to be JSON.
    pub(crate) fn of(whole: &'t str) -> Self {
        let blank = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r');
        let start = whole.len() - whole.trim_start_matches(|c| blank(c) || c == '\u{feff}').len();
        Self { whole, start, end: whole.trim_end_matches(blank).len().max(start) }
    }

    /// The value that stands at a place, which is known to be one.
    pub(crate) fn within(whole: &'t str, span: &Span) -> Self {
        Self { whole, start: span.start, end: span.end }
    }

    /// As it is written.
    pub(crate) fn raw(&self) -> &'t str {
        &self.whole[self.start..self.end]
    }

    /// Where it stands.
    pub(crate) fn span(&self) -> Span {
        self.start..self.end
    }

    fn child(&self, raw: &RawValue) -> Self {
        // A borrowed raw value is a part of the text that it was read from.
        let start = raw.get().as_ptr().addr() - self.whole.as_ptr().addr();
        Self { whole: self.whole, start, end: start + raw.get().len() }
    }

    /// Its members in the text's order; none when it is no object.
    pub(crate) fn members(&self) -> Option<Vec<Member<'t>>> {
        let Members(raw) = serde_json::from_str(self.raw()).ok()?;
        let mut before = self.start;
        let mut members = Vec::with_capacity(raw.len());
        for (name, value) in raw {
            let value = self.child(value);
            let start = before + self.whole[before..value.start].find('"').unwrap_or_default();
            before = value.end;
            members.push(Member { name, start, value });
        }
        Some(members)
    }

    /// Its elements; none when it is no array.
    pub(crate) fn elements(&self) -> Option<Vec<Self>> {
        let raw: Vec<&'t RawValue> = serde_json::from_str(self.raw()).ok()?;
        Some(raw.into_iter().map(|value| self.child(value)).collect())
    }

    /// What it says as a text; none when it is none, or one with half a surrogate pair in it.
    pub(crate) fn text(&self) -> Option<String> {
        serde_json::from_str(self.raw()).ok()
    }

    /// Whether it is an object.
    pub(crate) fn is_object(&self) -> bool {
        self.raw().starts_with('{')
    }

    /// Whether it is a list.
    pub(crate) fn is_array(&self) -> bool {
        self.raw().starts_with('[')
    }
}

/// The value of the last member of a name: with one name twice, the last one counts, as for most readers.
pub(crate) fn last<'m, 't>(members: &'m [Member<'t>], name: &str) -> Option<&'m Node<'t>> {
    members.iter().rev().find(|member| member.name == name).map(|member| &member.value)
}

struct Members<'t>(Vec<(String, &'t RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// A text as JSON writes it.
pub(crate) fn quoted(text: &str) -> String {
    // A text can always be written.
    serde_json::to_string(text).unwrap_or_default()
}

/// The line of each place of a text, from 1.
#[derive(Debug, Clone)]
pub(crate) struct Lines(Vec<usize>);

impl Lines {
    pub(crate) fn of(text: &str) -> Self {
        Self(memchr::memchr_iter(b'\n', text.as_bytes()).collect())
    }

    pub(crate) fn at(&self, place: usize) -> u64 {
        self.0.partition_point(|end| *end < place) as u64 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::{Lines, Node, last};

    #[test]
    fn every_value_knows_its_place() {
        let text = " {\"a\" : [1, {\"b\":\"\\\"x\"}], \"ü\":null,\n\"a\": 2 } ";
        let node = Node::of(text);
        let members = node.members().unwrap();
        let names: Vec<_> = members.iter().map(|member| (member.name.as_str(), &text[member.start..member.value.end])).collect();
        assert_eq!(names, [("a", "\"a\" : [1, {\"b\":\"\\\"x\"}]"), ("ü", "\"ü\":null"), ("a", "\"a\": 2")]);
        assert_eq!(last(&members, "a").unwrap().raw(), "2");
        let elements = members[0].value.elements().unwrap();
        assert_eq!(elements[1].members().unwrap()[0].value.text().as_deref(), Some("\"x"));
        assert!(node.elements().is_none() && elements[0].members().is_none());
        assert_eq!(Lines::of(text).at(members[2].start), 2);
    }
}
