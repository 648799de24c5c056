//! The newest lines of the log, kept within a bound and given to those who follow them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use strawboss_protocol::api::LogLine;
use tokio::sync::watch;

/// How many bytes of lines are kept.
pub const KEPT_BYTES: usize = 8 << 20;

/// Which lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// Only after this number.
    pub after: u64,
    /// Only at this moment or later, milliseconds since 1970 UTC.
    pub since: Option<i64>,
    /// Only about this run.
    pub run: Option<String>,
}

impl LogFilter {
    fn takes(&self, line: &LogLine) -> bool {
        line.seq > self.after
            && self.since.is_none_or(|since| line.at >= since)
            && self.run.as_ref().is_none_or(|run| line.run.as_ref() == Some(run))
    }
}

#[derive(Default)]
struct Kept {
    lines: VecDeque<(usize, Arc<LogLine>)>,
    bytes: usize,
    last: u64,
}

/// The newest lines. Cheap to clone.
#[derive(Clone)]
pub struct LogRing {
    kept: Arc<Mutex<Kept>>,
    newest: watch::Sender<u64>,
}

impl Default for LogRing {
    fn default() -> Self {
        Self { kept: Arc::default(), newest: watch::Sender::new(0) }
    }
}

fn size(line: &LogLine) -> usize {
    let fields: usize = line.fields.iter().map(|(name, value)| name.len() + value.len() + 64).sum();
    std::mem::size_of::<LogLine>() + line.message.len() + line.target.len() + fields
}

impl LogRing {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Each change is a push or a pop with its count: a panic leaves at most a count that is off by one line.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a line, and gives it its number.
    pub fn push(&self, mut line: LogLine) {
        let mut kept = self.lock();
        kept.last += 1;
        line.seq = kept.last;
        let bytes = size(&line);
        kept.bytes += bytes;
        kept.lines.push_back((bytes, Arc::new(line)));
        while kept.bytes > KEPT_BYTES {
            let Some((gone, _)) = kept.lines.pop_front() else { break };
            kept.bytes -= gone;
        }
        let last = kept.last;
        drop(kept);
        self.newest.send_replace(last);
    }

    /// At most `most` of the lines, the oldest first, and the number up to which was looked.
    pub fn lines(&self, filter: &LogFilter, most: usize) -> (Vec<Arc<LogLine>>, u64) {
        let kept = self.lock();
        let mut found = Vec::new();
        // Numbers have no holes: who follows does not look at what it has.
        let begin = kept.lines.partition_point(|(_, line)| line.seq <= filter.after);
        for (_, line) in kept.lines.range(begin..) {
            if filter.takes(line) {
                if found.len() == most {
                    return (found, line.seq - 1);
                }
                found.push(Arc::clone(line));
            }
        }
        (found, kept.last)
    }

    /// Returns when there are lines after this number.
    pub async fn beyond(&self, number: u64) {
        // The sender lives as long as this does.
        let _ = self.newest.subscribe().wait_for(|newest| *newest > number).await;
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT_BYTES, LogFilter, LogRing};
    use std::collections::BTreeMap;
    use strawboss_protocol::api::LogLine;

    fn line(at: i64, message: &str, run: Option<&str>) -> LogLine {
        LogLine {
            seq: 0,
            at,
            level: "info".to_owned(),
            target: "test".to_owned(),
            message: message.to_owned(),
            run: run.map(str::to_owned),
            fields: BTreeMap::new(),
        }
    }

    #[test]
    fn lines_are_found_by_time_run_and_number_a_page_at_a_time() {
        let ring = LogRing::default();
        for (at, message, run) in [(1, "a", None), (2, "b", Some("x-1.1")), (3, "c", None), (4, "d", Some("x-1.1"))] {
            ring.push(line(at, message, run));
        }
        let of = |filter: LogFilter, most| {
            let (lines, next) = ring.lines(&filter, most);
            (lines.iter().map(|line| line.message.clone()).collect::<String>(), next)
        };
        assert_eq!(of(LogFilter::default(), 10), ("abcd".to_owned(), 4));
        assert_eq!(of(LogFilter::default(), 3), ("abc".to_owned(), 3));
        assert_eq!(of(LogFilter { after: 3, ..LogFilter::default() }, 3), ("d".to_owned(), 4));
        assert_eq!(of(LogFilter { since: Some(3), ..LogFilter::default() }, 10).0, "cd");
        assert_eq!(of(LogFilter { run: Some("x-1.1".to_owned()), ..LogFilter::default() }, 1), ("b".to_owned(), 3));
    }

    #[test]
    fn only_so_much_is_kept_and_the_newest_stays() {
        let ring = LogRing::default();
        let long = "x".repeat(1 << 20);
        for at in 0..20 {
            ring.push(line(at, &long, None));
        }
        let (lines, last) = ring.lines(&LogFilter::default(), 100);
        assert!(lines.len() < 8 && lines.len() * long.len() < KEPT_BYTES, "{}", lines.len());
        assert_eq!((last, lines.last().unwrap().at), (20, 19));
    }

    #[tokio::test]
    async fn who_follows_is_woken_by_a_line() {
        let ring = LogRing::default();
        ring.push(line(1, "a", None));
        ring.beyond(0).await;
        let later = ring.clone();
        let woken = tokio::spawn(async move { later.beyond(1).await });
        ring.push(line(2, "b", None));
        woken.await.unwrap();
    }
}
