//! What a push asks for, read before git sees it: only our own reading of it, written anew, reaches git.

use super::pktline::{self, Line, NotALine};
use std::fmt::Write as _;

/// How many refs one push may move: a run has a branch and a saved ref.
const MAX_COMMANDS: usize = 8;
/// How many commits at which a shallow clone was cut one push may name.
const MAX_SHALLOW: usize = 256;
/// How long all of it may be, in bytes.
pub(super) const MAX_BYTES: usize = 64 * 1024;
/// The longest name of a ref that is looked at, in bytes.
const MAX_REF: usize = 300;

/// What a client may ask for of how git answers; everything else it says (its name, options, certificates) is dropped.
const CAPABILITIES: [&str; 8] = [
    "report-status",
    "report-status-v2",
    "side-band-64k",
    "quiet",
    "atomic",
    "ofs-delta",
    "object-format=sha1",
    "object-format=sha256",
];

/// A ref to be moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    old: String,
    new: String,
    /// Its full name.
    pub(super) reference: String,
}

impl Command {
    fn deletes(&self) -> bool {
        self.new.bytes().all(|digit| digit == b'0')
    }
}

/// What a push asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Push {
    shallow: Vec<String>,
    pub(super) commands: Vec<Command>,
    capabilities: Vec<&'static str>,
}

/// Why a push was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// It is no list of commands.
    #[error("the push does not begin with a list of refs to move")]
    Malformed,
    /// It asks for too much.
    #[error("the push moves more refs, or names more shallow commits, than a run may")]
    TooMuch,
    /// It is signed.
    #[error("signed pushes are not taken")]
    Signed,
}

impl From<NotALine> for Unreadable {
    fn from(_: NotALine) -> Self {
        Self::Malformed
    }
}

fn object_id(text: &str) -> Option<String> {
    let digits = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (digits && matches!(text.len(), 40 | 64)).then(|| text.to_owned())
}

impl Push {
    /// Reads the list at the head of a push, up to and with the flush after it, and how many bytes that is; none when it
    /// has not all come.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<(Self, usize)>, Unreadable> {
        let mut push = Self::default();
        let mut at = 0;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let Some((line, length)) = pktline::first(rest)? else {
                return if bytes.len() >= MAX_BYTES { Err(Unreadable::TooMuch) } else { Ok(None) };
            };
            at += length;
            if at > MAX_BYTES {
                return Err(Unreadable::TooMuch);
            }
            match line {
                Line::Flush => return Ok(Some((push, at))),
                Line::Data(data) => push.take(data)?,
            }
        }
    }

    fn take(&mut self, data: &[u8]) -> Result<(), Unreadable> {
        let (line, capabilities) = match data.iter().position(|byte| *byte == 0) {
            Some(nul) => (data.get(..nul).unwrap_or_default(), data.get(nul + 1..).unwrap_or_default()),
            None => (data, &[][..]),
        };
        let line = std::str::from_utf8(line).map_err(|_| Unreadable::Malformed)?;
        let line = line.strip_suffix('\n').unwrap_or(line);
        if line.starts_with("push-cert") {
            return Err(Unreadable::Signed);
        }
        if let Some(commit) = line.strip_prefix("shallow ") {
            if self.shallow.len() >= MAX_SHALLOW {
                return Err(Unreadable::TooMuch);
            }
            self.shallow.push(object_id(commit).ok_or(Unreadable::Malformed)?);
            return Ok(());
        }
        let mut words = line.splitn(3, ' ');
        let old = words.next().and_then(object_id).ok_or(Unreadable::Malformed)?;
        let new = words.next().and_then(object_id).ok_or(Unreadable::Malformed)?;
        let reference = words.next().filter(|name| plain_ref(name)).ok_or(Unreadable::Malformed)?;
        if old.len() != new.len() {
            return Err(Unreadable::Malformed);
        }
        if self.commands.len() >= MAX_COMMANDS {
            return Err(Unreadable::TooMuch);
        }
        self.commands.push(Command { old, new, reference: reference.to_owned() });
        for word in capabilities.split(u8::is_ascii_whitespace) {
            let known = CAPABILITIES.iter().find(|known| known.as_bytes() == word);
            if let Some(known) = known.filter(|known| !self.capabilities.contains(known)) {
                self.capabilities.push(known);
            }
        }
        Ok(())
    }

    /// Why the push may not be made, if so, as a sentence for whoever pushes.
    pub(super) fn refusal(&self, writable: &[String]) -> Option<String> {
        let named = || if writable.is_empty() { "nothing".to_owned() } else { writable.join(" and ") };
        for command in &self.commands {
            if !writable.contains(&command.reference) {
                return Some(format!("this run may push only {}", named()));
            }
            if command.deletes() {
                return Some("refs are not deleted through the door".to_owned());
            }
        }
        None
    }

    /// What git is given to read.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for commit in &self.shallow {
            pktline::write(&mut out, format!("shallow {commit}\n").as_bytes());
        }
        for (at, command) in self.commands.iter().enumerate() {
            let mut line = format!("{} {} {}", command.old, command.new, command.reference);
            if at == 0 {
                let _ = write!(line, "\0 {}", self.capabilities.join(" "));
            }
            pktline::write(&mut out, line.as_bytes());
        }
        pktline::flush(&mut out);
        out
    }

    /// The answer of a git that refuses all of it, with a line for the person.
    pub(super) fn refused(&self, reason: &str) -> Vec<u8> {
        let mut report = Vec::new();
        if self.capabilities.iter().any(|word| word.starts_with("report-status")) {
            pktline::write(&mut report, b"unpack ok\n");
            for command in &self.commands {
                pktline::write(&mut report, format!("ng {} {reason}\n", command.reference).as_bytes());
            }
            pktline::flush(&mut report);
        }
        if !self.capabilities.contains(&"side-band-64k") {
            return report;
        }
        let mut out = Vec::new();
        pktline::write(&mut out, format!("\u{2}Strawboss refused the push: {reason}.\n").as_bytes());
        for piece in report.chunks(pktline::MAX_DATA - 1) {
            pktline::write(&mut out, &[&[1], piece].concat());
        }
        pktline::flush(&mut out);
        out
    }
}

