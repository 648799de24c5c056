//! The log as files in the data directory: a line of JSON each, in pieces that go when they are too old or too many.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use strawboss_protocol::api::LogLine;

/// The folder in the data directory.
const FOLDER: &str = "logs";
/// What a piece is called, with its beginning in milliseconds since 1970 between the two.
const NAME: (&str, &str) = ("strawboss-", ".ndjson");
/// A piece is as large as this share of all.
const PIECES: u64 = 8;
/// How long a piece is written to.
const PIECE_AGE: Duration = Duration::from_hours(24);

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// All pieces together, in bytes.
    pub(crate) bytes: u64,
    /// The oldest piece.
    pub(crate) age: Duration,
}

/// The piece that is written to.
struct Piece {
    file: File,
    bytes: u64,
    begun: SystemTime,
}

/// See the module.
pub(crate) struct Files {
    folder: PathBuf,
    bounds: Bounds,
    piece: Option<Piece>,
    /// Whether it was said that nothing can be written.
    complained: bool,
}

fn pieces(folder: &Path) -> Vec<(PathBuf, u64, SystemTime)> {
    let named = |name: &str| name.starts_with(NAME.0) && name.ends_with(NAME.1);
    let mut found: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(named))
        .filter_map(|entry| {
            let meta = entry.metadata().ok().filter(fs::Metadata::is_file)?;
            Some((entry.path(), meta.len(), meta.modified().ok()?))
        })
        .collect();
    // By name is by age: the number of digits does not change for some centuries.
    found.sort();
    found
}

/// The newest lines that an earlier start wrote, at most so many bytes of them, the oldest first.
pub(crate) fn newest(data_dir: &Path, most: usize) -> Vec<LogLine> {
    let mut texts: Vec<String> = Vec::new();
    let mut left = most as u64;
    for (path, bytes, _) in pieces(&data_dir.join(FOLDER)).into_iter().rev() {
        if left == 0 {
            break;
        }
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(&path)?;
            file.seek(SeekFrom::Start(bytes.saturating_sub(left)))?;
            let mut text = Vec::new();
            file.take(left).read_to_end(&mut text)?;
            Ok(text)
        };
        // What cannot be read any more is as good as gone.
        let Ok(text) = read() else { continue };
        left = left.saturating_sub(text.len() as u64);
        texts.push(String::from_utf8_lossy(&text).into_owned());
    }
    // Half a line at the beginning, or at the end of a piece that a crash cut, is no line.
    texts.iter().rev().flat_map(|text| text.lines()).filter_map(|line| serde_json::from_str(line).ok()).collect()
}

impl Files {
    /// Files below this data directory; nothing is made before the first line.
    pub(crate) fn new(data_dir: &Path, bounds: Bounds) -> Self {
        Self { folder: data_dir.join(FOLDER), bounds, piece: None, complained: false }
    }

    /// Writes a line. What cannot be written is said once on standard error, and left out: the log must not stop the work.
    pub(crate) fn write(&mut self, line: &LogLine) {
        if let Err(error) = self.try_write(line) {
            self.piece = None;
            if !self.complained {
                self.complained = true;
                // With standard error closed there is nobody to tell.
                let _ = writeln!(io::stderr(), "strawboss: the log cannot be written to {}: {error}", self.folder.display());
            }
        }
    }

    fn try_write(&mut self, line: &LogLine) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let most = (self.bounds.bytes / PIECES).max(1);
        let full = self.piece.as_ref().is_some_and(|piece| {
            piece.bytes > 0 && piece.bytes + text.len() as u64 > most || piece.begun.elapsed().is_ok_and(|age| age > PIECE_AGE)
        });
        if full || self.piece.is_none() {
            self.piece = Some(self.open()?);
            self.sweep();
        }
        let Some(piece) = &mut self.piece else { return Ok(()) };
        piece.file.write_all(&text)?;
        piece.bytes += text.len() as u64;
        Ok(())
    }

    fn open(&self) -> io::Result<Piece> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let begun = SystemTime::now();
        let ms = begun.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let path = self.folder.join(format!("{}{ms:013}{}", NAME.0, NAME.1));
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Piece { file, bytes, begun })
    }

    /// Removes what is too old or too much; never the piece that is written to.
    fn sweep(&self) {
        let found = pieces(&self.folder);
        let mut total: u64 = found.iter().map(|(_, bytes, _)| bytes).sum();
        let most = self.bounds.bytes - self.bounds.bytes / PIECES;
        for (path, bytes, modified) in found.iter().take(found.len().saturating_sub(1)) {
            let old = modified.elapsed().is_ok_and(|age| age > self.bounds.age);
            // Somebody else may have removed it.
            if (old || total > most) && fs::remove_file(path).is_ok() {
                total -= bytes;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Bounds, FOLDER, Files, newest, pieces};
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::{Duration, SystemTime};
    use strawboss_protocol::api::LogLine;

    fn line(at: i64) -> LogLine {
        LogLine {
            seq: 0,
            at,
            level: "info".to_owned(),
            target: "test".to_owned(),
            message: "x".repeat(100),
            run: None,
            fields: BTreeMap::new(),
        }
    }

    #[test]
    fn files_stay_within_their_bounds_and_the_newest_lines_are_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let bounds = Bounds { bytes: 64 * 1024, age: Duration::from_hours(1) };
        let mut files = Files::new(dir.path(), bounds);
        for at in 0..2000 {
            files.write(&line(at));
        }
        let found = pieces(&dir.path().join(FOLDER));
        let total: u64 = found.iter().map(|(_, bytes, _)| bytes).sum();
        assert!(total <= bounds.bytes && total > bounds.bytes / 2, "{total}");
        assert_eq!(found[0].0.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let read = newest(dir.path(), 4096);
        assert!(read.len() > 10 && read.len() < 40, "{}", read.len());
        assert_eq!(read.last().unwrap().at, 1999);
        assert!(read.is_sorted_by_key(|line| line.at));
    }

    #[test]
    fn what_is_too_old_goes_and_what_is_not_ours_stays() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join(FOLDER);
        std::fs::create_dir(&folder).unwrap();
        let old = folder.join("strawboss-0000000000001.ndjson");
        for path in [&old, &folder.join("notes.txt")] {
            std::fs::write(path, "half a line").unwrap();
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_hours(2)).unwrap();
        }
        assert!(newest(dir.path(), 4096).is_empty());
        Files::new(dir.path(), Bounds { bytes: 1 << 20, age: Duration::from_hours(1) }).write(&line(1));
        assert!(!old.exists() && folder.join("notes.txt").exists());
    }

    #[test]
    fn a_folder_that_cannot_be_written_stops_nothing() {
        let mut files = Files::new(std::path::Path::new("/proc/nowhere"), Bounds { bytes: 1024, age: Duration::from_hours(1) });
        files.write(&line(1));
        files.write(&line(2));
    }
}
