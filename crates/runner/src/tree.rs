//! A tool's folder as a list: its content hash, its tar, its copy. Reads only, but for [`Tree::copy_to`].
//!
//! Modes are normalised (readable by all, executable or not) and times left out, so equal content has one hash
//! whoever unpacked it and whatever their umask was.

use crate::hex;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// More entries than the largest agent CLI has by far; a mistaken path (`/`) stops here.
const ENTRIES_MAX: usize = 200_000;

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Dir,
    File { size: u64, executable: bool },
    Link { target: PathBuf },
}

#[derive(Debug)]
struct Entry {
    path: PathBuf,
    kind: Kind,
    stamp: [i64; 4],
}

/// What is below a folder, in order of path.
#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
    entries: Vec<Entry>,
}

impl Tree {
    /// Lists `root`. Symlinks are listed, never followed; sockets, pipes and devices are refused.
    pub(crate) fn scan(root: &Path) -> io::Result<Self> {
        let root = root.canonicalize()?;
        let mut entries = Vec::new();
        let mut pending = vec![PathBuf::new()];
        while let Some(folder) = pending.pop() {
            for item in fs::read_dir(root.join(&folder))? {
                let item = item?;
                let path = folder.join(item.file_name());
                let meta = item.metadata()?;
                let kind = if meta.is_dir() {
                    pending.push(path.clone());
                    Kind::Dir
                } else if meta.is_symlink() {
                    Kind::Link { target: fs::read_link(item.path())? }
                } else if meta.is_file() {
                    Kind::File { size: meta.len(), executable: meta.mode() & 0o111 != 0 }
                } else {
                    return Err(io::Error::other(format!("{} is no file, folder or link", item.path().display())));
                };
                let stamp = [meta.ino().cast_signed(), meta.mtime(), meta.mtime_nsec(), i64::from(meta.mode())];
                entries.push(Entry { path, kind, stamp });
                if entries.len() > ENTRIES_MAX {
                    return Err(io::Error::other(format!("{} holds more than {ENTRIES_MAX} files", root.display())));
                }
            }
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { root, entries })
    }

    /// Changes when a file is replaced, added or removed; cheap, and says nothing across machines.
    pub(crate) fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for entry in &self.entries {
            hash_field(&mut hash, entry.path.as_os_str().as_bytes());
            for number in entry.stamp {
                hash.update(number.to_le_bytes());
            }
            if let Kind::File { size, .. } = entry.kind {
                hash.update(size.to_le_bytes());
            }
        }
        hex(&hash.finalize())
    }

    /// The SHA-256 of names, kinds and contents.
    pub(crate) fn content_hash(&self) -> io::Result<String> {
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 256 * 1024];
        for entry in &self.entries {
            hash_field(&mut hash, entry.path.as_os_str().as_bytes());
            match &entry.kind {
                Kind::Dir => hash.update(b"d"),
                Kind::Link { target } => {
                    hash.update(b"l");
                    hash_field(&mut hash, target.as_os_str().as_bytes());
                }
                Kind::File { size, executable } => {
                    hash.update(if *executable { b"x" } else { b"f" });
                    hash.update(size.to_le_bytes());
                    let mut file = fs::File::open(self.root.join(&entry.path))?;
                    loop {
                        let n = file.read(&mut buffer)?;
                        if n == 0 {
                            break;
                        }
                        hash.update(&buffer[..n]);
                    }
                }
            }
        }
        Ok(hex(&hash.finalize()))
    }

    /// Writes it as a tar, everything root's, readable by all, writable by none but root.
    pub(crate) fn tar(&self, out: impl Write) -> io::Result<()> {
        let mut tar = tar::Builder::new(out);
        tar.mode(tar::HeaderMode::Deterministic);
        for entry in &self.entries {
            let mut header = tar::Header::new_gnu();
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            header.set_size(0);
            match &entry.kind {
                Kind::Dir => {
                    header.set_entry_type(tar::EntryType::Directory);
                    header.set_mode(0o755);
                    tar.append_data(&mut header, &entry.path, io::empty())?;
                }
                Kind::Link { target } => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    header.set_mode(0o777);
                    tar.append_link(&mut header, &entry.path, target)?;
                }
                Kind::File { size, executable } => {
                    header.set_mode(if *executable { 0o755 } else { 0o644 });
                    header.set_size(*size);
                    let file = fs::File::open(self.root.join(&entry.path))?;
                    // Exactly the size in the header, so that a file growing meanwhile cannot break the archive.
                    tar.append_data(&mut header, &entry.path, file.take(*size))?;
                }
            }
        }
        tar.into_inner()?.flush()
    }

    /// Copies it into the new folder `target`, readable by all.
    pub(crate) fn copy_to(&self, target: &Path) -> io::Result<()> {
        fs::DirBuilder::new().mode(0o755).create(target)?;
        for entry in &self.entries {
            let to = target.join(&entry.path);
            match &entry.kind {
                Kind::Dir => fs::DirBuilder::new().mode(0o755).create(&to)?,
                Kind::Link { target } => std::os::unix::fs::symlink(target, &to)?,
                Kind::File { executable, .. } => {
                    let mode = if *executable { 0o755 } else { 0o644 };
                    let mut from = fs::File::open(self.root.join(&entry.path))?;
                    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&to)?;
                    io::copy(&mut from, &mut file)?;
                    file.set_permissions(fs::Permissions::from_mode(mode))?;
                }
            }
        }
        Ok(())
    }
}

