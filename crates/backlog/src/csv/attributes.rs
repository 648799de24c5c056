//! Owner, mode and extended attributes of a file, carried over to the one that takes its place.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, fchown};

/// Makes `to` belong to whom `from` belongs to, with the same mode, access lists and attributes.
///
/// An error means that the two would differ in something that a person may have set.
pub(crate) fn copy(from: &File, metadata: &Metadata, to: &File) -> io::Result<()> {
    let own = to.metadata()?;
    if (own.uid(), own.gid()) != (metadata.uid(), metadata.gid()) {
        fchown(to, Some(metadata.uid()), Some(metadata.gid()))?;
    }
    // After the owner: changing it takes bits of the mode away.
    to.set_permissions(metadata.permissions())?;
    for name in names(from)? {
        let value = value(from, &name)?;
        match rustix::fs::fsetxattr(to, name.as_slice(), &value, rustix::fs::XattrFlags::empty()) {
            Ok(()) => {}
            // Labels of the system's own, which it sets on every file itself.
            Err(_) if name.starts_with(b"security.") || name.starts_with(b"trusted.") => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn names(file: &File) -> io::Result<Vec<Vec<u8>>> {
    // The kernel's own bound for the list of names: 64 KiB.
    let mut list = vec![0; 64 << 10];
    let length = match rustix::fs::flistxattr(file, list.as_mut_slice()) {
        Ok(length) => length,
        Err(rustix::io::Errno::NOTSUP | rustix::io::Errno::NOSYS) => 0,
        Err(error) => return Err(error.into()),
    };
    Ok(list[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect())
}

fn value(file: &File, name: &[u8]) -> io::Result<Vec<u8>> {
    // The kernel's own bound for one value: 64 KiB.
    let mut value = vec![0; 64 << 10];
    let length = rustix::fs::fgetxattr(file, name, value.as_mut_slice())?;
    value.truncate(length);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::copy;
    use std::fs::{self, File};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    #[test]
    fn mode_and_attributes_go_over() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (File::create(dir.path().join("old")).unwrap(), File::create(dir.path().join("new")).unwrap());
        old.set_permissions(fs::Permissions::from_mode(0o640)).unwrap();
        let attribute = rustix::fs::fsetxattr(&old, "user.note", b"mine", rustix::fs::XattrFlags::empty());
        copy(&old, &old.metadata().unwrap(), &new).unwrap();
        assert_eq!(new.metadata().unwrap().mode() & 0o7777, 0o640);
        // File systems without attributes have nothing to carry over.
        if attribute.is_ok() {
            let mut value = [0; 8];
            let length = rustix::fs::fgetxattr(&new, "user.note", &mut value[..]).unwrap();
            assert_eq!(&value[..length], b"mine");
        }
    }
}
