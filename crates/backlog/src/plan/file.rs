//! The plan file on disk: read whole, edited under a lock, replaced in one step, and nobody's edit in between lost.
//!
//! The lock is `flock` on the file itself, as for the CSV backlog. Editors know no locks: the old and the new file change
//! places, and if what came out is not what had been read, they change back and the edit is redone on what is there.

use super::book::Book;
use super::error::PlanError;
use crate::csv::{
    Snapshot, Stamp, change_places, copy_attributes, glance, is_unknown_to_the_file_system, look, open_no_link, read_all,
};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a file that cannot be read as it is may be one that is being saved: 2 s.
const TORN: Duration = Duration::from_secs(2);
/// For all tries of one edit together: 5 s.
const WRITE: Duration = Duration::from_secs(5);
/// Between two tries.
const AGAIN: Duration = Duration::from_millis(20);

/// Parts the names of files aside of one process.
static ASIDE: AtomicU64 = AtomicU64::new(0);

/// A plan file as it was at one moment.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) book: Book,
    pub(crate) stamp: Stamp,
    snapshot: Snapshot,
}

/// Reads the file; one that may be being saved is waited for.
pub fn read(path: &Path) -> Result<Book, PlanError> {
    load(path).map(|loaded| loaded.book)
}

pub(crate) fn load(path: &Path) -> Result<Loaded, PlanError> {
    let began = Instant::now();
    loop {
        match load_once(path) {
            Err(error) if error != PlanError::Missing && worth_waiting(path, &error, began) => std::thread::sleep(AGAIN),
            done => return done,
        }
    }
}

/// Whether a file that was written a moment ago may be whole a moment later.
fn worth_waiting(path: &Path, error: &PlanError, began: Instant) -> bool {
    let fresh = glance(path).is_none_or(|stamp| stamp.age().is_none_or(|age| age < TORN));
    error.may_pass() && fresh && began.elapsed() < TORN
}

fn load_once(path: &Path) -> Result<Loaded, PlanError> {
    let mut snapshot = look(path)?;
    let book = Book::parse(std::mem::take(&mut snapshot.bytes))?;
    Ok(Loaded { book, stamp: snapshot.stamp, snapshot })
}

/// Edits the file: `change` is given what is there and says what shall be there; it may be asked more than once. An error of
/// it leaves the file as it is.
pub fn edit<T, E: From<PlanError>>(path: &Path, mut change: impl FnMut(&Book) -> Result<(String, T), E>) -> Result<T, E> {
    let began = Instant::now();
    loop {
        match attempt(path, &mut change)? {
            Attempt::Done(answer) => return Ok(answer),
            Attempt::Again if began.elapsed() < WRITE => std::thread::sleep(AGAIN),
            Attempt::Again => {
                return Err(E::from(PlanError::File {
                    why: "another program holds its lock, or keeps writing to it".to_owned(),
                    fix: "Find it (`fuser`, `lsof`) and end it, or try again.",
                    passes: true,
                }));
            }
        }
    }
}

enum Attempt<T> {
    Done(T),
    /// The file is not as it was read.
    Again,
}

fn attempt<T, E: From<PlanError>>(
    path: &Path,
    change: &mut impl FnMut(&Book) -> Result<(String, T), E>,
) -> Result<Attempt<T>, E> {
    let loaded = load(path)?;
    let old = &loaded.snapshot;
    match old.file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(Attempt::Again),
        // On file systems without locks the comparison has to do.
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
        Err(TryLockError::Error(error)) => return Err(E::from(system("locking it", &error))),
    }
    if glance(path) != Some(loaded.stamp) {
        return Ok(Attempt::Again);
    }
    let (new, answer) = change(&loaded.book)?;
    if new == loaded.book.as_str() {
        return Ok(Attempt::Done(answer));
    }
    Ok(if replace(&loaded, new.as_bytes())? { Attempt::Done(answer) } else { Attempt::Again })
}

