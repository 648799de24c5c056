//! A session's bytes on disk, in pieces that can be dropped from the oldest.
//!
//! A piece is a file `<session offset>-<sandbox offset>-<sandbox>` (offsets as 16 hex digits): everything that must be
//! known after a restart is in the names and sizes of the files. Bytes that a supervisor had to drop leave a gap.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use strawboss_core::SandboxId;

/// A piece is closed when it is this long.
const PIECE_LIMIT: u64 = 8 << 20;
/// How much of one session is kept.
const SESSION_LIMIT: u64 = 64 << 20;

struct Piece {
    sandbox: SandboxId,
    sandbox_start: u64,
    len: u64,
    path: PathBuf,
}

/// See the module.
pub(super) struct Recording {
    folder: PathBuf,
    /// By session offset.
    pieces: BTreeMap<u64, Piece>,
    open: Option<(u64, File)>,
    selected: Option<SandboxId>,
    /// Where the selected sandbox's next byte goes, in its own offsets.
    position: u64,
}

impl Recording {
    /// Reads what is there; the folder may be missing.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let mut pieces = BTreeMap::new();
        match std::fs::read_dir(folder) {
            Ok(entries) => {
                for entry in entries {
                    let entry = entry?;
                    let name = entry.file_name();
                    let Some((start, sandbox_start, sandbox)) = name.to_str().and_then(parse) else { continue };
                    pieces.insert(start, Piece { sandbox, sandbox_start, len: entry.metadata()?.len(), path: entry.path() });
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(Self { folder: folder.to_owned(), pieces, open: None, selected: None, position: 0 })
    }

    /// The offset after the last byte.
    pub(super) fn end(&self) -> u64 {
        self.pieces.last_key_value().map_or(0, |(start, piece)| start + piece.len)
    }

    /// The offset of the oldest byte.
    pub(super) fn start(&self) -> u64 {
        self.pieces.first_key_value().map_or(0, |(start, _)| *start)
    }

    /// Goes on with this sandbox; gives how many of its bytes there have been.
    pub(super) fn select(&mut self, sandbox: &SandboxId) -> u64 {
        if self.selected.as_ref() != Some(sandbox) {
            self.position = self
                .pieces
                .values()
                .filter(|piece| piece.sandbox == *sandbox)
                .map(|piece| piece.sandbox_start + piece.len)
                .max()
                .unwrap_or(0);
            self.selected = Some(sandbox.clone());
            self.open = None;
        }
        self.position
    }

    /// Holds no file open until there is something to write again.
    pub(super) fn close(&mut self) {
        self.open = None;
    }

    /// Writes the selected sandbox's bytes from its `offset` on, which is at or after what there is.
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let gap = offset - self.position;
        let full =
            self.open.as_ref().is_some_and(|(start, _)| self.pieces.get(start).is_none_or(|piece| piece.len >= PIECE_LIMIT));
        if gap > 0 || full || self.open.is_none() {
            self.begin_piece(offset, gap)?;
        }
        let Some((start, file)) = &mut self.open else { return Ok(()) };
        let Some(piece) = self.pieces.get_mut(start) else { return Ok(()) };
        if let Err(error) = file.write_all(bytes) {
            // A full disk may have taken a part of them: they will come again, and stand in the recording once.
            file.set_len(piece.len)?;
            return Err(error);
        }
        piece.len += bytes.len() as u64;
        self.position = offset + bytes.len() as u64;
        Ok(())
    }

    fn begin_piece(&mut self, offset: u64, gap: u64) -> io::Result<()> {
        let Some(sandbox) = self.selected.clone() else { return Ok(()) };
        std::fs::create_dir_all(&self.folder)?;
        let start = self.end() + gap;
        // An empty piece at the same place would be its own file twice.
        if let Some(piece) = self.pieces.remove(&start) {
            std::fs::remove_file(&piece.path)?;
        }
        let path = self.folder.join(format!("{start:016x}-{offset:016x}-{sandbox}"));
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        self.pieces.insert(start, Piece { sandbox, sandbox_start: offset, len: 0, path });
        self.open = Some((start, file));
        while self.pieces.len() > 1 && self.end() - self.start() > SESSION_LIMIT {
            let Some((_, oldest)) = self.pieces.pop_first() else { break };
            std::fs::remove_file(&oldest.path)?;
        }
        Ok(())
    }

    /// Bytes from `offset` on, or from the next byte there is: where they start, and at most `limit` of them.
    pub(super) fn read(&mut self, offset: u64, limit: usize) -> io::Result<Option<(u64, Vec<u8>)>> {
        let within = self.pieces.range(..=offset).next_back().filter(|(start, piece)| offset < *start + piece.len);
        let Some((start, piece)) = within.or_else(|| self.pieces.range(offset..).find(|(_, piece)| piece.len > 0)) else {
            return Ok(None);
        };
        let at = offset.max(*start);
        let mut file = File::open(&piece.path)?;
        file.seek(SeekFrom::Start(at - start))?;
        let room = (start + piece.len - at).min(limit as u64);
        let mut bytes = Vec::with_capacity(usize::try_from(room).unwrap_or(limit));
        file.take(room).read_to_end(&mut bytes)?;
        Ok((!bytes.is_empty()).then_some((at, bytes)))
    }
}

fn parse(name: &str) -> Option<(u64, u64, SandboxId)> {
    let (start, rest) = name.split_once('-')?;
    let (sandbox_start, sandbox) = rest.split_once('-')?;
    Some((u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(sandbox_start, 16).ok()?, SandboxId::parse(sandbox).ok()?))
}
