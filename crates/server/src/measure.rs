//! What Prometheus sees: requests as they pass, and the engine's own figures at each look.

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use std::sync::Arc;
use std::time::Duration;
use strawboss_core::TaskState;
use strawboss_protocol::api::StatusView;

/// Buckets of request times, in seconds: from a cached list to a merge of a large repository.
const SECONDS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

/// Collects measurements. Cheap to clone.
#[derive(Clone)]
pub struct Measure {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
}

impl Measure {
    /// A fresh collection.
    pub fn new() -> Result<Self, BuildError> {
        let recorder = PrometheusBuilder::new().set_buckets(&SECONDS)?.build_recorder();
        let handle = recorder.handle();
        let measure = Self { recorder: Arc::new(recorder), handle };
        measure.with(describe);
        Ok(measure)
    }

    /// Makes this the collection that `metrics::counter!` and its kin write to, in the whole process. Once.
    pub fn install(&self) -> Result<(), metrics::SetRecorderError<Arc<PrometheusRecorder>>> {
        metrics::set_global_recorder(self.recorder.clone())
    }

    fn with<T>(&self, write: impl FnOnce() -> T) -> T {
        metrics::with_local_recorder(&*self.recorder, write)
    }

    /// A request was answered. `route` is the route's pattern, never what was asked for.
    pub(crate) fn answered(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let route = route.to_owned();
        self.with(|| {
            let labels = [("method", method.to_owned()), ("route", route), ("status", status.to_string())];
            metrics::counter!("strawboss_http_requests_total", &labels).increment(1);
            metrics::histogram!("strawboss_http_request_seconds", &labels[..2]).record(took.as_secs_f64());
        });
    }

    /// Streams (events, terminals) that are open.
    pub(crate) fn streams(&self, open: usize) {
        self.with(|| metrics::gauge!("strawboss_streams").set(open as f64));
    }

    /// Folds what was collected; without it an unread histogram grows.
    pub(crate) fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// Everything, with the engine's figures of this moment.
    pub(crate) fn render(&self, status: &StatusView) -> String {
        self.with(|| {
            metrics::gauge!("strawboss_build_info", "version" => status.version.clone()).set(1.0);
            metrics::gauge!("strawboss_start_time_seconds").set(status.started_at as f64 / 1000.0);
            for state in TaskState::ALL {
                let count = status.tasks.iter().find(|count| count.state == state.word()).map_or(0, |count| count.count);
                metrics::gauge!("strawboss_tasks", "state" => state.word()).set(count as f64);
            }
            metrics::gauge!("strawboss_runs_live").set(f64::from(status.live_runs));
            metrics::gauge!("strawboss_slots").set(f64::from(status.slots));
            metrics::gauge!("strawboss_outbox_waiting").set(f64::from(status.outbox_waiting));
            metrics::gauge!("strawboss_paused").set(f64::from(u8::from(status.paused.is_some())));
            for (name, part) in status.parts() {
                metrics::gauge!("strawboss_part_ok", "part" => name).set(f64::from(u8::from(part.ok)));
            }
            for source in &status.sources {
                let name = source.name.clone();
                metrics::gauge!("strawboss_source_readable", "source" => name.clone()).set(f64::from(u8::from(source.readable)));
                metrics::gauge!("strawboss_source_items", "source" => name.clone()).set(f64::from(source.items));
                metrics::gauge!("strawboss_source_problems", "source" => name).set(source.problems.len() as f64);
            }
        });
        self.handle.render()
    }
}

fn describe() {
    metrics::describe_counter!("strawboss_http_requests_total", "Requests answered, by method, route and status.");
    metrics::describe_histogram!("strawboss_http_request_seconds", metrics::Unit::Seconds, "Time until the answer began.");
    metrics::describe_gauge!("strawboss_streams", "Open event streams and terminals.");
    metrics::describe_gauge!("strawboss_build_info", "1, with the version as a label.");
    metrics::describe_gauge!("strawboss_start_time_seconds", metrics::Unit::Seconds, "When the engine started, since 1970 UTC.");
    metrics::describe_gauge!("strawboss_tasks", "Tasks by state.");
    metrics::describe_gauge!("strawboss_runs_live", "Runs that hold a slot.");
    metrics::describe_gauge!("strawboss_slots", "Runs that there may be at once.");
    metrics::describe_gauge!("strawboss_outbox_waiting", "Write-backs that have not landed.");
    metrics::describe_gauge!("strawboss_paused", "1 when nothing new starts.");
    metrics::describe_gauge!("strawboss_part_ok", "1 when the part answers.");
    metrics::describe_gauge!("strawboss_source_readable", "1 when the last look could read the source.");
    metrics::describe_gauge!("strawboss_source_items", "Rows of the source.");
    metrics::describe_gauge!("strawboss_source_problems", "What is wrong in the source.");
}