/// Puts `new` in the file's place; false: somebody wrote to it meanwhile, and theirs is there.
fn replace(loaded: &Loaded, new: &[u8]) -> Result<bool, PlanError> {
    let old = &loaded.snapshot;
    let path = &old.path;
    may_replace(old)?;
    let aside = aside(path);
    let fresh = write_aside(&aside, new, Some(old)).map_err(|error| {
        discard(&aside);
        system("writing the new content beside it", &error)
    })?;
    if glance(path) != Some(loaded.stamp) {
        discard(&aside);
        return Ok(false);
    }
    match change_places(&aside, path) {
        Ok(()) => {}
        Err(error) if is_unknown_to_the_file_system(&error) => {
            // Where two files cannot change places, the new one takes the name.
            let renamed = fs::rename(&aside, path);
            sync_folder(path);
            drop(fresh);
            return renamed.map(|()| true).map_err(|error| {
                discard(&aside);
                system("putting the new content in its place", &error)
            });
        }
        Err(error) => {
            discard(&aside);
            let gone = error.kind() == ErrorKind::NotFound;
            return if gone { Ok(false) } else { Err(system("putting the new content in its place", &error)) };
        }
    }
    sync_folder(path);
    let displaced = open_no_link(&aside).ok().and_then(|file| read_all(&file).ok());
    if displaced.as_deref() == Some(loaded.book.as_str().as_bytes()) {
        discard(&aside);
        drop(fresh);
        return Ok(true);
    }
    // Theirs goes back to its place. If that fails, it keeps its name beside the file.
    change_places(&aside, path).map_err(|error| PlanError::File {
        why: format!("an edit that was made meanwhile is kept in `{}`, and could not be put back: {error}", aside.display()),
        fix: "Compare the two files, and keep what you need.",
        passes: false,
    })?;
    match fs::read(&aside) {
        Ok(bytes) if bytes == new => discard(&aside),
        // Written to in the moment that ours was there: kept for a person.
        _ => {
            return Err(PlanError::File {
                why: format!("an edit that was made meanwhile is kept in `{}`", aside.display()),
                fix: "Compare the two files, and keep what you need.",
                passes: false,
            });
        }
    }
    Ok(false)
}

/// What a person may have meant to be left as it is.
fn may_replace(old: &Snapshot) -> Result<(), PlanError> {
    let refused = |why: &str, fix| Err(PlanError::File { why: why.to_owned(), fix, passes: false });
    // Also for root, who may write everything.
    if old.metadata.mode() & 0o222 == 0 || rustix::fs::access(&old.path, rustix::fs::Access::WRITE_OK).is_err() {
        return refused("it is read-only", "Make it writable (`chmod u+w`).");
    }
    if old.metadata.nlink() > 1 {
        return refused(
            "it has several names (hard links), and would be parted from the others",
            "Copy it to a file of its own.",
        );
    }
    Ok(())
}

fn aside(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let number = ASIDE.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!(".{name}.strawboss-{}-{number}", std::process::id()))
}

fn write_aside(aside: &Path, new: &[u8], like: Option<&Snapshot>) -> io::Result<File> {
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(aside)?;
    file.write_all(new)?;
    if let Some(like) = like {
        copy_attributes(&like.file, &like.metadata, &file)?;
    }
    file.sync_all()?;
    // Whoever finds the new file waits until we are through with it.
    let _ = file.try_lock();
    Ok(file)
}

fn discard(path: &Path) {
    // Ours alone, by its name; what cannot be removed is in nobody's way.
    let _ = fs::remove_file(path);
}

fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A folder that cannot be synced is not worth failing for: the content is.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

/// Writes a file that is not there yet; never over another one.
pub fn create(path: &Path, content: &[u8]) -> Result<(), PlanError> {
    let aside = aside(path);
    let made = write_aside(&aside, content, None)
        .and_then(|file| file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644)))
        .and_then(|()| fs::hard_link(&aside, path));
    discard(&aside);
    match made {
        Ok(()) => {
            sync_folder(path);
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(PlanError::Exists),
        Err(error) => Err(system("writing it", &error)),
    }
}