/// A length before the bytes, so that `ab`+`c` and `a`+`bc` differ.
fn hash_field(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

#[cfg(test)]
mod tests {
    use super::Tree;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn content_alone_makes_the_hash() {
        let one = tempfile::tempdir().unwrap();
        let two = tempfile::tempdir().unwrap();
        for dir in [one.path(), two.path()] {
            fs::create_dir(dir.join("bin")).unwrap();
            fs::write(dir.join("bin/a"), "hello").unwrap();
            std::os::unix::fs::symlink("a", dir.join("bin/b")).unwrap();
        }
        fs::set_permissions(one.path().join("bin/a"), fs::Permissions::from_mode(0o600)).unwrap();
        let hash = |dir: &std::path::Path| Tree::scan(dir).unwrap().content_hash().unwrap();
        assert_eq!(hash(one.path()), hash(two.path()));
        let before = Tree::scan(two.path()).unwrap();
        fs::set_permissions(two.path().join("bin/a"), fs::Permissions::from_mode(0o755)).unwrap();
        assert_ne!(hash(one.path()), hash(two.path()));
        assert_ne!(before.fingerprint(), Tree::scan(two.path()).unwrap().fingerprint());
    }

    #[test]
    fn a_copy_and_a_tar_hold_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("from");
        fs::create_dir_all(from.join("lib/deep")).unwrap();
        fs::write(from.join("lib/deep/x"), vec![7; 100_000]).unwrap();
        fs::set_permissions(from.join("lib/deep/x"), fs::Permissions::from_mode(0o700)).unwrap();
        std::os::unix::fs::symlink("lib/deep/x", from.join("run")).unwrap();
        let tree = Tree::scan(&from).unwrap();
        let copy = dir.path().join("copy");
        tree.copy_to(&copy).unwrap();
        let mut bytes = Vec::new();
        tree.tar(&mut bytes).unwrap();
        let unpacked = dir.path().join("unpacked");
        tar::Archive::new(&bytes[..]).unpack(&unpacked).unwrap();
        let hash = tree.content_hash().unwrap();
        assert_eq!(hash, Tree::scan(&copy).unwrap().content_hash().unwrap());
        assert_eq!(hash, Tree::scan(&unpacked).unwrap().content_hash().unwrap());
        assert_eq!(fs::metadata(copy.join("lib/deep/x")).unwrap().permissions().mode() & 0o777, 0o755);
    }
}
