//! The name by which a row is known from one reading to the next.
//!
//! A row with an `ID` is that id. Another is its Project, its Next Action and which one it is among those that
//! have both the same, in the table's order. Where a row stands, and what its other cells say, does not matter.

use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};

/// Gives names to rows in the table's order.
#[derive(Debug, Default)]
pub(crate) struct Identities {
    equals: HashMap<[u8; 16], u32>,
    ids: HashSet<String>,
}

/// What a row is called.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// By this name.
    Is(String),
    /// By a name that an earlier row has.
    Taken(String),
}

impl Identities {
    /// Names the next row. `id` is empty when it has none.
    pub(crate) fn next(&mut self, id: &str, project: &str, action: &str) -> Identity {
        if !id.is_empty() {
            let name = of_id(id);
            return if self.ids.insert(name.clone()) { Identity::Is(name) } else { Identity::Taken(name) };
        }
        let mut hash = Sha256::new();
        // The length parts the two: without it `a` + `bc` and `ab` + `c` would be one.
        hash.update((project.len() as u64).to_le_bytes());
        hash.update(project);
        hash.update(action);
        let digest = hash.finalize();
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        let which = self.equals.entry(key).or_insert(0);
        *which += 1;
        Identity::Is(format!("row:{}:{which}", hex(&key)))
    }
}

/// The name of the row with this `ID`.
pub(crate) fn of_id(id: &str) -> String {
    format!("id:{id}")
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::{Identities, Identity};

    fn is(identity: Identity) -> String {
        match identity {
            Identity::Is(name) => name,
            Identity::Taken(name) => panic!("{name} is taken"),
        }
    }

    #[test]
    fn equal_rows_are_told_apart_by_their_order() {
        let mut identities = Identities::default();
        let first = is(identities.next("", "Antenna", "Do it"));
        let second = is(identities.next("", "Antenna", "Do it"));
        assert!(first.ends_with(":1") && second.ends_with(":2"), "{first} {second}");
        assert_eq!(first[..first.len() - 1], second[..second.len() - 1]);
        assert!(is(identities.next("", "Antenn", "aDo it")).ends_with(":1"));
        // Stored in databases: a change of this name would make every known row a new one.
        assert_eq!(first, "row:23796c24481ba0f4e358511091276fe9:1");
    }

    #[test]
    fn an_id_is_the_name_and_stands_once() {
        let mut identities = Identities::default();
        assert_eq!(is(identities.next("42", "Antenna", "Do it")), "id:42");
        assert_eq!(identities.next("42", "Other", "Else"), Identity::Taken("id:42".to_owned()));
        assert!(is(identities.next("", "Antenna", "Do it")).ends_with(":1"));
    }
}
