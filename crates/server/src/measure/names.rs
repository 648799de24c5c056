//! Every metric, declared once. docs/metrics.md is made from this table, and a test compares the two with the code.

/// What kind of metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; begins at 0 when the control plane starts.
    Counter,
    /// As it is at the moment it is asked for.
    Gauge,
    /// How often values fell into which bucket; begins at 0 when the control plane starts.
    Histogram,
}

/// A metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What kind.
    pub kind: Kind,
    /// Its labels, each with the values that it may have.
    pub labels: &'static [(&'static str, &'static str)],
    /// What it says.
    pub help: &'static str,
    /// Buckets of a histogram, in its unit.
    pub buckets: &'static [f64],
}

/// Of request times: from a cached list to a merge of a large repository.
const REQUESTS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];
/// Of the store: from a row in memory to a database that hangs.
const STORE: &[f64] = &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0];
/// Of starts: from a warm container to an image that is pulled first.
const STARTS: &[f64] = &[0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0];

/// Of work on tickets: from a typing error mended to an afternoon.
const SESSIONS: &[f64] = &[10.0, 30.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0];

const fn counter(name: &'static str, labels: &'static [(&'static str, &'static str)], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, labels, help, buckets: &[] }
}

const fn gauge(name: &'static str, labels: &'static [(&'static str, &'static str)], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, labels, help, buckets: &[] }
}

const fn histogram(
    name: &'static str,
    labels: &'static [(&'static str, &'static str)],
    help: &'static str,
    buckets: &'static [f64],
) -> Metric {
    Metric { name, kind: Kind::Histogram, labels, help, buckets }
}

const SOURCE: (&str, &str) = ("source", "the backlog's name");
const PROVIDER: (&str, &str) = ("provider", "as configured");
const MODEL: (&str, &str) = ("model", "as the provider names it; at most 50, then `other`");

/// Every one, in the order of the documentation.
pub const METRICS: &[Metric] = &[
    gauge("strawboss_build_info", &[("version", "this program's")], "1, with the version as a label."),
    gauge("strawboss_start_time_seconds", &[], "When the engine started, since 1970 UTC."),
    gauge(
        "strawboss_part_ok",
        &[("part", "`store`, `engine`, `gateway`, `runner`")],
        "1 when the part was seen to answer; 0 when it fails or nothing is known of it.",
    ),
    gauge("strawboss_part_since_seconds", &[("part", "as above")], "Since when the part has been so, since 1970 UTC."),
    gauge("strawboss_paused", &[], "1 when nothing new starts."),
    gauge("strawboss_tasks", &[("state", "every state of a task")], "Tasks by state."),
    gauge("strawboss_queue_age_seconds", &[], "How long the oldest queued task has been queued; 0 when none is."),
    gauge("strawboss_runs", &[("state", "`starting`, `preparing`, `working`, `waiting`, `checking`")], "Live runs by state."),
    gauge("strawboss_questions", &[], "Questions of agents that wait for people."),
    gauge("strawboss_runs_live", &[], "Runs that hold a slot."),
    gauge("strawboss_slots", &[], "Runs that there may be at once."),
    counter(
        "strawboss_runs_finished_total",
        &[("outcome", "`succeeded`, `failed`, `stopped`, `timed_out`, `lost`")],
        "Runs that ended.",
    ),
    histogram("strawboss_run_start_seconds", &[], "From the decision to start a run until its agent works.", STARTS),
    counter(
        "strawboss_sandbox_failures_total",
        &[(
            "reason",
            "`image`, `runner`, `runner_unreachable`, `store`, `door`, `recording`, `exited`, `out_of_memory`, `gone`, `silent`",
        )],
        "Sandboxes that could not be raised, each try, or were lost.",
    ),
    gauge("strawboss_supervisors", &[], "Supervisors that are connected."),
    counter("strawboss_supervisor_reconnects_total", &[], "Supervisors that dialled in again."),
    counter(
        "strawboss_model_requests_total",
        &[PROVIDER, ("status", "`2xx`, `4xx`, `429`, `5xx`, `other`; `none`: no answer")],
        "Model requests of sandboxes.",
    ),
    counter(
        "strawboss_tokens_total",
        &[PROVIDER, MODEL, ("kind", "`input`, `output`, `cache_read`, `cache_write`")],
        "Tokens, counted from the providers' answers.",
    ),
    counter(
        "strawboss_cost_microusd_total",
        &[PROVIDER, MODEL],
        "What they cost by the configured prices, in millionths of a US dollar.",
    ),
    gauge("strawboss_sessions", &[], "Terminals that are recorded."),
    gauge("strawboss_session_viewers", &[], "Viewers of them."),
    counter("strawboss_terminal_recorded_bytes_total", &[], "Bytes that agents' terminals printed."),
    counter("strawboss_terminal_sent_bytes_total", &[], "Bytes of terminals that were sent to viewers."),
    gauge("strawboss_streams", &[], "Open event streams and terminals."),
    histogram(
        "strawboss_store_seconds",
        &[("operation", "`commit`, `write`, `read`")],
        "How long the store took: `commit` is a change of state, `write` any other.",
        STORE,
    ),
    counter(
        "strawboss_store_errors_total",
        &[("operation", "as above")],
        "What the store could not do, but for conflicts, which are tried again.",
    ),
    gauge("strawboss_outbox_waiting", &[], "Write-backs that have not landed."),
    gauge("strawboss_outbox_age_seconds", &[], "How long the oldest of them has waited; 0 when none waits."),
    gauge("strawboss_source_readable", &[SOURCE], "1 when the last look could read the source."),
    gauge("strawboss_source_items", &[SOURCE], "Rows of the source."),
    gauge("strawboss_source_problems", &[SOURCE], "What is wrong in the source."),
    gauge(
        "strawboss_backup_last_seconds",
        &[],
        "When the newest scheduled backup was made, since 1970 UTC; absent until one is known.",
    ),
    gauge("strawboss_backup_bytes", &[], "How large the newest one is that this process made."),
    counter("strawboss_backup_failures_total", &[], "Scheduled backups that could not be made."),
    gauge("strawboss_data_dir_free_bytes", &[], "Room on the disk of the data directory that this user may fill."),
    gauge("strawboss_data_dir_size_bytes", &[], "How large that disk is."),
    counter(
        "strawboss_http_requests_total",
        &[("method", "the usual ones, and `other`"), ("route", "its pattern; `none`"), ("status", "of HTTP")],
        "Requests answered.",
    ),
    histogram(
        "strawboss_http_request_seconds",
        &[("method", "as above"), ("route", "as above")],
        "Time until the answer began.",
        REQUESTS,
    ),
    gauge(
        "plane_pending_tickets",
        &[],
        "Tickets that wait for a person's approval. As the ticket daemon before this one named it, like all that begin with `plane_`.",
    ),
    gauge("plane_active_sessions", &[], "Tickets that were approved and are not completed yet."),
    gauge("plane_completed_tickets", &[], "Tickets whose work was accepted."),
    counter("plane_tickets_approved_total", &[], "Approvals of tickets."),
    counter("plane_tickets_completed_total", &[], "Tickets whose work was accepted since the start."),
    counter("plane_updates_total", &[("status", "`success`, `error`")], "Writes to tickets, each try."),
    histogram("plane_session_duration_seconds", &[], "From the start of a ticket's run to its end.", SESSIONS),
];

