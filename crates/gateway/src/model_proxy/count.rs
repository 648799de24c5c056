//! What models used, counted for whoever watches: by provider and model, within a bound.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, PoisonError};
use strawboss_core::run::Usage;

/// How many models are told apart in all. A provider names the model that answered, and sandboxes choose what to ask for.
const MOST_MODELS: usize = 50;
/// The longest name that is told apart, in bytes.
const LONGEST: usize = 64;
/// What all others are counted as.
const OTHER: &str = "other";

static KNOWN: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

/// The model as a label: itself while there is room, else [`OTHER`].
fn label(model: Option<&str>, known: &mut HashSet<String>) -> String {
    let Some(model) = model else { return OTHER.to_owned() };
    let plain = model.len() <= LONGEST && model.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'));
    if !plain {
        return OTHER.to_owned();
    }
    if known.contains(model) || (known.len() < MOST_MODELS && known.insert(model.to_owned())) {
        return model.to_owned();
    }
    OTHER.to_owned()
}

/// A request ended. `status` is the provider's; none: it did not answer.
pub(super) fn request(provider: &str, status: Option<u16>, model: Option<&str>, usage: &Usage) {
    let class = match status {
        None => "none",
        Some(429) => "429",
        Some(200..=299) => "2xx",
        Some(400..=499) => "4xx",
        Some(500..=599) => "5xx",
        Some(_) => "other",
    };
    metrics::counter!("strawboss_model_requests_total", "provider" => provider.to_owned(), "status" => class).increment(1);
    if *usage == (Usage { requests: usage.requests, ..Usage::default() }) {
        return;
    }
    // Each change is one insert: a panic leaves nothing half-done.
    let model = label(model, &mut KNOWN.lock().unwrap_or_else(PoisonError::into_inner));
    let of = |kind: &'static str| [("provider", provider.to_owned()), ("model", model.clone()), ("kind", kind.to_owned())];
    for (kind, tokens) in [
        ("input", usage.input_tokens),
        ("output", usage.output_tokens),
        ("cache_read", usage.cache_read_tokens),
        ("cache_write", usage.cache_write_tokens),
    ] {
        if tokens > 0 {
            metrics::counter!("strawboss_tokens_total", &of(kind)).increment(tokens);
        }
    }
    let labels = [("provider", provider.to_owned()), ("model", model.clone())];
    metrics::counter!("strawboss_cost_microusd_total", &labels).increment(usage.cost_microusd);
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, MOST_MODELS, label, request};
    use metrics_exporter_prometheus::PrometheusBuilder;
    use std::collections::HashSet;
    use strawboss_core::run::Usage;

    #[test]
    fn an_answer_is_counted_by_provider_and_model_and_a_failure_without_tokens() {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            let usage = Usage { requests: 1, input_tokens: 7, output_tokens: 3, cost_microusd: 66, ..Usage::default() };
            request("anthropic", Some(200), Some("claude-counted"), &usage);
            request("anthropic", Some(429), None, &Usage { requests: 1, ..Usage::default() });
            request("local", None, None, &Usage::default());
        });
        let text = recorder.handle().render();
        for line in [
            r#"strawboss_model_requests_total{provider="anthropic",status="2xx"} 1"#,
            r#"strawboss_model_requests_total{provider="anthropic",status="429"} 1"#,
            r#"strawboss_model_requests_total{provider="local",status="none"} 1"#,
            r#"strawboss_tokens_total{provider="anthropic",model="claude-counted",kind="input"} 7"#,
            r#"strawboss_tokens_total{provider="anthropic",model="claude-counted",kind="output"} 3"#,
            r#"strawboss_cost_microusd_total{provider="anthropic",model="claude-counted"} 66"#,
        ] {
            assert!(text.lines().any(|written| written == line), "{line}\n{text}");
        }
        assert!(!text.contains("other"), "{text}");
    }

    #[test]
    fn strange_and_too_many_models_are_counted_together() {
        let mut known = HashSet::new();
        for number in 0..MOST_MODELS {
            let model = format!("model-{number}");
            assert_eq!(label(Some(&model), &mut known), model);
        }
        assert_eq!(label(Some("one-too-many"), &mut known), "other");
        assert_eq!(label(Some("model-7"), &mut known), "model-7");
        for strange in [None, Some("a b"), Some("x\"y"), Some(&*"x".repeat(LONGEST + 1))] {
            assert_eq!(label(strange, &mut HashSet::new()), "other", "{strange:?}");
        }
    }
}
