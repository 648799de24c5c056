//! What an archive is made of: names, first and last entry, and which names are allowed.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use strawboss_store::transfer::Summary;

/// The format of backups that this version writes and reads.
pub(super) const FORMAT: u32 = 1;
pub(super) const MANIFEST: &str = "backup.json";
pub(super) const STATE: &str = "state.ndjson";
pub(super) const END: &str = "end.json";
pub(super) const MIRRORS: &str = "mirrors";
pub(super) const RUNS: &str = "runs";
pub(super) const SOURCES: &str = crate::serve::plane::FOLDER;
pub(super) const SECRETS: &str = "secrets";
/// Files of the data directory that are a few bytes and hold the installation together.
pub(super) const SECRET_FILES: [&str; 3] = ["installation", "admin-token", "cookie-key"];
/// The largest first or last entry, in bytes.
pub(super) const SMALL: u64 = 1 << 20;

/// The first entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// See [`FORMAT`].
    pub(crate) format: u32,
    /// The program that wrote it.
    pub(crate) version: String,
    /// When, in milliseconds since 1970.
    pub(crate) made_at: i64,
    /// Of which installation.
    pub(crate) installation: String,
    /// `sqlite` or `postgresql`; it can be restored into either.
    pub(crate) database: String,
}

/// The last entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct End {
    /// What the database held.
    pub(crate) state: Summary,
    /// How many entries there are before this one.
    pub(crate) entries: u64,
    /// Their bytes in all.
    pub(crate) bytes: u64,
    /// SHA-256 over their names, sizes and contents, in order.
    pub(crate) sha256: String,
}

/// Takes counts and checksum of entries as they pass.
#[derive(Default)]
pub(super) struct Tally {
    entries: u64,
    bytes: u64,
    sum: Sha256,
}

impl Tally {
    /// An entry begins.
    pub(super) fn entry(&mut self, name: &str, size: u64) {
        self.entries += 1;
        self.bytes += size;
        self.sum.update(format!("{name}\0{size}\0"));
    }

    /// A part of its content.
    pub(super) fn content(&mut self, bytes: &[u8]) {
        self.sum.update(bytes);
    }

    /// What the last entry says.
    pub(super) fn end(self, state: Summary) -> End {
        let sha256 = self.sum.finalize().iter().fold(String::new(), |mut text, byte| {
            use std::fmt::Write as _;
            // Writing to a String does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
        End { state, entries: self.entries, bytes: self.bytes, sha256 }
    }
}

/// Whether an archive of ours may hold a file of this name. Everything else in one is an attack or a mistake.
pub(super) fn is_allowed(name: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && part.len() <= 200
            && !part.starts_with('.')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    let parts: Vec<&str> = name.split('/').collect();
    if !parts.iter().all(|part| plain(part)) {
        return false;
    }
    match parts.as_slice() {
        [MANIFEST | STATE | END] => true,
        [SECRETS, file] => SECRET_FILES.contains(file),
        [MIRRORS, bundle] => bundle.ends_with(".git.bundle"),
        [SOURCES, file] => file.ends_with(".json"),
        [RUNS, _run, rest @ ..] => !rest.is_empty() && rest.len() <= 3,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn only_our_own_names_come_out_of_an_archive() {
        for good in [
            "backup.json",
            "state.ndjson",
            "secrets/admin-token",
            "mirrors/greeter-4d3f1831e5e7.git.bundle",
            "runs/greeter-1.1/terminal/0000-0000-greeter-1.1-agent",
            "sources/plane-acme.json",
        ] {
            assert!(is_allowed(good), "{good}");
        }
        for bad in [
            "",
            "/etc/passwd",
            "../state.ndjson",
            "runs/../../x",
            "runs/a/..",
            "runs/a",
            "runs//x",
            "runs/.hidden/x",
            "runs/a/b/c/d/e",
            "secrets/lock",
            "sources/plane-acme.json.new",
            "mirrors/x.git",
            "mirrors/a/b.git.bundle",
            "state.ndjson/x",
            "runs/a/x\ny",
            "lock",
        ] {
            assert!(!is_allowed(bad), "{bad}");
        }
    }
}