#[cfg(test)]
mod tests {
    use super::{Kind, METRICS};
    use std::collections::BTreeSet;
    use std::fmt::Write as _;
    use std::path::{Path, PathBuf};

    fn document() -> String {
        let mut text = String::from(
            "# Metrics\n\nMade from `crates/server/src/measure/names.rs`; a test compares the two, and both with the code.\n\n\
             `GET /metrics` gives them in Prometheus' text format, to callers with a token of scope `read`, or without one to this\n\
             machine when `server.metrics_on_loopback` is set. Counters and histograms count since the control plane started:\n\
             use `rate()` and `increase()`, which know of restarts. Gauges come from the store or from what was observed last, and\n\
             are right again after a restart at once. What a run cost in all its life is in the run itself (`strawboss run show`).\n\
             Every label has a bounded set of values.\n\n\
             | Metric | Kind | Labels | What it says |\n|---|---|---|---|\n",
        );
        for metric in METRICS {
            let kind = match metric.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram => "histogram",
            };
            let labels: Vec<String> = metric.labels.iter().map(|(name, values)| format!("`{name}`: {values}")).collect();
            let labels = if labels.is_empty() { "-".to_owned() } else { labels.join("<br>") };
            let _ = writeln!(text, "| `{}` | {kind} | {labels} | {} |", metric.name, metric.help);
        }
        text
    }

    #[test]
    fn the_page_says_what_the_table_says() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&page, document()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&page).unwrap_or_default(), document(), "run the test again with UPDATE_DOCS=1");
    }

    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }

    /// Every name that is written by a macro of `metrics` in this line and those after it.
    fn written(text: &str) -> BTreeSet<String> {
        let macros = ["counter!(", "gauge!(", "histogram!("];
        let mut names = BTreeSet::new();
        for start in macros {
            for (at, _) in text.match_indices(start) {
                let rest = text[at + start.len()..].trim_start();
                if let Some(name) = rest.strip_prefix('"').and_then(|rest| rest.split('"').next())
                    && ["strawboss_", "plane_"].iter().any(|prefix| name.starts_with(prefix))
                {
                    names.insert(name.to_owned());
                }
            }
        }
        names
    }

    #[test]
    fn the_table_has_exactly_what_the_code_counts() {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap().flatten() {
            let folder = entry.path().join("src");
            if folder.is_dir() {
                sources(&folder, &mut files);
            }
        }
        let counted: BTreeSet<String> = files.iter().flat_map(|file| written(&std::fs::read_to_string(file).unwrap())).collect();
        let declared: BTreeSet<String> = METRICS.iter().map(|metric| metric.name.to_owned()).collect();
        assert_eq!(counted, declared);
        assert_eq!(declared.len(), METRICS.len(), "none is declared twice");
    }

    #[test]
    fn histograms_and_nothing_else_have_buckets_that_grow() {
        for metric in METRICS {
            assert_eq!(metric.kind == Kind::Histogram, !metric.buckets.is_empty(), "{}", metric.name);
            assert!(metric.buckets.is_sorted_by(|a, b| a < b), "{}", metric.name);
            assert_eq!(metric.kind == Kind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
        }
    }
}