/// A name that means the same to us and to git, to be compared with the ones that a run may push.
fn plain_ref(name: &str) -> bool {
    name.starts_with("refs/") && name.len() <= MAX_REF && name.bytes().all(|byte| byte.is_ascii_graphic() || byte >= 0x80)
}

#[cfg(test)]
mod tests {
    use super::super::pktline;
    use super::{Push, Unreadable};
    use proptest::prelude::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    const ZERO: &str = "0000000000000000000000000000000000000000";
    const MINE: &str = "refs/heads/strawboss/x-1";

    fn list(lines: &[String]) -> Vec<u8> {
        let mut out = Vec::new();
        for line in lines {
            pktline::write(&mut out, line.as_bytes());
        }
        pktline::flush(&mut out);
        out
    }

    fn read(lines: &[String]) -> Result<Push, Unreadable> {
        let bytes = list(lines);
        Push::read(&bytes).map(|found| {
            let (push, length) = found.unwrap();
            assert_eq!(length, bytes.len());
            push
        })
    }

    #[test]
    fn only_own_refs_move_and_none_goes() {
        let writable = [MINE.to_owned()];
        let ask =
            |new: &str, reference: &str| read(&[format!("{A} {new} {reference}\0report-status")]).unwrap().refusal(&writable);
        assert_eq!(ask(B, MINE), None);
        for other in [
            "refs/heads/main",
            "refs/heads/strawboss/x-2",
            "refs/heads/strawboss/x-1/y",
            "refs/heads/strawboss/x-10",
            "refs/strawboss/saved/x-1.1",
        ] {
            assert!(ask(B, other).unwrap().contains(MINE), "{other}");
        }
        assert!(ask(ZERO, MINE).unwrap().contains("deleted"));
        let mixed = read(&[format!("{A} {B} {MINE}\0 atomic"), format!("{A} {B} refs/heads/main")]).unwrap();
        assert!(mixed.refusal(&writable).is_some(), "one wrong ref refuses all");
    }

    #[test]
    fn git_is_given_only_what_we_understood() {
        let push = read(&[
            format!("shallow {B}\n"),
            format!("{A} {B} {MINE}\0 report-status-v2 side-band-64k push-options agent=evil/1 push-cert=x object-format=sha1 quiet quiet\n"),
            format!("{ZERO} {B} refs/strawboss/saved/x-1.1\0delete-refs atomic"),
        ])
        .unwrap();
        let expected = list(&[
            format!("shallow {B}\n"),
            format!("{A} {B} {MINE}\0 report-status-v2 side-band-64k object-format=sha1 quiet atomic"),
            format!("{ZERO} {B} refs/strawboss/saved/x-1.1"),
        ]);
        assert_eq!(String::from_utf8(push.write()).unwrap(), String::from_utf8(expected).unwrap());
    }

    #[test]
    fn what_git_could_read_otherwise_is_refused() {
        for line in [
            format!("{A} {B} HEAD"),
            format!("{A} {B} refs/heads/x y"),
            format!("{A} {B} refs/heads/x\ny"),
            format!("{A} {B}"),
            format!("{A}  {B} {MINE}"),
            format!("{} {B} {MINE}", A.to_uppercase()),
            format!("{} {B} {MINE}", &A[1..]),
            format!("{A}{A} {B} {MINE}"),
            format!("shallow {MINE}"),
            "push-options".to_owned(),
            String::new(),
        ] {
            assert_eq!(read(std::slice::from_ref(&line)), Err(Unreadable::Malformed), "{line:?}");
        }
        assert_eq!(read(&["push-cert\0 x".to_owned()]), Err(Unreadable::Signed));
        let many: Vec<_> = (0..9).map(|n| format!("{A} {B} refs/heads/{n}")).collect();
        assert_eq!(read(&many), Err(Unreadable::TooMuch));
        assert_eq!(Push::read(&b"00ffx".repeat(20_000)), Err(Unreadable::Malformed));
        let many: Vec<_> = (0..257).map(|_| format!("shallow {A}\n")).collect();
        assert_eq!(read(&many), Err(Unreadable::TooMuch));
    }

    #[test]
    fn a_probe_is_an_empty_list() {
        let (push, length) = Push::read(b"0000").unwrap().unwrap();
        assert_eq!((push.commands.len(), length), (0, 4));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Push::read(&bytes);
        }

        #[test]
        fn no_lines_make_it_panic_and_what_passes_is_ours(
            lines in proptest::collection::vec("([0a]{40} [0b]{40} refs/heads/[a-z/.~^: ]{0,12}(\u{0}[a-z =-]{0,40})?|.{0,60})", 0..6),
        ) {
            if let Ok(Some((push, _))) = Push::read(&list(&lines)) {
                let writable = [MINE.to_owned()];
                if push.refusal(&writable).is_none() {
                    prop_assert!(push.commands.iter().all(|command| command.reference == MINE));
                }
                let again = Push::read(&push.write()).unwrap().unwrap().0;
                prop_assert_eq!(&again.commands, &push.commands);
                let _ = push.refused("no");
            }
        }
    }
}
