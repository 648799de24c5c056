//! Opening a backup: everything in it is a stranger's until its end has been read and all sums are right.

use super::archive::{END, FORMAT, MANIFEST, SMALL, STATE, Tally, is_allowed};
use super::{End, Identity, Manifest};
use crate::failure::Failure;
use flate2::bufread::GzDecoder;
use indicatif::ProgressBar;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use strawboss_store::transfer::Record;

/// What every encrypted file of age begins with.
const AGE: &[u8] = b"age-encryption.org/v1";
/// And every compressed one.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// The longest line of the state: a report of a megabyte, escaped.
const LINE_MAX: u64 = 64 << 20;

/// A backup that was read to its end, and found whole.
#[derive(Debug)]
pub(crate) struct Unpacked {
    pub(crate) manifest: Manifest,
    pub(crate) end: End,
    /// Where its files lie, by their names in the archive.
    pub(crate) folder: PathBuf,
}

/// Reads a backup whole and writes what is in it below `into`, which must be empty.
pub(crate) fn unpack(file: &Path, identity: Option<&Identity>, into: &Path, progress: &ProgressBar) -> Result<Unpacked, Failure> {
    let shown = file.display();
    let broken = |why: String| {
        Failure::new(format!("the backup {shown} cannot be used: {why}")).fix("Take another one; nothing was changed.")
    };
    let cannot = |error: io::Error| broken(why(&error));
    let opened = File::open(file).map_err(crate::failure::io(format_args!("open the backup {shown}")))?;
    progress.set_length(opened.metadata().map_or(0, |found| found.len()));
    let mut opened = BufReader::new(progress.wrap_read(opened));
    let mut start = [0; AGE.len()];
    let got = read_up_to(&mut opened, &mut start).map_err(cannot)?;
    let whole = (&start[..got]).chain(opened);
    if start[..got] == *AGE {
        let Some(identity) = identity else {
            return Err(Failure::usage(format!("the backup {shown} is encrypted"))
                .fix("Name the file with the secret key: --identity FILE."));
        };
        let decryptor = age::Decryptor::new(whole).map_err(|error| broken(error.to_string()))?;
        let clear = decryptor.decrypt(identity.keys()).map_err(|error| match error {
            age::DecryptError::NoMatchingKeys => {
                broken("it was encrypted for another key".to_owned()).fix("Name the file with its secret key: --identity FILE.")
            }
            error => broken(error.to_string()),
        })?;
        return from_gzip(clear, into).map_err(|error| broken(error.into_words()));
    }
    if start[..got.min(2)] != GZIP {
        return Err(broken("it is no backup of Strawboss".to_owned()));
    }
    from_gzip(whole, into).map_err(|error| broken(error.into_words()))
}

/// Why an archive is no good.
enum Bad {
    Io(io::Error),
    Wrong(String),
}

impl From<io::Error> for Bad {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Bad {
    fn into_words(self) -> String {
        match self {
            Self::Io(error) => why(&error),
            Self::Wrong(why) => why,
        }
    }
}

fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "it was cut short".to_owned(),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => format!("it is damaged: {error}"),
        _ => error.to_string(),
    }
}

fn read_up_to(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match from.read(&mut buffer[got..])? {
            0 => break,
            more => got += more,
        }
    }
    Ok(got)
}

fn from_gzip(packed: impl Read, into: &Path) -> Result<Unpacked, Bad> {
    let mut clear = GzDecoder::new(BufReader::new(packed));
    let unpacked = from_tar(&mut clear, into)?;
    // To the very end: gzip's own sum stands there, and age's word that nothing was cut off.
    io::copy(&mut clear, &mut io::sink())?;
    let mut rest = clear.into_inner();
    let mut one = [0];
    if rest.read(&mut one)? > 0 {
        return Err(Bad::Wrong("something follows its end".to_owned()));
    }
    Ok(unpacked)
}

fn from_tar(clear: &mut impl Read, into: &Path) -> Result<Unpacked, Bad> {
    let wrong = |why: &str| Bad::Wrong(why.to_owned());
    let mut archive = tar::Archive::new(clear);
    let mut tally = Tally::default();
    let mut manifest: Option<Manifest> = None;
    for entry in archive.entries()? {
        let mut entry = entry?;
        let size = entry.size();
        let name = String::from_utf8(entry.path_bytes().into_owned()).map_err(|_| wrong("a name in it is no text"))?;
        if !entry.header().entry_type().is_file() || !is_allowed(&name) {
            return Err(Bad::Wrong(format!("it holds what no backup holds: {}", name.escape_debug())));
        }
        if name == END {
            let manifest = manifest.ok_or_else(|| wrong("its first entry is missing"))?;
            let end: End = serde_json::from_slice(&small(&mut entry, size)?).map_err(|error| Bad::Wrong(error.to_string()))?;
            if tally.end(end.state.clone()) != end {
                return Err(wrong("its checksum is wrong: it is damaged, or was changed"));
            }
            return Ok(Unpacked { manifest, end, folder: into.to_owned() });
        }
        tally.entry(&name, size);
        if name == MANIFEST {
            let text = small(&mut entry, size)?;
            tally.content(&text);
            let read: Manifest = serde_json::from_slice(&text).map_err(|error| Bad::Wrong(error.to_string()))?;
            if read.format != FORMAT {
                let why = format!(
                    "version {} wrote it in format {}, and this version knows format {FORMAT}",
                    read.version, read.format
                );
                return Err(Bad::Wrong(why));
            }
            manifest = Some(read);
            continue;
        }
        if manifest.is_none() {
            return Err(wrong("its first entry is missing"));
        }
        let path = into.join(&name);
        DirBuilder::new().recursive(true).mode(0o700).create(path.parent().unwrap_or(into))?;
        // New: a name that comes twice is refused.
        let mut file = BufWriter::new(OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?);
        let mut buffer = vec![0; 128 << 10];
        loop {
            let got = entry.read(&mut buffer)?;
            if got == 0 {
                break;
            }
            tally.content(&buffer[..got]);
            file.write_all(&buffer[..got])?;
        }
        file.flush()?;
    }
    Err(wrong("it was cut short"))
}

fn small(entry: &mut impl Read, size: u64) -> Result<Vec<u8>, Bad> {
    if size > SMALL {
        return Err(Bad::Wrong("an entry that is a few lines is larger than any such".to_owned()));
    }
    let mut text = Vec::new();
    entry.read_to_end(&mut text)?;
    Ok(text)
}

impl Unpacked {
    /// The rows of the state, one by one; an error ends them.
    pub(crate) fn records(&self) -> io::Result<impl Iterator<Item = Result<Record, String>> + use<>> {
        use std::io::BufRead as _;
        let mut file = BufReader::new(File::open(self.folder.join(STATE))?);
        let mut number = 0;
        Ok(std::iter::from_fn(move || {
            number += 1;
            let mut line = Vec::new();
            match (&mut file).take(LINE_MAX).read_until(b'\n', &mut line) {
                Ok(0) => None,
                Ok(_) => Some(serde_json::from_slice(&line).map_err(|error| format!("line {number} of {STATE}: {error}"))),
                Err(error) => Some(Err(error.to_string())),
            }
        }))
    }

    /// A small file out of it.
    pub(crate) fn text(&self, name: &str) -> io::Result<String> {
        fs::read_to_string(self.folder.join(name)).map(|text| text.trim().to_owned())
    }
}
