//! Keys of age: recipients, for whom a backup is encrypted, and identities, who can open it.

use crate::failure::{ExitStatus, Failure, io};
use age::secrecy::ExposeSecret as _;
use std::path::Path;
use std::str::FromStr as _;

/// The largest file of identities that is read, in bytes.
const FILE_MAX: u64 = 64 << 10;

/// A public key, `age1…`: with it backups are written, and cannot be read.
#[derive(Clone)]
pub(crate) struct Recipient(age::x25519::Recipient);

impl Recipient {
    pub(crate) fn key(&self) -> &age::x25519::Recipient {
        &self.0
    }
}

impl std::str::FromStr for Recipient {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim().to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") {
            // Not repeated: it is a secret.
            return Err("this is a secret key; the public one, `age1…`, belongs here".to_owned());
        }
        let key = age::x25519::Recipient::from_str(text.trim()).map_err(|why| format!("`{text}` is no key of age: {why}"))?;
        Ok(Self(key))
    }
}

impl std::fmt::Display for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::fmt::Debug for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq for Recipient {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

/// Secret keys, out of a file as `age-keygen` writes it.
pub(crate) struct Identity(Vec<age::x25519::Identity>);

impl Identity {
    pub(crate) fn keys(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.0.iter().map(|key| key as &dyn age::Identity)
    }
}

/// Reads the secret keys of a file: one a line, with comments.
pub(crate) fn identity(file: &Path) -> Result<Identity, Failure> {
    let shown = file.display();
    let size = std::fs::metadata(file).map_err(io(format_args!("read the identity {shown}")))?.len();
    if size > FILE_MAX {
        return Err(Failure::usage(format!("{shown} is larger than any file of keys")));
    }
    let text = std::fs::read_to_string(file).map_err(io(format_args!("read the identity {shown}")))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys = lines.map(age::x25519::Identity::from_str).collect::<Result<Vec<_>, _>>();
    match keys {
        Ok(keys) if !keys.is_empty() => Ok(Identity(keys)),
        // The line itself is not repeated.
        _ => Err(Failure::usage(format!("{shown} holds no secret key of age (a line `AGE-SECRET-KEY-1…`)"))
            .fix("Name the file that `strawboss db key` or `age-keygen` wrote.")),
    }
}

/// Makes a pair of keys: writes the secret one into a file that is not there yet, and gives back the public one.
pub(crate) fn generate(file: &Path) -> Result<Recipient, Failure> {
    if file.exists() {
        return Err(Failure::new(format!("{} is there already; a key is never overwritten", file.display()))
            .fix("Name another file.")
            .status(ExitStatus::Conflict));
    }
    let key = age::x25519::Identity::generate();
    let public = key.to_public();
    let text = format!("# public key: {public}\n{}\n", key.to_string().expose_secret());
    crate::serve::data_dir::write_whole(file, &text).map_err(io(format_args!("write {}", file.display())))?;
    Ok(Recipient(public))
}
