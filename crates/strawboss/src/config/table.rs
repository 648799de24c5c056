//! Reading keys of a mapping: each is asked for by name, what was not asked for is an error in the end.

use super::problem::{Problem, Problems};
use super::suggest;
use super::units;
use super::yaml::{Key, Node, Span, Value};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A value with the bytes it was read from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

/// A mapping that is being read.
pub(crate) struct Table<'n> {
    /// Its path for people: `projects.Antenna`; empty for the whole file.
    path: String,
    entries: &'n [(Key, Node)],
    known: Vec<&'static str>,
    /// Where it stands.
    pub(crate) span: Span,
}

/// A value that is being read, and its path for people.
#[derive(Clone)]
pub(crate) struct Field<'n> {
    pub(crate) node: &'n Node,
    pub(crate) path: String,
}

impl<'n> Table<'n> {
    /// The keys of a value; an error when it is no mapping. Nothing at all is a mapping without keys.
    pub(crate) fn of(field: &Field<'n>, problems: &mut Problems) -> Option<Self> {
        let entries = match &field.node.value {
            Value::Map(entries) => entries.as_slice(),
            Value::Null => &[],
            other => {
                let what = if field.path.is_empty() { "the file" } else { field.path.as_str() };
                problems.push(Problem::at(
                    field.node.span.clone(),
                    format!("{what} must be a mapping of keys, not {}", other.kind()),
                ));
                return None;
            }
        };
        Some(Self { path: field.path.clone(), entries, known: Vec::new(), span: field.node.span.clone() })
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The value of a key; none when it is missing or empty.
    pub(crate) fn get(&mut self, key: &'static str) -> Option<Field<'n>> {
        self.known.push(key);
        let (_, node) = self.entries.iter().rev().find(|(name, _)| name.text == key)?;
        (node.value != Value::Null).then(|| Field { node, path: self.path_of(key) })
    }

    /// The value of a key, read.
    pub(crate) fn read<T>(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
        read: impl FnOnce(&Field<'n>, &mut Problems) -> Option<T>,
    ) -> Option<T> {
        let field = self.get(key)?;
        read(&field, problems)
    }

    /// The value of a key as a mapping of its own.
    pub(crate) fn table(&mut self, key: &'static str, problems: &mut Problems) -> Option<Self> {
        let field = self.get(key)?;
        Table::of(&field, problems)
    }

    /// Every key with its value: for mappings whose keys are a person's names.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'n Key, Field<'n>)> + use<'n> {
        let path = self.path.clone();
        self.entries.iter().map(move |(key, node)| {
            let path = if path.is_empty() { key.text.clone() } else { format!("{path}.{}", key.text) };
            (key, Field { node, path })
        })
    }

    /// Whether a key is there, even without a value.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(name, _)| name.text == key)
    }

    /// Reports every key that nobody asked for.
    pub(crate) fn finish(self, problems: &mut Problems) {
        for (key, _) in self.entries.iter().filter(|(key, _)| !self.known.contains(&key.text.as_str())) {
            let place = if self.path.is_empty() { String::new() } else { format!(" in {}", self.path) };
            problems.push(
                Problem::at(key.span.clone(), format!("unknown key `{}`{place}", key.text))
                    .hint(suggest::hint(&key.text, &self.known)),
            );
        }
    }
}

impl<'n> Field<'n> {
    /// Says what is wrong with it.
    pub(crate) fn wrong(&self, why: impl std::fmt::Display) -> Problem {
        Problem::at(self.node.span.clone(), format!("{} {why}", self.path))
    }

    fn scalar(&self, wanted: &str, problems: &mut Problems) -> Option<&'n str> {
        if let Value::Scalar(text) = &self.node.value {
            Some(text)
        } else {
            problems.push(self.wrong(format_args!("must be {wanted}, not {}", self.node.value.kind())));
            None
        }
    }

    fn parsed<T>(&self, wanted: &str, hint: &str, problems: &mut Problems, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.scalar(wanted, problems)?;
        let value = parse(text);
        if value.is_none() {
            problems.push(self.wrong(format_args!("must be {wanted}, not `{text}`")).hint(hint));
        }
        value
    }

    /// A text that is not empty.
    pub(crate) fn text(&self, problems: &mut Problems) -> Option<String> {
        let text = self.scalar("a text", problems)?.to_owned();
        if text.trim().is_empty() || text.contains('\0') {
            problems.push(self.wrong("must not be empty"));
            return None;
        }
        Some(text)
    }

    /// A text with its place.
    pub(crate) fn text_at(&self, problems: &mut Problems) -> Option<At<String>> {
        let value = self.text(problems)?;
        Some(At { value, span: self.node.span.clone() })
    }

    /// A whole number within bounds.
    pub(crate) fn integer(&self, least: u32, most: u32, problems: &mut Problems) -> Option<u32> {
        let wanted = format!("a whole number from {least} to {most}");
        self.parsed(&wanted, "Write digits only.", problems, |text| {
            text.parse().ok().filter(|number| (least..=most).contains(number))
        })
    }

