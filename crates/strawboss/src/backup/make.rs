//! Making a backup, while the service runs or while it does not.

use super::archive::{END, FORMAT, MANIFEST, MIRRORS, Manifest, RUNS, SECRET_FILES, SECRETS, SOURCES, STATE, Tally};
use super::{End, Recipient};
use crate::failure::{Failure, io};
use flate2::Compression;
use flate2::write::GzEncoder;
use indicatif::ProgressBar;
use std::fs::{self, File, OpenOptions};
use std::io::{self as stdio, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use strawboss_core::store::Store as _;
use strawboss_store::SqlStore;
use strawboss_store::transfer::{Summary, WAITING};
use tokio::sync::mpsc;

/// A backup that was made.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Made {
    pub(crate) file: PathBuf,
    /// Its size.
    pub(crate) bytes: u64,
    pub(crate) encrypted: bool,
    pub(crate) manifest: Manifest,
    pub(crate) end: End,
}

/// Makes a backup in `folder`. What is half made has a name that nobody takes for a backup, and goes again when this
/// fails.
pub(crate) async fn make(
    store: &SqlStore,
    data_dir: &Path,
    folder: &Path,
    recipients: &[Recipient],
    progress: &ProgressBar,
) -> Result<Made, Failure> {
    fs::create_dir_all(folder).map_err(io(format_args!("make the folder of backups {}", folder.display())))?;
    // Beside what it is made of: what lies in it is as secret, and there is space for it or not even for the service.
    let spool =
        super::spool::folder(data_dir, "backup").map_err(io(format_args!("prepare a backup in {}", data_dir.display())))?;
    progress.set_message("state");
    let state = spool_state(store, spool.path().join(STATE)).await?;
    progress.set_message("mirrors");
    let mirrors = spool_mirrors(data_dir, spool.path()).await?;
    let now = jiff::Timestamp::now();
    let installation = fs::read_to_string(data_dir.join(SECRET_FILES[0]))
        .map_err(io(format_args!("read the installation's id in {}", data_dir.display())))?;
    let manifest = Manifest {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        made_at: now.as_millisecond(),
        installation: installation.trim().to_owned(),
        database: store.kind().to_owned(),
    };
    let encrypted = !recipients.is_empty();
    let file = folder.join(super::keep::name(now, encrypted));
    let packing = Packing {
        data_dir: data_dir.to_owned(),
        spool,
        mirrors,
        manifest: manifest.clone(),
        state,
        recipients: recipients.to_vec(),
        progress: progress.clone(),
    };
    let to = file.clone();
    let end = tokio::task::spawn_blocking(move || packing.into_file(&to))
        .await
        .map_err(|error| Failure::new(format!("the backup was cut off: {error}")))?
        .map_err(|error| {
            io(format_args!("write the backup {}", file.display()))(error)
                .fix("See that the folder can be written and has space; nothing that was there was touched.")
        })?;
    let bytes = fs::metadata(&file).map_or(0, |found| found.len());
    Ok(Made { file, bytes, encrypted, manifest, end })
}

/// Writes every row, one a line.
async fn spool_state(store: &SqlStore, file: PathBuf) -> Result<Summary, Failure> {
    let (to, mut from) = mpsc::channel(WAITING);
    let shown = file.display().to_string();
    let writing = tokio::task::spawn_blocking(move || {
        let mut file = BufWriter::new(File::create_new(&file)?);
        while let Some(record) = from.blocking_recv() {
            serde_json::to_writer(&mut file, &record)?;
            file.write_all(b"\n")?;
        }
        file.flush()
    });
    let exported = store.export(to).await;
    writing
        .await
        .map_err(|error| Failure::new(format!("the backup was cut off: {error}")))?
        .map_err(io(format_args!("write {shown}")))?;
    exported.map_err(|error| Failure::new(format!("the state could not be read: {error}")))
}

/// Writes each mirror into a file of its own and gives back the files' names.
async fn spool_mirrors(data_dir: &Path, spool: &Path) -> Result<Vec<String>, Failure> {
    let mut bundles = Vec::new();
    let folder = data_dir.join(MIRRORS);
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == stdio::ErrorKind::NotFound => return Ok(bundles),
        entries => entries.map_err(io(format_args!("list mirrors in {}", folder.display())))?,
    };
    for entry in entries {
        let path = entry.map_err(io(format_args!("list mirrors in {}", folder.display())))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| name.ends_with(".git")) else { continue };
        let bundle = format!("{name}.bundle");
        let made = strawboss_engine::bundle_mirror(&path, &spool.join(&bundle)).await;
        if made.map_err(|error| Failure::new(format!("the mirror {} could not be backed up: {error}", path.display())))? {
            bundles.push(bundle);
        }
    }
    bundles.sort();
    Ok(bundles)
}

