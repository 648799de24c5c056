//! What is wrong with a configuration, all of it at once, each with its place, the text itself underlined, and a hint.

use super::yaml::Span;
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use std::fmt::Write as _;
use std::path::PathBuf;

/// Something wrong, or doubtful.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The bytes of the file that it is about.
    pub(crate) span: Option<Span>,
    /// Another place that matters, and why.
    pub(crate) other: Option<(Span, String)>,
    /// Bytes of the file that must not be shown: what looks like a secret.
    pub(crate) secret: Option<Span>,
    /// Where it comes from when not from the file: `STRAWBOSS_LISTEN`, `--listen`.
    pub(crate) origin: Option<String>,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hint: Option<String>,
    /// Whether it can be lived with.
    pub(crate) warning: bool,
}

impl Problem {
    /// About these bytes of the file.
    pub(crate) fn at(span: Span, message: impl Into<String>) -> Self {
        Self { span: Some(span), ..Self::whole(message) }
    }

    /// About the whole.
    pub(crate) fn whole(message: impl Into<String>) -> Self {
        Self { span: None, other: None, secret: None, origin: None, message: message.into(), hint: None, warning: false }
    }

    /// About a variable or a flag.
    pub(crate) fn of(origin: impl Into<String>, message: impl Into<String>) -> Self {
        Self { origin: Some(origin.into()), ..Self::whole(message) }
    }

    /// About these bytes, which must not be shown: reports end up in logs.
    pub(crate) fn of_secret(span: Span, message: impl Into<String>) -> Self {
        Self { secret: Some(span.clone()), ..Self::at(span, message) }
    }

    /// With what to do.
    #[must_use]
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// With what to do, if anything is known.
    #[must_use]
    pub(crate) fn maybe_hint(self, hint: Option<String>) -> Self {
        Self { hint: hint.or(self.hint), ..self }
    }

    /// With another place.
    #[must_use]
    pub(crate) fn also(self, span: Span, why: &str) -> Self {
        Self { other: Some((span, why.to_owned())), ..self }
    }

    /// As something that can be lived with.
    #[must_use]
    pub(crate) fn into_warning(self) -> Self {
        Self { warning: true, ..self }
    }
}

/// All of them, in the order they were found.
pub(crate) type Problems = Vec<Problem>;

/// A file with what is wrong in it. Displays itself as a report for people, without colours.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", self.render(false))]
pub(crate) struct Report {
    /// The file; none: there is no file, only variables and flags.
    pub(crate) path: Option<PathBuf>,
    /// Its text.
    pub(crate) text: String,
    /// What is wrong.
    pub(crate) problems: Problems,
}

impl Report {
    /// The problems that cannot be lived with.
    pub(crate) fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| !problem.warning)
    }

    /// The problems that can.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| problem.warning)
    }

    /// As text: in the file's order, each with its place underlined, and a line that counts them.
    pub(crate) fn render(&self, colour: bool) -> String {
        let path = self.path.as_ref().map(|path| path.display().to_string());
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii);
        let text = self.masked();
        let mut ordered: Vec<&Problem> = self.problems.iter().collect();
        ordered.sort_by_key(|problem| problem.span.as_ref().map_or(0, |span| span.start));
        let mut report = String::new();
        for problem in ordered {
            let level = if problem.warning { Level::WARNING } else { Level::ERROR };
            let title = level.primary_title(&problem.message);
            let mut group = match (&problem.span, &problem.origin, &path) {
                (Some(span), _, _) => {
                    let mut snippet =
                        Snippet::source(text.as_str()).annotation(AnnotationKind::Primary.span(self.one_line(span)));
                    if let Some((other, why)) = &problem.other {
                        snippet = snippet.annotation(AnnotationKind::Context.span(self.one_line(other)).label(why));
                    }
                    title.element(match &path {
                        Some(path) => snippet.path(path),
                        None => snippet,
                    })
                }
                (None, Some(origin), _) => title.element(Origin::path(origin)),
                (None, None, Some(path)) => title.element(Origin::path(path)),
                (None, None, None) => Group::with_title(title),
            };
            if let Some(hint) = &problem.hint {
                group = group.element(Level::HELP.message(hint));
            }
            report.push_str(&renderer.render(&[group]));
            report.push_str("\n\n");
        }
        let errors = self.errors().count();
        if errors > 0 {
            let what = if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") };
            let place = path.as_deref().unwrap_or("the configuration");
            let _ = write!(report, "{what} in {place}; nothing was started");
        }
        report.trim_end().to_owned()
    }

    /// The text with every secret struck out, byte for byte, so that places stay.
    fn masked(&self) -> String {
        let mut bytes = self.text.clone().into_bytes();
        for span in self.problems.iter().filter_map(|problem| problem.secret.clone()) {
            for byte in bytes.get_mut(span).into_iter().flatten() {
                if *byte != b'\n' {
                    *byte = b'*';
                }
            }
        }
        String::from_utf8(bytes).unwrap_or_default()
    }

    /// What is underlined: within one line, one character at least.
    fn one_line(&self, span: &Span) -> Span {
        let text = self.text.get(span.clone()).unwrap_or_default();
        let first = text.split(['\n', '\r']).next().unwrap_or_default().trim_end();
        let end = span.start + first.len();
        if end > span.start {
            return span.start..end;
        }
        let next = self.text.get(span.start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        span.start..span.start + next
    }
}
