//! What is known of a session, read from tmux. A session's name holds no colon: tmux itself sees to that.

use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use strawboss_core::terminals::{HostSession, HostWindow};
use strawboss_core::{SessionId, Timestamp};

/// The option of a session that holds our record.
pub(super) const OPTION: &str = "@strawboss";
/// The option of a session that somebody else made: when it was asked to be kept.
pub(super) const KEPT: &str = "@strawboss_kept";
/// One line a session: what cannot hold a colon comes first, what could in the middle, the name last.
pub(super) const FORMAT: &str = "#{session_id}:#{session_created}:#{session_activity}:#{session_attached}:#{@strawboss_kept}:#{@strawboss}:#{pane_current_command}:#{session_name}";
/// One line a window.
pub(super) const WINDOW_FORMAT: &str = "#{window_index}:#{window_active}:#{window_name}";
/// What a session is called whose name has nothing that an id keeps.
const NAMELESS: &str = "session";

/// What we remember of a session that we made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) project: String,
    pub(super) command: String,
    /// Milliseconds since 1970 UTC; 0: never.
    pub(super) kept_at: i64,
}

impl Record {
    /// As digits: tmux has no reading of its own for them.
    pub(super) fn encode(&self) -> String {
        // The type has no map, so it always has a JSON form.
        crate::hex(&serde_json::to_vec(self).unwrap_or_default())
    }

    fn decode(text: &str) -> Option<Self> {
        if !text.is_ascii() || !text.len().is_multiple_of(2) {
            return None;
        }
        let bytes: Option<Vec<u8>> =
            (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect();
        serde_json::from_slice(&bytes?).ok()
    }
}

/// A session as tmux says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// tmux's own number of it, `$3`: never given twice by one server.
    pub(super) number: String,
    pub(super) name: String,
    pub(super) record: Option<Record>,
    pub(super) kept_at: i64,
    created: i64,
    activity: i64,
    attached: u32,
    runs: String,
}

impl Found {
    /// For commands that aim at a pane.
    pub(super) fn target(&self) -> String {
        format!("{}:", self.number)
    }

    pub(super) fn session(self, id: SessionId) -> HostSession {
        let discovered = self.record.is_none();
        let record = self.record.unwrap_or_default();
        HostSession {
            id,
            project: record.project,
            command: if discovered { self.runs } else { record.command },
            created_at: Timestamp(self.created.saturating_mul(1000)),
            updated_at: Timestamp(self.activity.saturating_mul(1000).max(record.kept_at).max(self.kept_at)),
            discovered,
            attached: self.attached,
        }
    }
}

fn line(text: &str) -> Option<Found> {
    let (rest, name) = text.rsplit_once(':')?;
    let mut parts = rest.splitn(7, ':');
    let number = parts.next()?;
    number.strip_prefix('$')?.parse::<u32>().ok()?;
    let mut figure = || parts.next().unwrap_or("").parse::<i64>();
    let (created, activity, attached, kept_at) = (figure().ok()?, figure().ok()?, figure().ok()?, figure().unwrap_or(0));
    let record = Record::decode(parts.next()?);
    Some(Found {
        number: number.to_owned(),
        name: name.to_owned(),
        record,
        kept_at,
        created,
        activity,
        attached: u32::try_from(attached).unwrap_or(u32::MAX),
        runs: parts.next()?.to_owned(),
    })
}

/// The lines of [`FORMAT`].
pub(super) fn read(text: &str) -> Vec<Found> {
    text.lines().filter_map(line).collect()
}

/// Gives each session an id of its own: its name where that is one, else what an id keeps of it, and tmux's number where
/// another session has that already. The same sessions are always given the same ids.
pub(super) fn named(found: Vec<Found>) -> Vec<(SessionId, Found)> {
    let mut taken: HashSet<SessionId> = found.iter().filter_map(|one| SessionId::parse(&one.name).ok()).collect();
    let name = |one: &Found, taken: &mut HashSet<SessionId>| {
        if let Ok(id) = SessionId::parse(&one.name) {
            return Some(id);
        }
        let kept = SessionId::kept(&one.name).map_or_else(|| NAMELESS.to_owned(), |id| id.to_string());
        let number = one.number.trim_start_matches('$');
        let short: String = kept.chars().take(63 - number.len()).collect();
        let tries = [kept, format!("{short}-{number}")];
        let id = tries.iter().filter_map(|text| SessionId::parse(text).ok()).find(|id| !taken.contains(id))?;
        taken.insert(id.clone());
        Some(id)
    };
    found.into_iter().filter_map(|one| Some((name(&one, &mut taken)?, one))).collect()
}

/// The lines of [`WINDOW_FORMAT`].
pub(super) fn windows(text: &str) -> Vec<HostWindow> {
    let window = |line: &str| {
        let mut parts = line.splitn(3, ':');
        let index = parts.next()?.parse().ok()?;
        let active = parts.next()? == "1";
        Some(HostWindow { index, name: parts.next()?.to_owned(), active })
    };
    text.lines().filter_map(window).collect()
}

#[cfg(test)]
mod tests {
    use super::{Record, named, read, windows};

    #[test]
    fn every_session_has_an_id_of_its_own() {
        let text = "$0:5:6:0:::vim:a b\n$1:5:6:1:::a:b:c:ab\n$2:5:6:0:::sh:日本\n$3:5:6:0:::sh:é\nnonsense\n$x:1:1:1:::a:b\n$4:5:6:0:::sh:a.b\n";
        let named = named(read(text));
        let ids: Vec<(&str, &str)> = named.iter().map(|(id, one)| (id.as_str(), one.name.as_str())).collect();
        assert_eq!(ids, [("ab-0", "a b"), ("ab", "ab"), ("session", "日本"), ("session-3", "é"), ("ab-4", "a.b")]);
        assert_eq!(named[1].1.clone().session(named[1].0.clone()).command, "a:b:c");
    }

    #[test]
    fn a_record_comes_back_and_a_strangers_option_is_none() {
        let record = Record { project: "Ärger: \"x\"".to_owned(), command: "sh -c 'a;b'".to_owned(), kept_at: 7000 };
        let text = format!("$0:5:6:0::{}:sh:x\n$1:5:6:0:9000:zz:sh:y\n$2:5:6:0::é:sh:z\n", record.encode());
        let found = read(&text);
        assert_eq!(found[0].record, Some(record));
        assert_eq!((found[1].record.clone(), found[1].kept_at, found[2].record.clone()), (None, 9000, None));
    }

    #[test]
    fn a_windows_name_may_hold_anything() {
        let all = windows("0:1:a:b\nx\n7:0:\n");
        assert_eq!((all[0].index, all[0].active, all[0].name.as_str()), (0, true, "a:b"));
        assert_eq!((all[1].index, all[1].active, all[1].name.as_str()), (7, false, ""));
    }
}