    /// A number within bounds.
    pub(crate) fn number(&self, least: f64, most: f64, problems: &mut Problems) -> Option<f64> {
        let wanted = format!("a number from {least} to {most}");
        self.parsed(&wanted, "Write it like `2` or `0.5`.", problems, |text| {
            text.parse().ok().filter(|number: &f64| number.is_finite() && (least..=most).contains(number))
        })
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self, problems: &mut Problems) -> Option<bool> {
        self.parsed("`true` or `false`", "YAML's older words for them (yes, on, …) are texts.", problems, |text| match text {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        })
    }

    /// A size in bytes of at least `least`.
    pub(crate) fn size(&self, least: u64, problems: &mut Problems) -> Option<u64> {
        let bytes = self.parsed("a size", "Write it like `512m` or `4g`.", problems, units::size)?;
        if bytes < least {
            problems.push(self.wrong(format_args!("must be at least {}m", least >> 20)));
            return None;
        }
        Some(bytes)
    }

    /// A duration from `least` to `most`.
    pub(crate) fn duration(&self, least: Duration, most: Duration, problems: &mut Problems) -> Option<Duration> {
        let duration = self.parsed("a duration", "Write it like `90s`, `30m`, `2h` or `1h30m`.", problems, units::duration)?;
        self.in_bounds(duration, least, most, problems)
    }

    /// A duration, where a bare number means seconds.
    pub(crate) fn seconds(&self, least: Duration, most: Duration, problems: &mut Problems) -> Option<Duration> {
        let duration = self.parsed("a number of seconds or a duration", "Write it like `10` or `2m`.", problems, |text| {
            text.parse().ok().map(Duration::from_secs).or_else(|| units::duration(text))
        })?;
        self.in_bounds(duration, least, most, problems)
    }

    fn in_bounds(&self, duration: Duration, least: Duration, most: Duration, problems: &mut Problems) -> Option<Duration> {
        if (least..=most).contains(&duration) {
            return Some(duration);
        }
        let bounds = format!("must be from {} to {} seconds", least.as_secs(), most.as_secs());
        problems.push(self.wrong(bounds));
        None
    }

    /// One of some words.
    pub(crate) fn choice<T: Copy>(&self, words: &[(&str, T)], problems: &mut Problems) -> Option<T> {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let wanted = format!("one of {}", known.join(", "));
        let text = self.scalar(&wanted, problems)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let hint = suggest::nearest(text, known.iter().copied()).map(|word| format!("Did you mean `{word}`?"));
            problems.push(self.wrong(format_args!("must be {wanted}, not `{text}`")).maybe_hint(hint));
        }
        found
    }

    /// A path: `~` is the home folder, and a relative one is relative to the configuration's folder.
    pub(crate) fn path(&self, folder: &Path, problems: &mut Problems) -> Option<PathBuf> {
        let text = self.text(problems)?;
        match expand(&text, folder) {
            Ok(path) => Some(path),
            Err(why) => {
                problems.push(self.wrong(why));
                None
            }
        }
    }

    /// The items of a list. A single value is no list.
    pub(crate) fn items(&self, of: &str, problems: &mut Problems) -> Option<Vec<Field<'n>>> {
        match &self.node.value {
            Value::List(items) => {
                Some(items.iter().enumerate().map(|(at, node)| Field { node, path: format!("{}[{at}]", self.path) }).collect())
            }
            Value::Scalar(text) => {
                let problem = self.wrong(format_args!("must be a list of {of}, not a single value"));
                problems.push(problem.hint(format!("Write `[{}]`.", quoted(text))));
                None
            }
            other => {
                problems.push(self.wrong(format_args!("must be a list of {of}, not {}", other.kind())));
                None
            }
        }
    }

    /// A list of texts, each with its place.
    pub(crate) fn texts(&self, of: &str, problems: &mut Problems) -> Option<Vec<At<String>>> {
        let items = self.items(of, problems)?;
        Some(items.iter().filter_map(|item| item.text_at(problems)).collect())
    }
}

fn quoted(text: &str) -> String {
    if text.contains([',', ':', '#', '"', '\'', '[', ']', '{', '}', ' ']) { format!("{text:?}") } else { text.to_owned() }
}

/// A path as a person writes it, made absolute.
pub(crate) fn expand(text: &str, folder: &Path) -> Result<PathBuf, String> {
    let path = match text.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => match std::env::home_dir() {
            Some(home) => home.join(rest.trim_start_matches('/')),
            None => return Err("uses `~`, but there is no home folder (HOME is not set)".to_owned()),
        },
        Some(_) => return Err(format!("uses `{text}`: other people's home folders are not looked up; write the whole path")),
        None => folder.join(text),
    };
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            part => plain.push(part),
        }
    }
    Ok(plain)
}