/// Everything that goes into the file, and what is told of it.
struct Packing {
    data_dir: PathBuf,
    /// Goes with this.
    spool: tempfile::TempDir,
    mirrors: Vec<String>,
    manifest: Manifest,
    state: Summary,
    recipients: Vec<Recipient>,
    progress: ProgressBar,
}

impl Packing {
    fn into_file(self, file: &Path) -> stdio::Result<End> {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let partial = file.with_file_name(format!(".{name}.partial"));
        let packed = self.into_partial(&partial).and_then(|end| {
            fs::rename(&partial, file)?;
            File::open(file.parent().unwrap_or(Path::new(".")))?.sync_all()?;
            Ok(end)
        });
        if packed.is_err() {
            // It may never have been made.
            let _ = fs::remove_file(&partial);
        }
        packed
    }

    fn into_partial(self, partial: &Path) -> stdio::Result<End> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(partial)?;
        let mut file = BufWriter::new(file);
        let end = if self.recipients.is_empty() {
            self.into_gzip(&mut file)?
        } else {
            let keys: Vec<_> = self.recipients.iter().map(|recipient| recipient.key().clone()).collect();
            let encryptor = age::Encryptor::with_recipients(keys.iter().map(|key| key as &dyn age::Recipient));
            let mut encrypted = encryptor.map_err(stdio::Error::other)?.wrap_output(&mut file)?;
            let end = self.into_gzip(&mut encrypted)?;
            encrypted.finish()?;
            end
        };
        file.flush()?;
        file.get_ref().sync_all()?;
        Ok(end)
    }

    fn into_gzip(self, to: &mut dyn Write) -> stdio::Result<End> {
        let mut packed = GzEncoder::new(to, Compression::fast());
        let end = self.into_tar(&mut packed)?;
        packed.finish()?;
        Ok(end)
    }

    fn into_tar(self, to: &mut dyn Write) -> stdio::Result<End> {
        let mut tar = tar::Builder::new(to);
        tar.mode(tar::HeaderMode::Deterministic);
        let mut tally = Tally::default();
        let mut add = |name: &str, size: u64, from: &mut dyn Read| {
            tally.entry(name, size);
            self.progress.set_message(name.to_owned());
            let mut header = tar::Header::new_gnu();
            header.set_size(size);
            header.set_mode(0o600);
            header.set_mtime(u64::try_from(self.manifest.made_at / 1000).unwrap_or(0));
            let counted = Counted { from, left: size, tally: &mut tally, progress: &self.progress };
            tar.append_data(&mut header, name, counted)
        };
        let manifest = serde_json::to_vec_pretty(&self.manifest)?;
        add(MANIFEST, manifest.len() as u64, &mut manifest.as_slice())?;
        let mut file = |name: &str, path: &Path| {
            let mut open = File::open(path)?;
            let size = open.metadata()?.len();
            add(name, size, &mut open)
        };
        file(STATE, &self.spool.path().join(STATE))?;
        for secret in SECRET_FILES {
            file(&format!("{SECRETS}/{secret}"), &self.data_dir.join(secret))?;
        }
        for bundle in &self.mirrors {
            file(&format!("{MIRRORS}/{bundle}"), &self.spool.path().join(bundle))?;
        }
        for (name, path) in recordings(&self.data_dir)? {
            match file(&name, &path) {
                // Removed since it was listed.
                Err(error) if error.kind() == stdio::ErrorKind::NotFound => {}
                done => done?,
            }
        }
        let end = tally.end(self.state);
        let text = serde_json::to_vec_pretty(&end)?;
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        tar.append_data(&mut header, END, text.as_slice())?;
        tar.finish()?;
        Ok(end)
    }
}

/// The files below `runs` and `sources`, by their names in the archive.
fn recordings(data_dir: &Path) -> stdio::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    let mut folders = [RUNS, SOURCES].map(|name| (name.to_owned(), data_dir.join(name))).to_vec();
    while let Some((name, folder)) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == stdio::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let Ok(part) = entry.file_name().into_string() else { continue };
            let name = format!("{name}/{part}");
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push((name, entry.path()));
            } else if kind.is_file() && super::archive::is_allowed(&name) {
                found.push((name, entry.path()));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// As many bytes as were announced: a recording that grows meanwhile is taken as it was, one that shrank is filled up.
struct Counted<'a> {
    from: &'a mut dyn Read,
    left: u64,
    tally: &'a mut Tally,
    progress: &'a ProgressBar,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> stdio::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = &mut buffer[..most];
        let mut got = self.from.read(buffer)?;
        if got == 0 && most > 0 {
            buffer.fill(0);
            got = most;
        }
        self.left -= got as u64;
        self.tally.content(&buffer[..got]);
        self.progress.inc(got as u64);
        Ok(got)
    }
}