fn system(doing: &str, error: &io::Error) -> PlanError {
    let fix = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "Free space on its disk.",
        ErrorKind::ReadOnlyFilesystem => "Mount its file system writable.",
        ErrorKind::PermissionDenied => "Give this user the right to write the file and its folder.",
        ErrorKind::ResourceBusy => "It seems to be mounted alone: mount its folder instead, so that it can be replaced.",
        ErrorKind::NotFound => "Make its folder first.",
        _ => "Mend what the operating system names.",
    };
    let passes = !matches!(error.kind(), ErrorKind::NotFound);
    PlanError::File { why: format!("{doing} failed: {error}"), fix, passes }
}

#[cfg(test)]
mod tests {
    use super::super::edit::Edit;
    use super::{PlanError, create, edit, read};
    use jiff::Timestamp;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    fn done(book: &super::Book, phase: usize) -> Result<(String, ()), PlanError> {
        let mut edit = Edit::of(book, Timestamp::now());
        edit.set_done(0, phase, true)?;
        Ok((edit.finish(), ()))
    }

    const TWO: &str = "[{\"id\":\"a\",\"todos\":[{\"text\":\"x\",\"done\":false},{\"text\":\"y\",\"done\":false}]}]";

    #[test]
    fn an_edit_made_meanwhile_is_not_lost() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plans.json");
        fs::write(&path, TWO).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let mut asked = 0;
        edit(&path, |book| {
            asked += 1;
            if asked == 1 {
                // A person saves while we think.
                fs::write(&path, TWO.replace("\"y\"", "\"z\"")).unwrap();
            }
            done(book, 0)
        })
        .unwrap();
        let book = read(&path).unwrap();
        assert_eq!((asked, book.plans[0].phases[1].text.as_str(), book.plans[0].phases[0].done), (2, "z", true));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn many_edit_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plans.json");
        let todos: Vec<_> = (0..8).map(|at| format!("{{\"text\":\"{at}\"}}")).collect();
        fs::write(&path, format!("[{{\"id\":\"a\",\"todos\":[{}]}}]", todos.join(","))).unwrap();
        std::thread::scope(|scope| {
            for at in 0..8 {
                let path = &path;
                scope.spawn(move || edit(path, |book| done(book, at)).unwrap());
            }
        });
        assert_eq!(read(&path).unwrap().plans[0].done(), 8);
    }

    #[test]
    fn what_is_to_be_left_as_it_is_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plans.json");
        fs::write(&path, TWO).unwrap();
        fs::hard_link(&path, dir.path().join("other")).unwrap();
        assert!(edit(&path, |book| done(book, 0)).unwrap_err().to_string().contains("several names"));
        fs::remove_file(dir.path().join("other")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        assert!(edit(&path, |book| done(book, 0)).unwrap_err().to_string().contains("read-only"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let link = dir.path().join("link.json");
        std::os::unix::fs::symlink("plans.json", &link).unwrap();
        edit(&link, |book| done(book, 0)).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink() && read(&path).unwrap().plans[0].phases[0].done);
    }

    #[test]
    fn bad_files_are_refused_and_left_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plans.json");
        assert_eq!(read(&path).unwrap_err(), PlanError::Missing);
        for (bytes, part) in [
            (&b"[{\"id\":\"caf\xe9\"}]"[..], "byte 12 on line 1 (0xE9) is not UTF-8"),
            (b"\n\n \xff", "byte 2 on line 3"),
            (b"", "empty"),
            (b" \n", "empty"),
            (b"[{\"id\": }]", "no JSON"),
            (b"[1,\n2", "no JSON"),
            (b"\"x\"", "neither a list nor an object"),
            (b"{\"id\":\"a\",\"todos\":[]}", "one plan alone"),
            (b"{\"version\":1}", "without a plan"),
        ] {
            fs::write(&path, bytes).unwrap();
            // Old enough to be taken at its word.
            let old = std::time::SystemTime::now() - std::time::Duration::from_mins(1);
            fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
            let error = super::load_once(&path).unwrap_err();
            assert!(error.to_string().contains(part) && !error.fix().is_empty(), "{error}");
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
        assert_eq!(create(&path, b"[]"), Err(PlanError::Exists));
    }
}
