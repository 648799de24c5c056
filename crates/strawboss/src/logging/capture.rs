//! Keeps what is logged: the newest lines in memory for `strawboss logs`, and all of them in files where that is wanted.

use super::files::Files;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use strawboss_core::SandboxId;
use strawboss_protocol::api::LogLine;
use strawboss_server::LogRing;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// The longest value of a field, and the longest message, in bytes.
const LONGEST: usize = 8 * 1024;
/// Where a line's run is found.
const RUN: &str = "run.id";
const SANDBOX: &str = "sandbox.id";

/// See the module. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Capture {
    pub(crate) ring: LogRing,
    files: Arc<OnceLock<Mutex<Files>>>,
}

impl Capture {
    /// Writes lines to these files from now on, with those that are in memory already.
    pub(crate) fn write_to(&self, mut files: Files, after: u64) {
        let filter = strawboss_server::LogFilter { after, ..strawboss_server::LogFilter::default() };
        for line in self.ring.lines(&filter, usize::MAX).0 {
            files.write(&line);
        }
        // The wiring calls this once.
        let _ = self.files.set(Mutex::new(files));
    }
}

/// A span's fields, kept with it.
struct Fields(BTreeMap<String, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        let end = value.floor_char_boundary(LONGEST.min(value.len()));
        self.0.insert(field.name().to_owned(), value[..end].to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// The run that a line is about: by its id, or by its sandbox's.
fn run_of(fields: &BTreeMap<String, String>) -> Option<String> {
    let by_sandbox = || Some(SandboxId::parse(fields.get(SANDBOX)?).ok()?.run().to_string());
    fields.get(RUN).cloned().or_else(by_sandbox)
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Capture {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields(BTreeMap::new());
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = BTreeMap::new();
        for span in context.event_scope(event).into_iter().flat_map(tracing_subscriber::registry::Scope::from_root) {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                fields.extend(of_span.0.clone());
            }
        }
        let mut of_event = Fields(BTreeMap::new());
        event.record(&mut of_event);
        let message = of_event.0.remove("message").unwrap_or_default();
        fields.extend(of_event.0);
        let line = LogLine {
            seq: 0,
            at: now(),
            level: event.metadata().level().as_str().to_ascii_lowercase(),
            target: event.metadata().target().to_owned(),
            message,
            run: run_of(&fields),
            fields,
        };
        if let Some(files) = self.files.get() {
            files.lock().unwrap_or_else(PoisonError::into_inner).write(&line);
        }
        self.ring.push(line);
    }
}

#[cfg(test)]
mod tests {
    use super::Capture;
    use strawboss_server::LogFilter;
    use tracing_subscriber::layer::SubscriberExt as _;

    #[test]
    fn a_line_has_its_own_fields_and_those_of_its_spans_and_is_found_by_its_run() {
        let capture = Capture::default();
        let subscriber = tracing_subscriber::registry().with(capture.clone());
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("request", request.id = "r-1", caller = tracing::field::Empty);
            span.record("caller", "admin");
            span.in_scope(|| {
                tracing::warn!(run.id = %"x-1.1", count = 7, "it \"said\" so");
                tracing::info!(sandbox.id = %"x-1.2-agent1", "of a sandbox");
                tracing::info!("of nobody");
            });
        });
        let (lines, _) = capture.ring.lines(&LogFilter::default(), 10);
        let field = |index: usize, name: &str| lines[index].fields.get(name).map(String::as_str);
        assert_eq!((lines[0].message.as_str(), lines[0].level.as_str()), ("it \"said\" so", "warn"));
        assert_eq!((field(0, "request.id"), field(0, "caller"), field(0, "count")), (Some("r-1"), Some("admin"), Some("7")));
        let runs: Vec<Option<&str>> = lines.iter().map(|line| line.run.as_deref()).collect();
        assert_eq!(runs, [Some("x-1.1"), Some("x-1.2"), None]);
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        let capture = Capture::default();
        let subscriber = tracing_subscriber::registry().with(capture.clone());
        tracing::subscriber::with_default(subscriber, || tracing::info!(text = "ä".repeat(100_000), "long"));
        let (lines, _) = capture.ring.lines(&LogFilter::default(), 10);
        assert_eq!(lines[0].fields["text"].len(), super::LONGEST);
    }
}
