//! How much of what a sandbox says is kept: one place for all of it, between what came in and what is stored.

use strawboss_core::Timestamp;
use strawboss_core::run::CheckResult;
use strawboss_protocol::supervisor::{AgentEvent, End, MAX_REPORT_TEXT, ReportBody};

/// The longest name, id or model that is kept, in bytes.
const NAME_LIMIT: usize = 200;
/// The longest account of what went wrong that is kept, in bytes: it is shown on the board.
const DETAIL_LIMIT: usize = 4 * 1024;
/// The longest last words of an agent that are kept, in bytes: they are read with every look at the run.
const SUMMARY_LIMIT: usize = 16 * 1024;
/// No check takes longer, in milliseconds.
const DURATION_LIMIT_MS: u64 = 366 * 24 * 3_600_000;
/// The longest that a sandbox's word parks a task, in milliseconds: providers count by the week at most.
const PARK_LIMIT_MS: i64 = 8 * 24 * 3_600_000;

/// Keeps the beginning.
fn cut(text: &mut String, limit: usize) {
    text.truncate(text.floor_char_boundary(limit));
}

/// Keeps the end.
fn tail(text: &mut String, limit: usize) {
    if text.len() > limit {
        *text = text.split_off(text.ceil_char_boundary(text.len() - limit));
    }
}

/// Cuts whatever a report says to what is kept of it. Nothing that a sandbox says goes further without having been here.
pub(crate) fn bound(body: &mut ReportBody, now: Timestamp) {
    match body {
        ReportBody::Phase { .. } => {}
        ReportBody::Step { name, output_tail, .. } => {
            cut(name, DETAIL_LIMIT);
            if let Some(text) = output_tail {
                tail(text, CheckResult::TAIL_BYTES);
            }
        }
        ReportBody::Agent { event, raw } => {
            if let Some(text) = raw {
                cut(text, MAX_REPORT_TEXT);
            }
            bound_event(event, now);
        }
        ReportBody::Check { result, .. } => {
            cut(&mut result.command, DETAIL_LIMIT);
            tail(&mut result.output_tail, CheckResult::TAIL_BYTES);
            result.duration_ms = result.duration_ms.min(DURATION_LIMIT_MS);
        }
        // Both were compared with what they can be.
        ReportBody::Pushed { .. } => {}
        ReportBody::Done { end } => match end {
            End::Complete { summary } => {
                if let Some(text) = summary {
                    cut(text, SUMMARY_LIMIT);
                }
            }
            End::AgentFailed { detail } | End::SetupFailed { detail } | End::MachineryFailed { detail } => {
                cut(detail, DETAIL_LIMIT);
            }
            End::Stopped => {}
        },
    }
}

fn bound_event(event: &mut AgentEvent, now: Timestamp) {
    match event {
        AgentEvent::Session { id, model } => {
            if let Some(text) = model {
                cut(text, NAME_LIMIT);
            }
            // It becomes an argument of the agent's program: half an id, or one that reads as an option, resumes nothing.
            let plain =
                !id.is_empty() && id.len() <= NAME_LIMIT && !id.starts_with('-') && id.bytes().all(|b| b.is_ascii_graphic());
            if !plain {
                *event = AgentEvent::Other { name: "session".to_owned() };
            }
        }
        AgentEvent::Message { text } | AgentEvent::Told { text } | AgentEvent::TurnEnded { text, .. } => {
            cut(text, MAX_REPORT_TEXT)
        }
        AgentEvent::ToolCall { id, name, input } => {
            cut(id, NAME_LIMIT);
            cut(name, NAME_LIMIT);
            cut(input, MAX_REPORT_TEXT);
        }
        AgentEvent::ToolResult { id, text, .. } => {
            cut(id, NAME_LIMIT);
            cut(text, MAX_REPORT_TEXT);
        }
        AgentEvent::RateLimited { until } => *until = until.map(|until| until.min(now.plus_ms(PARK_LIMIT_MS))),
        AgentEvent::Exited { .. } => {}
        AgentEvent::Other { name } => cut(name, NAME_LIMIT),
    }
}
