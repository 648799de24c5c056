//! What Prometheus sees: requests as they pass, and the engine's own figures at each look.

pub mod names;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use names::{Kind, METRICS};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use strawboss_core::TaskState;
use strawboss_engine::Figures;
use strawboss_protocol::api::StatusView;

/// Collects measurements. Cheap to clone.
#[derive(Clone)]
pub struct Measure {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
    sent: metrics::Counter,
}

impl Measure {
    /// A fresh collection.
    pub fn new() -> Result<Self, BuildError> {
        let mut builder = PrometheusBuilder::new();
        for metric in METRICS.iter().filter(|metric| metric.kind == Kind::Histogram) {
            builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), metric.buckets)?;
        }
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        let recorder = Arc::new(recorder);
        let sent = metrics::with_local_recorder(&*recorder, || {
            describe();
            metrics::counter!("strawboss_terminal_sent_bytes_total")
        });
        Ok(Self { recorder, handle, sent })
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

    /// Bytes of a terminal were sent to a viewer.
    pub(crate) fn sent(&self, bytes: usize) {
        self.sent.increment(bytes as u64);
    }

    /// Folds what was collected; without it an unread histogram grows.
    pub(crate) fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// Everything, with the engine's figures of this moment.
    pub(crate) fn render(&self, status: &StatusView, figures: &Figures, data_dir: &Path) -> String {
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
                metrics::gauge!("strawboss_part_since_seconds", "part" => name).set(part.since as f64 / 1000.0);
            }
            for (state, count) in &figures.runs {
                metrics::gauge!("strawboss_runs", "state" => state.word()).set(*count as f64);
            }
            metrics::gauge!("strawboss_questions").set(figures.questions as f64);
            metrics::gauge!("strawboss_queue_age_seconds").set(figures.queue_age_ms as f64 / 1000.0);
            metrics::gauge!("strawboss_outbox_age_seconds").set(figures.outbox_age_ms as f64 / 1000.0);
            metrics::gauge!("strawboss_supervisors").set(figures.supervisors as f64);
            metrics::gauge!("strawboss_sessions").set(figures.sessions as f64);
            metrics::gauge!("strawboss_session_viewers").set(figures.viewers as f64);
            metrics::gauge!("plane_pending_tickets").set(figures.tickets.pending as f64);
            metrics::gauge!("plane_active_sessions").set(figures.tickets.active as f64);
            metrics::gauge!("plane_completed_tickets").set(figures.tickets.completed as f64);
            if let Some((free, size)) = disk(data_dir) {
                metrics::gauge!("strawboss_data_dir_free_bytes").set(free as f64);
                metrics::gauge!("strawboss_data_dir_size_bytes").set(size as f64);
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
    for metric in METRICS {
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, metric.help),
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
            Kind::Histogram => metrics::describe_histogram!(metric.name, metric.help),
        }
    }
}

/// How much of the disk that holds this folder is free for us, and how large it is, in bytes.
fn disk(folder: &Path) -> Option<(u64, u64)> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    Some((stat.f_bavail.saturating_mul(stat.f_frsize), stat.f_blocks.saturating_mul(stat.f_frsize)))
}
